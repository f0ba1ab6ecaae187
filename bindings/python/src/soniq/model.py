"""Models: `soniq.load` and what it returns."""

from __future__ import annotations

import ctypes
import functools
import os
import weakref
from collections import abc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from . import _abi, arguments, generation, sources
from ._abi_structs import ProgressFunction
from .decoder import Decoder, Sequence
from .errors import SoniqError
from .generation import Generation, SamplingOptions, TextGeneration
from .grammar import Grammar
from .inputs import TensorInfo, prepared
from .library import call, isa_code, library, text
from .sampler import Sampler
from .session import ELEMENT_TYPES, Outputs, Session, SessionPool, SessionSettings
from .states import StatefulSession
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class StepProfile:
    """What a step of the plan has cost so far; nodes that run as one step are joined by " + "."""

    name: str
    operation: str
    level: str
    kernel: str
    milliseconds: float
    rows: int
    multiply_accumulates: int


@dataclass(frozen=True)
class KernelReport:
    """Which kernel a node got. `refusals` says why faster ones were refused, "kernel: reason" each.

    `copied_weight_bytes` are those of weights that the kernel reads in another layout than the file's; 0: none.
    """

    node: str
    operation: str
    level: str
    kernel: str
    refusals: tuple[str, ...]
    copied_weight_bytes: int = 0


