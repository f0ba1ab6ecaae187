"""Embeddings of texts: `soniq.Encoder`, with the calls that sentence-transformers has."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import arguments
from .embedding_model import EmbeddingModel, Embeddings, EmbeddingText
from .model import Model, load
from .streaming import iterate_async
from .tokenizer import Tokenizer

# What a sentence encoder's folder says of the length of texts, in the metadata of its file.
MAXIMUM_TOKENS = "tokenizer.maximum_tokens"
# Batches of texts that `encode_stream` reads ahead, to put texts of about one length together.
AHEAD = 16


class Encoder:
    """A packed model that makes embeddings of texts.

        encoder = soniq.Encoder("minilm.soniq")
        embeddings = encoder.encode(["The cat sits outside", "A dog barks"])
        encoder.similarity(embeddings, embeddings)

    Calls may come from several threads at once. An embedding does not depend on the texts beside it: a batch only saves
    time.

    Attributes:
        model: the `soniq.Model` below.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model,
        *,
        threads: int = 0,
        max_length: int | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        """Opens a file that has a tokenizer, or takes a model that is open.

        Args:
            model: the `.soniq` file, or a `soniq.Model`.
            threads: threads of each call; 0 for as many as the process may use. Of an open model those of `soniq.load`.
            max_length: tokens that a text is cut to; None for what the file says (`tokenizer.maximum_tokens`, which is
                sentence-transformers' own limit), or else for as many as the model takes.
            tokenizer: the `Model.tokenizer` of another file, for a model whose own file has none, as those packed of
                ONNX files.

        Raises:
            TypeError: the model takes other inputs than tokens, makes no embedding of a text or has no tokenizer.
            ValueError: max_length is more than the model takes, or leaves no room for a token of the text.
            SoniqError: the file cannot be read.
        """
        if isinstance(model, Model):
            if threads:
                raise TypeError("threads is for a path: an open model has those that it was loaded with")
            self.model = model
        else:
            self.model = load(model, threads=threads)
        self._embedding = EmbeddingModel(self.model)
        self._text = EmbeddingText(self.model, tokenizer)
        stated = self.model.metadata.get(MAXIMUM_TOKENS)
        self._max_length = min(self._embedding.longest, stated) if isinstance(stated, int) else self._embedding.limit
        if max_length is not None:
            self.max_seq_length = max_length

    @property
    def max_seq_length(self) -> int:
        """Tokens that a text is cut to, with those set before and behind it. May be set."""
        return self._max_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        least = self._text.special + 1
        self._max_length = arguments.integer(length, "max_length", least, self._embedding.longest)

    @property
    def maximum_batch(self) -> int:
        """The most texts that the model takes at a time; `encode` takes any number."""
        return self._embedding.maximum_batch

    def get_sentence_embedding_dimension(self) -> int:
        """How many numbers an embedding has."""
        return self._embedding.dimension

    # sentence-transformers has this name for it too, of late.
    get_embedding_dimension = get_sentence_embedding_dimension

    def tokenize(self, texts: str | Sequence[str]) -> dict[str, npt.NDArray[np.int32]]:
        """The inputs of the model for these texts: int32 [texts, tokens] by name, padded to the longest text."""
        given = [texts] if isinstance(texts, str) else _texts(texts)
        return self._embedding.padded(self._ids(given), self._text.padding)

    def encode(
        self,
        sentences: str | Sequence[str],
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        output_value: Literal["sentence_embedding"] = "sentence_embedding",
        precision: Literal["float32"] = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Embeddings:
        """The embedding of each text, in the order of the texts.

        Args:
            sentences: a text, which gives float32 [dim], or several, which give float32 [texts, dim].
            prompt: text that is set before each of them.
            batch_size: texts that run at a time, or fewer where the model takes fewer; memory grows with it, and
                not with the number of texts.
            show_progress_bar: tell on standard error how far it is.
            normalize_embeddings: divide each embedding by its length.
            truncate_dim: only so many numbers of each embedding, for models that were trained for it.
            prompt_name, output_value, precision, convert_to_numpy, convert_to_tensor, device: as sentence-transformers
                has them by default, which is also all that there is here.

        Raises:
            TypeError: a text is no str, or a parameter has a wrong type.
            ValueError: a parameter has a value that there is not here; the message says what to do.
            SoniqError: what the library refuses, such as tokens that the model does not know.
        """
        _refuse_others(prompt_name, output_value, precision, convert_to_numpy, convert_to_tensor, device)
        work = self._work(sentences, prompt, batch_size, truncate_dim)
        for done in work.batches():
            if show_progress_bar:
                _show(done, work.count)
        return work.result(normalize_embeddings)

    async def encode_async(
        self,
        sentences: str | Sequence[str],
        *,
        prompt: str | None = None,
        batch_size: int = 32,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Embeddings:
        """`encode`, in threads of asyncio's executor. Where it is cancelled no further batch is begun."""
        work = self._work(sentences, prompt, batch_size, truncate_dim)
        async for _ in iterate_async(work.batches()):
            pass
        return work.result(normalize_embeddings)

    def encode_stream(
        self,
        sentences: Iterable[str],
        *,
        prompt: str | None = None,
        batch_size: int = 32,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Iterator[Embeddings]:
        """The embedding of each text, float32 [dim], in order, of any number of texts: few are held at a time."""
        texts = iter(sentences)
        size = AHEAD * arguments.integer(batch_size, "batch_size", 1, arguments.UINT32_MAXIMUM)
        while window := list(itertools.islice(texts, size)):
            yield from self.encode(
                window,
                prompt=prompt,
                batch_size=batch_size,
                normalize_embeddings=normalize_embeddings,
                truncate_dim=truncate_dim,
            )

    def similarity(self, first: npt.ArrayLike, second: npt.ArrayLike) -> Embeddings:
        """Cosines, float32 [first, second], of embeddings [first, dim] and [second, dim]; one may be [dim] alone."""
        left, right = (_unit(np.atleast_2d(arguments.floats(each, "embeddings"))) for each in (first, second))
        return np.asarray(left @ right.T, np.float32)

    def _ids(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        length = self._max_length
        return [self._text.ids(text, length) for text in texts]

    def _work(
        self, sentences: str | Sequence[str], prompt: str | None, batch_size: int, truncate_dim: int | None
    ) -> _Work:
        size = min(self.maximum_batch, arguments.integer(batch_size, "batch_size", 1, arguments.UINT32_MAXIMUM))
        dimension = self._embedding.dimension
        if truncate_dim is not None:
            dimension = arguments.integer(truncate_dim, "truncate_dim", 1, dimension)
        if prompt is not None and not isinstance(prompt, str):
            raise TypeError(f"prompt must be a str or None, not {type(prompt).__name__}")
        return _Work(self, sentences, prompt or "", size, dimension)

    def __repr__(self) -> str:
        return f"<soniq.Encoder of {self.model!r}, {self.max_seq_length} tokens to {self._embedding.dimension} numbers>"


class _Work:
    """Texts on their way to embeddings, batch by batch."""

    def __init__(self, encoder: Encoder, sentences: Any, prompt: str, batch_size: int, dimension: int) -> None:
        self._encoder = encoder
        self._prompt = prompt
        self._batch_size = batch_size
        self._is_one = isinstance(sentences, str)
        self._texts = [sentences] if isinstance(sentences, str) else _texts(sentences)
        self._rows = np.empty((len(self._texts), dimension), np.float32)
        self.count = len(self._texts)

    def batches(self) -> Iterator[int]:
        """Makes a batch at a time and gives how many texts are done."""
        # The longest first: memory is at its most at once, and padding is little.
        order = sorted(range(self.count), key=lambda index: len(self._texts[index]), reverse=True)
        model = self._encoder._embedding
        for first in range(0, self.count, self._batch_size):
            places = order[first : first + self._batch_size]
            ids = self._encoder._ids([self._prompt + self._texts[place] for place in places])
            self._rows[places] = model.embed(ids)[:, : self._rows.shape[1]]
            yield first + len(places)

    def result(self, normalize: bool) -> Embeddings:
        rows = _unit(self._rows) if normalize else self._rows
        return rows[0] if self._is_one else rows


def _texts(sentences: Iterable[str]) -> list[str]:
    if isinstance(sentences, (bytes, dict)) or not isinstance(sentences, Iterable):
        raise TypeError(f"sentences must be a str or several, not {type(sentences).__name__}")
    texts = list(sentences)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"sentences[{place}] must be a str, not {type(text).__name__}")
    return texts


def _unit(rows: Embeddings) -> Embeddings:
    """Rows of length 1; those of zeros stay so."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _refuse_others(
    prompt_name: str | None,
    output_value: str,
    precision: str,
    convert_to_numpy: bool,
    convert_to_tensor: bool,
    device: str | None,
) -> None:
    """Raises ValueError for what sentence-transformers does and this does not."""
    if prompt_name is not None:
        raise ValueError(f"prompt_name={prompt_name!r}: a file has no named prompts; give the text itself as prompt=")
    if output_value != "sentence_embedding":
        advice = "encoder.model(**encoder.tokenize(texts)) has what else the model gives"
        raise ValueError(f"output_value={output_value!r}: only 'sentence_embedding' is there; {advice}")
    if precision != "float32":
        raise ValueError(f"precision={precision!r}: embeddings are 'float32'; round them yourself")
    if convert_to_tensor or not convert_to_numpy:
        raise ValueError("embeddings are numpy arrays: torch.from_numpy makes a tensor of one, without a copy")
    if device not in (None, "cpu"):
        raise ValueError(f"device={device!r}: soniq runs on the 'cpu'")


def _show(done: int, total: int) -> None:
    print(f"\r{done}/{total} texts ", end="\n" if done == total else "", file=sys.stderr, flush=True)
