// SoniqRuntime: plans a graph once and runs it without allocating.
