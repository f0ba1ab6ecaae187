"""The scheduler of `soniq serve`: each text is the one that it is alone, whatever is written beside it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import soniq
from soniq.server.job import Job
from soniq.server.problems import Problem
from soniq.server.scheduler import Limits, Scheduler
from soniq.server.shares import shares
from soniq.server.text import Manner, Piece, Text, likely

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "Tests/Decoders"))
from chat_model import write_model  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> soniq.Model:
    folder = tmp_path_factory.mktemp("models")
    source = write_model(folder / "chat.gguf")
    command = [os.environ["SONIQ_PACK"], "pack", str(source), "-o", str(folder / "chat.soniq")]
    subprocess.run(command, capture_output=True, check=True)
    return soniq.load(folder / "chat.soniq", threads=1)


class Counted:
    """A meter that remembers what it was told."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
        self.prompts: list[tuple[int, int]] = []
        self.kept = 0

    def ran(self, texts: int, tokens: int, seconds: float) -> None:
        self.runs.append((texts, tokens))

    def read(self, tokens: int, reused: int) -> None:
        self.prompts.append((tokens, reused))

    def wrote(self, tokens: int) -> None:
        pass

    def levels(self, running: int, waiting: int, kept: int) -> None:
        self.kept = kept


class Client:
    """Asks a scheduler and waits for the answers."""

    def __init__(self, model: soniq.Model, scheduler: Scheduler) -> None:
        self.model, self.scheduler = model, scheduler
        self.vocabulary = model.outputs[0].shape[-1]

    def job(
        self, prompt: list[int], max_tokens: int, *, count: int = 1, seconds: float = 60, stops: tuple[str, ...] = (),
        grammar: soniq.Grammar | None = None, ends: frozenset[int] = frozenset(), **options: object,
    ) -> tuple[Job, queue.Queue[Piece]]:  # fmt: skip
        pieces: queue.Queue[Piece] = queue.Queue()
        texts = []
        for index in range(count):
            sampler = soniq.Sampler(self.vocabulary, **(options | {"seed": options.get("seed", 0) + index}))
            tokenizer = self.model.tokenizer
            matcher = None if grammar is None else grammar.matcher(tokenizer, self.vocabulary, ends)
            manner = Manner(sampler, tokenizer.stream(continues=True), max_tokens, ends, stops, matcher)
            texts.append(Text(np.array(prompt, np.int32), manner, pieces.put))
        return Job(texts, seconds), pieces

    def ask(self, prompt: list[int], max_tokens: int, **options: object) -> tuple[Job, str, str | None]:
        """One answer: its text and why it ended."""
        job, pieces = self.job(prompt, max_tokens, **options)
        self.scheduler.submit(job)
        text = ""
        while True:
            piece = pieces.get(timeout=60)
            if piece.error is not None:
                raise piece.error
            text += piece.text
            if piece.is_last:
                return job, text, piece.reason


@pytest.fixture
def meter() -> Counted:
    return Counted()


@pytest.fixture
def client(model: soniq.Model, meter: Counted) -> Iterator[Client]:
    scheduler = Scheduler(model, Limits(concurrency=4, queue=3, kept_texts=3, kept_tokens=600), meter)
    yield Client(model, scheduler)
    scheduler.cancel_all()
    scheduler.retire()
    assert scheduler.join(60)


def alone(model: soniq.Model, prompt: list[int], max_tokens: int, **options: object) -> list[int]:
    return list(model.generate(prompt, max_tokens=max_tokens, ignore_end=True, **options))


def test_texts_beside_each_other_are_those_alone(model: soniq.Model, client: Client, meter: Counted) -> None:
    random = np.random.default_rng(5)
    asked = [
        (random.integers(3, 260, length).tolist(), {"temperature": 0.3 * index, "seed": index, "top_p": 0.95})
        for index, length in enumerate([600, 3, 17, 150])
    ]
    found: dict[int, list[int]] = {}

    def ask(index: int) -> None:
        prompt, options = asked[index]
        found[index] = client.ask(prompt, 40, frequency_penalty=0.5, **options)[0].texts[0].tokens

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, (prompt, options) in enumerate(asked):
        assert found[index] == alone(model, prompt, 40, frequency_penalty=0.5, **options), index
    # They ran together, and the long prompt in parts.
    assert max(texts for texts, _ in meter.runs) > 1
    assert max(tokens for _, tokens in meter.runs) <= 256


def test_several_answers_read_the_prompt_once(model: soniq.Model, client: Client, meter: Counted) -> None:
    prompt = list(range(5, 105))
    job, pieces = client.job(prompt, 20, count=3, temperature=1.0, seed=7)
    client.scheduler.submit(job)
    while not job.is_done:
        pieces.get(timeout=60)
    for index, text in enumerate(job.texts):
        assert text.tokens == alone(model, prompt, 20, temperature=1.0, seed=7 + index)
    assert meter.prompts == [(100, 0)]
    assert sum(tokens for _, tokens in meter.runs) == 100 + 3 * 19


