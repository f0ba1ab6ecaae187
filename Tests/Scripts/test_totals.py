"""How .ci/test adds up what the runners of the suites print."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory):
    loader = SourceFileLoader("runner", str(ROOT / ".ci/test"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


SWIFT = """\
Test Suite 'All tests' passed at 2026-01-01 00:00:00.000
\t Executed 0 tests, with 0 failures (0 unexpected) in 0.0 (0.0) seconds
\u25c7 Test "A name" started.
\u279c Test off() skipped: "because"
\u279c Case avx512 of everyPair(of:) skipped: the tests may use up to avx2
\u279c Case avx512 of everyPair(of:) skipped: the tests may use up to avx2
\u279c Case avx512 of Suite/Sinks.swift skipped: the tests may use up to avx2
\u2718 Test wrong() recorded an issue at Wrong.swift:5:5: Expectation failed
\u2718 Test wrong() failed after 0.001 seconds with 1 issue.
\u279c Test whole() was cancelled after 0.001 seconds: "whole"
\u2714 Test everyPair(of:) with 3 test cases passed after 0.001 seconds.
\u2718 Test run with 5 tests in 1 suite failed after 0.001 seconds with 1 issue.
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (SWIFT, (2, 1, 4)),
        ("3 passed in 0.10s\n", (3, 0, 0)),
        ("====== 2 failed, 5 passed, 1 skipped, 3 errors in 1.28s (0:01:02) ======\n", (5, 5, 1)),
        ("7 skipped in 0.10s\n", (0, 0, 7)),
        ("ok     one\n4 passed, 0 failed\n", (4, 0, 0)),
        ("4 passed, 1 failed, 2 skipped\n", (4, 1, 2)),
        ("test-training: no PyTorch\n0 passed, 0 failed, 4 skipped\n", (0, 0, 4)),
        ("it works\n", None),
        ("this sentence says that 3 passed by\n", None),
    ],
)
def test_counts(runner, log: str, expected: tuple[int, int, int] | None) -> None:
    assert runner.counts(log) == expected


def test_what_was_skipped_is_named_once(runner) -> None:
    names = runner.skipped_names(SWIFT + "SKIPPED [2] a.py:5: avx512\nskipped: avx512 (why)\nok skipped\n")
    assert [name.lstrip("\u279c ") for name in names] == [
        'Test off() skipped: "because"',
        "Case avx512 of everyPair(of:) skipped: the tests may use up to avx2",
        "Case avx512 of Suite/Sinks.swift skipped: the tests may use up to avx2",
        'Test whole() was cancelled after 0.001 seconds: "whole"',
        "SKIPPED [2] a.py:5: avx512",
        "skipped: avx512 (why)",
    ]


def test_the_last_line_is_the_total() -> None:
    """Of a step that is quick, as `make test` prints it."""
    answer = subprocess.run([".ci/test", "header"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+ passed, 0 failed, \d+ skipped", answer.stdout.splitlines()[-1])
