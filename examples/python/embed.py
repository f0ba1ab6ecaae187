"""Sentence embedding from Python: which inputs a model takes, one run, what each step cost.

    python embed.py model.soniq [token id]...

A tokenizer makes the ids; without any, the program uses 1 2 3 4.
"""

from __future__ import annotations

import sys

import numpy as np

import soniq


def main(path: str, ids: list[int]) -> None:
    print(soniq.build_info())
    model = soniq.load(path, profile=True)
    for info in model.inputs:
        print("input ", info.name, info.dtype, list(info.shape), "optional" if info.is_optional else "")
    outputs = model(input_ids=np.array([ids], np.int32))
    embedding = outputs["sentence_embedding"]
    print(f"{embedding.shape[1]} numbers, length {np.linalg.norm(embedding):.6f}, first {embedding[0, :4]}")
    for step in sorted(model.profile(), key=lambda step: -step.milliseconds)[:3]:
        print(f"{step.milliseconds:8.4f} ms  {step.operation:20} {step.kernel}")
    try:
        model(input_ids=np.array([[2**30]], np.int32))
    except soniq.SoniqError as error:
        print(f"a wrong id: {error} (node {error.node})")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], [int(word) for word in sys.argv[2:]] or [1, 2, 3, 4])