def test_beginnings_are_used_again(model: soniq.Model, client: Client, meter: Counted) -> None:
    prompt = list(range(5, 105))
    first = client.ask(prompt, 10)[0].texts[0].tokens
    longer = [*prompt, *first, 30, 31, 32]
    job = client.ask(longer, 10)[0]
    # The last token of an answer was not run.
    assert job.reused == 109
    assert job.texts[0].tokens == alone(model, longer, 10)
    assert client.ask(prompt, 10)[0].reused == 99
    other = [*prompt[:50], 7, 7, 7]
    job = client.ask(other, 10)[0]
    assert job.reused == 50 and job.texts[0].tokens == alone(model, other, 10)
    for start in range(8):
        client.ask(list(range(100 + start, 20 + start, -1)), 5)
    assert client.ask(prompt, 1)[0].reused == 0
    assert 0 < meter.kept <= 600
    assert client.ask(list(range(3, 203)) * 4, 5)[0].reused < 200
    assert meter.kept <= 600


def test_an_answer_that_was_stopped_is_gone_on_with(model: soniq.Model) -> None:
    client = Client(model, Scheduler(model, Limits()))
    prompt = list(range(5, 105))
    job, pieces = client.job(prompt, 1500)
    client.scheduler.submit(job)
    while not job.texts[0].tokens:
        pieces.get(timeout=60)
    job.cancel()
    while not pieces.get(timeout=60).is_last:
        pass
    longer = prompt + job.texts[0].tokens + [30]
    again = client.ask(longer, 5)[0]
    # Of all but the last token of a text and the last of the new one it is known.
    assert again.reused >= len(longer) - 2 and again.texts[0].tokens == alone(model, longer, 5)
    client.scheduler.retire()
    assert client.scheduler.join(60)


def test_ends(model: soniq.Model, client: Client) -> None:
    prompt = list(range(5, 25))
    tokens = alone(model, prompt, 30)
    text = model.tokenizer.decode(tokens)
    assert client.ask(prompt, 30)[1:] == (text, "length")
    # Those that a stop may begin with are held back, and given out where it does not come.
    shown = text[: text.index(text[10:13])]
    assert client.ask(prompt, 30, stops=(text[10:13], text[-1] + "never"))[1:] == (shown, "stop")
    assert client.ask(prompt, 30, stops=(text[-1] + "never",))[1:] == (text, "length")
    end = tokens[7]
    job, _, reason = client.ask(prompt, 30, ends=frozenset({end}))
    assert reason == "stop" and job.texts[0].tokens == tokens[: tokens.index(end)]
    assert client.ask(prompt, 1)[1:] == (model.tokenizer.decode(tokens[:1]), "length")


def test_grammars(model: soniq.Model, client: Client) -> None:
    grammar = soniq.Grammar.regex("[a-c]{3}(x|y)")
    expected = "".join(model.generate("Once", grammar=grammar, max_tokens=9))
    prompt = model.tokenizer.encode("Once").tolist()
    assert client.ask(prompt, 9, grammar=grammar)[1:] == (expected, "stop")


def test_a_full_queue(client: Client) -> None:
    running = [client.job([5, 6, 7], 1500) for _ in range(4)]
    waiting = [client.job([5, 6, 7], 3) for _ in range(3)]
    for job, _ in running + waiting:
        client.scheduler.submit(job)
    with pytest.raises(Problem, match="3 requests wait") as caught:
        client.scheduler.submit(client.job([5], 3)[0])
    assert caught.value.status == 429 and caught.value.retry_after >= 1
    for job, _ in running:
        job.cancel()
    for _, pieces in waiting:
        while not pieces.get(timeout=60).is_last:
            pass
    assert client.ask([5], 3)[2] == "length"


def test_time_is_over(client: Client) -> None:
    with pytest.raises(Problem) as caught:
        client.ask([5, 6, 7], 1500, seconds=0.01)
    assert caught.value.status == 504
    assert client.ask([5], 3)[2] == "length"


def test_one_that_fails_takes_no_other_with_it(model: soniq.Model, client: Client) -> None:
    good, pieces = client.job([5, 6, 7], 60)
    client.scheduler.submit(good)
    bad, errors = client.job([5, 6, 7], 3)
    bad.texts[0].prompt = np.array([5, client.vocabulary], np.int32)
    client.scheduler.submit(bad)
    error = errors.get(timeout=60).error
    assert isinstance(error, Problem) and error.status == 500 and "DATA" in error.message
    while not pieces.get(timeout=60).is_last:
        pass
    assert good.texts[0].tokens == alone(model, [5, 6, 7], 60)


def test_what_it_has_is_finished(model: soniq.Model) -> None:
    client = Client(model, Scheduler(model, Limits(concurrency=1, queue=2)))
    jobs = [client.job([5, 6, index], 30) for index in range(3)]
    for job, _ in jobs:
        client.scheduler.submit(job)
    client.scheduler.retire()
    with pytest.raises(Problem, match="shutting down"):
        client.scheduler.submit(client.job([5], 3)[0])
    assert client.scheduler.join(60)
    for index, (job, _) in enumerate(jobs):
        assert job.texts[0].tokens == alone(model, [5, 6, index], 30)


def test_shares() -> None:
    assert shares([], 64) == []
    assert shares([1000], 64) == [64]
    assert shares([1000, 4, 1000], 64) == [30, 4, 30]
    assert shares([1000] * 3, 2) == [1, 1, 1]
    assert shares([3, 2], 64) == [3, 2]


def test_likely_tokens() -> None:
    logits = np.log(np.array([0.1, 0.4, 0.1, 0.4], np.float32)) + 3
    tokens = likely(logits, 3)
    assert [token for token, _ in tokens] == [1, 3, 0]
    assert np.allclose(np.exp([number for _, number in tokens]), [0.4, 0.4, 0.1])
    assert likely(logits, 0) == ()