class Model:
    """An open model. Calls may come from several threads at once; see `soniq.load`."""

    def __init__(self, path: str | bytes | os.PathLike[str], settings: SessionSettings, flags: int) -> None:
        encoded = arguments.path(path, "path")
        self._handle = ctypes.c_void_p()
        options = _abi.ModelOptions(flags=flags)
        call("soniq_model_open", ctypes.byref(self._handle), encoded, ctypes.byref(options))
        self._finalizer = weakref.finalize(self, library().soniq_model_destroy, self._handle)
        self._settings = settings
        self._pool = SessionPool(self._handle, settings)
        self.inputs: list[TensorInfo] = self._describe("input")
        self.outputs: list[TensorInfo] = self._describe("output")
        self._output_names = [output.name for output in self.outputs]
        self.metadata: dict[str, str | int | float | bool] = self._read_metadata()
        self.maximums: dict[str, int] = {name.decode(): size for name, size in settings.maximums}

    def __call__(self, **inputs: npt.ArrayLike) -> Outputs:
        """Runs the model on inputs given by name.

        An array of the model's dtype that is C-contiguous and aligned is read in place; another is converted first,
        whatever its byte order, strides, alignment or number type. A scalar will do where the shape is (1,).
        Raises TypeError for an unknown or missing name, ValueError for values that do not convert, and
        SoniqError for what the library refuses (shapes, ids out of range).
        """
        arrays = self._prepare(inputs)
        lease = self._pool.run(arrays, lambda: self._sizes(arrays))
        return Outputs(lease, self._output_names)

    def session(self, *, maximums: Mapping[str, int] | None = None) -> StatefulSession:
        """A session of the caller's own, whose runs follow each other: for models with states.

        Calls of the model itself begin at the start of all states.

        Args:
            maximums: largest dynamic sizes, as in `load`, over those given there: of the capacity of states, and of
                the batch, which is 1 for states that grow unless it is named.
        """
        limits = dict(self._settings.maximums) | dict(_limits(maximums))
        return StatefulSession(self, Session(self._handle, replace(self._settings, maximums=tuple(limits.items()))))

    def sequence(self, capacity: int = 0) -> Sequence:
        """An empty text of a decoder, with memory for `capacity` positions; 0: as many as the model allows."""
        return Sequence(self._handle, capacity)

    def decoder(
        self,
        *,
        capacity: int = 0,
        maximum_tokens: int = 0,
        maximum_outputs: int = 0,
        progress: Callable[[int, int], object] | None = None,
    ) -> Decoder:
        """What puts tokens behind sequences, with the threads and the instruction set of this model.

        Args:
            capacity: the most that its sequences have; 0: as many as the model allows.
            maximum_tokens: how many go through the model at a time; 0: 256. More need more memory.
            maximum_outputs: rows of logits of a run; 0: 16.
            progress: called in runs with the tokens done and those in all, before the first and behind every part; a
                run that it answers with False stops, and leaves the sequences as they were.
        """
        return Decoder(self._handle, self._settings, capacity, maximum_tokens, maximum_outputs, progress)

    @overload
    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int | None = ...,
        stop: str | int | Iterable[str | int] | None = ...,
        ignore_end: bool = ...,
        allowed: Callable[[list[int]], npt.ArrayLike | None] | None = ...,
        grammar: Grammar | None = ...,
        session: StatefulSession | None = ...,
        sampler: Sampler | None = ...,
        lookup: int = ...,
        **options: Unpack[SamplingOptions],
    ) -> TextGeneration: ...

    @overload
    def generate(
        self,
        prompt: abc.Sequence[int] | npt.NDArray[np.integer[Any]],
        *,
        max_tokens: int | None = ...,
        stop: int | Iterable[int] | None = ...,
        ignore_end: bool = ...,
        allowed: Callable[[list[int]], npt.ArrayLike | None] | None = ...,
        grammar: Grammar | None = ...,
        session: StatefulSession | None = ...,
        sampler: Sampler | None = ...,
        lookup: int = ...,
        **options: Unpack[SamplingOptions],
    ) -> Generation: ...

    def generate(
        self,
        prompt: str | abc.Sequence[int] | npt.NDArray[np.integer[Any]],
        *,
        max_tokens: int | None = None,
        stop: str | int | Iterable[str | int] | None = None,
        ignore_end: bool = False,
        allowed: Callable[[list[int]], npt.ArrayLike | None] | None = None,
        grammar: Grammar | None = None,
        session: StatefulSession | None = None,
        sampler: Sampler | None = None,
        lookup: int = 0,
        **options: Unpack[SamplingOptions],
    ) -> Generation | TextGeneration:
        """What a decoder says behind a prompt, computed as it is iterated over.

            for piece in model.generate("The capital of France is", max_tokens=20):
                print(piece, end="", flush=True)

        Args:
            prompt: a text, which makes pieces of text; or ids of tokens, which makes ids.
            max_tokens: at most so many; None for as many as there is room for.
            stop: tokens that end it, and for a text also texts: they are not given out. Those that end a text by the
                file do so too.
            ignore_end: they do not.
            allowed: gets the tokens so far and returns which ones may follow (see `Sampler.sample`), or None for all.
            grammar: the form of the answer, from its first token on; what `allowed` says applies too. The answer ends
                where nothing may follow. Tokens that end it may come only where its text is whole.
            session: one whose positions the prompt goes on with; None for a new one. The tokens are the same however
                a text is divided. `Generation.session` is the one to go on with: it lacks the last token, which is to
                be the first of the next prompt.
            sampler: chooses the tokens; None for one of `options`, which are those of `Sampler`: without any the most
                likely token.
            lookup: up to so many tokens (0 to 64) are guessed by what followed the same tokens before, and run at
                once. The tokens are those without: guesses that are wrong only cost time. A session of the caller's
                needs room for so many logits and one, and for a run of so many tokens and one.

        Raises:
            TypeError: the model is no decoder or has no tokenizer for a text, or a parameter has a wrong type.
            ValueError: a value out of range, a prompt and max_tokens that there is no room for, or a grammar that
                names an unknown token.
            SoniqError: what the library refuses, such as a token that is unknown.
            GrammarError: in iterating, a grammar that cannot go on.
        """
        return generation.generate(
            self,
            prompt,
            max_tokens=max_tokens,
            stop=stop,
            ignore_end=ignore_end,
            allowed=allowed,
            grammar=grammar,
            session=session,
            sampler=sampler,
            lookup=lookup,
            options=options,
        )

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """Text to token ids and back. Raises SoniqError where the file has no tokenizer."""
        return Tokenizer(self._handle)

    def profile(self) -> list[StepProfile]:
        """The cost of every step, summed over threads and sessions; all 0 unless loaded with profile=True."""
        sessions = self._existing_sessions()
        return [_step_profile(steps) for steps in zip(*(session.profile() for session in sessions), strict=True)]

    def kernels(self) -> list[KernelReport]:
        """Which kernel every node got, and why not a faster one."""
        return [
            KernelReport(
                text(report.node),
                text(report.operation),
                text(report.level),
                text(report.kernel),
                tuple(text(report.refusals).splitlines()),
                report.copied_weight_bytes,
            )
            for report in self._existing_sessions()[0].kernels()
        ]

    def _existing_sessions(self) -> list[Session]:
        if not self._pool.sessions():
            self._pool.give_back(self._pool.take())
        return self._pool.sessions()

    def statistics(self) -> dict[str, int]:
        """Sizes of file and memory in bytes, and `sessions`: how many sessions exist."""
        statistics = _abi.ModelStatistics()
        call("soniq_model_get_statistics", self._handle, ctypes.byref(statistics))
        values = {name: getattr(statistics, name) for name, *_ in statistics._fields_ if name != "struct_size"}
        return {**values, "sessions": len(self._pool.sessions())}

    def verify(self) -> None:
        """Checks every byte of the file; raises SoniqError naming the field and offset that is wrong."""
        call("soniq_model_verify", self._handle, ProgressFunction(0), None)

    def _prepare(self, inputs: dict[str, npt.ArrayLike]) -> list[tuple[int, npt.NDArray[Any]]]:
        return prepared(self.inputs, inputs)

    def _sizes(self, arrays: list[tuple[int, npt.NDArray[Any]]]) -> dict[str, int]:
        """The dynamic sizes of a call, by name."""
        return {
            name: size
            for index, array in arrays
            for name, size in zip(self.inputs[index].shape, array.shape, strict=False)
            if isinstance(name, str)
        }

    def _describe(self, side: str) -> list[TensorInfo]:
        count = ctypes.c_uint32()
        call(f"soniq_model_{side}_count", self._handle, ctypes.byref(count))
        result = []
        for index in range(count.value):
            info = _abi.TensorInfo()
            call(f"soniq_model_{side}_info", self._handle, index, ctypes.byref(info))
            names = [text(info.dimension_names[axis]) for axis in range(info.rank)]
            sizes = list(info.dimensions[: info.rank])
            shape = tuple(name if size < 0 else size for name, size in zip(names, sizes, strict=True))
            maximum, usual = tuple(info.maximum_dimensions[: info.rank]), tuple(info.usual_dimensions[: info.rank])
            dtype = ELEMENT_TYPES[info.element_type]
            result.append(TensorInfo(text(info.name), dtype, shape, maximum, bool(info.is_optional), usual))
        return result

    def _read_metadata(self) -> dict[str, str | int | float | bool]:
        count = ctypes.c_uint32()
        call("soniq_model_metadata_count", self._handle, ctypes.byref(count))
        result: dict[str, str | int | float | bool] = {}
        for index in range(count.value):
            entry = _abi.Metadata()
            call("soniq_model_metadata_get", self._handle, index, ctypes.byref(entry))
            values = {
                _abi.METADATA_TEXT: text(entry.text),
                _abi.METADATA_INTEGER: entry.integer,
                _abi.METADATA_REAL: entry.real,
                _abi.METADATA_BOOLEAN: bool(entry.boolean),
            }
            result[text(entry.key)] = values[entry.kind]
        return result

    def __repr__(self) -> str:
        inputs = ", ".join(f"{info.name}{list(info.shape)}" for info in self.inputs)
        return f"<soniq.Model {self.metadata.get('general.name', '')!r} ({inputs})>"


