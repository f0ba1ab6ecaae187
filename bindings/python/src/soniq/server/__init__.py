"""`soniq serve`: models behind HTTP, as OpenAI's interface has it. Needs the packages of `soniq[server]`."""
