"""Text that follows a prompt keeps the space that it begins with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soniq.command import main

families = pytest.importorskip("families", exc_type=ImportError)
sys.path.insert(0, str(Path(__file__).parents[1] / "Decoders"))
from grammar_models import random_decoder  # noqa: E402


@pytest.mark.parametrize("name", ["gpt-2", "llama", "gemma"])
def test_the_first_space(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = random_decoder(tmp_path, families.FAMILIES[name]().keys, padding=0)
    tokenizer = model.tokenizer
    spaced = [token for token in range(len(tokenizer)) if tokenizer.decode_bytes([token], continues=True)[:1] == b" "]
    options = {"bias": dict.fromkeys(spaced, 1000.0), "max_tokens": 3}
    answer = model.generate("Alice is", **options)
    text = "".join(answer)
    assert text == tokenizer.decode_bytes(answer.generation.tokens, continues=True).decode("utf-8", "replace")
    assert text[0] == " " and text == answer.text

    found = 0
    for seed in range(40):
        arguments = ["generate", str(tmp_path / "model.soniq"), "Alice is", "--max-tokens", "1"]
        assert main([*arguments, "--temperature", "9", "--seed", str(seed)]) == 0
        same = model.generate("Alice is", max_tokens=1, temperature=9, seed=seed)
        written = capsys.readouterr().out
        assert written == "".join(same) + "\n"
        found += written[0] == " "
    assert found