def load(
    path: str | bytes | os.PathLike[str],
    *,
    threads: int = 0,
    max_isa: str | None = None,
    profile: bool = False,
    verify: bool = False,
    maximums: Mapping[str, int] | None = None,
    kernel_profile: str | None = None,
    copies: bool = True,
) -> Model:
    """Opens a `.soniq` file; its weights are used in place and not copied.

    Args:
        path: the file. It must not be truncated while the model is open.
        threads: threads of each call; 0 for as many as the process may use, 1 for serial.
        max_isa: use no newer instruction set: "portable", "avx2", "avx512", or on ARM "neon", "dotprod",
            "i8mm". The result is the same.
        profile: measure the time of every node; see `Model.profile`.
        verify: check every byte of the file first, not only its structure.
        maximums: largest dynamic sizes the calls will use together, for example {"batch": 1, "sequence": 128};
            smaller sizes need less memory. Without a batch a model begins with about 24 MiB of working memory, and
            takes more when a call needs it.
        kernel_profile: what kernels cost on this machine, the text that `soniq-pack calibrate-cost` writes. The
            result is the same with any.
        copies: keep weights in another layout beside the file's where kernels are faster with it, once for all
            calls (`Model.statistics()["copied_weight_bytes"]`). False saves that memory; the result is the same.

    Raises:
        TypeError, ValueError: a parameter of a wrong type or out of range; the message names it.
        SoniqError: the file cannot be read or is not a valid model; one that is to be packed first is named as such.
        LibraryNotFoundError: libsoniq.so is not installed.
    """
    settings = SessionSettings(
        threads=arguments.integer(threads, "threads", 0, arguments.UINT32_MAXIMUM),
        maximum_isa=isa_code(max_isa),
        profile=bool(profile),
        maximums=_limits(maximums),
        kernel_profile=None if kernel_profile is None else arguments.text(kernel_profile, "kernel_profile"),
    )
    flags = (_abi.MODEL_VERIFY if verify else 0) | (0 if copies else _abi.MODEL_NO_COPIES)
    try:
        return Model(path, settings, flags)
    except SoniqError as error:
        raise sources.advised(error, path) from None


def _limits(maximums: Mapping[str, int] | None) -> tuple[tuple[bytes, int], ...]:
    if maximums is None:
        return ()
    if not isinstance(maximums, Mapping):
        raise TypeError(f"maximums must be a mapping of names to integers, not {type(maximums).__name__}")
    return tuple(
        (arguments.text(name, "a name in maximums"), arguments.integer(size, f"maximums[{name!r}]", 1, 2**63 - 1))
        for name, size in maximums.items()
    )


def _step_profile(steps: tuple[_abi.ProfileEntry, ...]) -> StepProfile:
    first = steps[0]
    return StepProfile(
        name=text(first.name),
        operation=text(first.operation),
        level=text(first.level),
        kernel=text(first.kernel),
        milliseconds=sum(step.nanoseconds for step in steps) / 1e6,
        rows=sum(step.rows for step in steps),
        multiply_accumulates=sum(step.multiply_accumulates for step in steps),
    )
