"""Calls as ONNX Runtime has them, for programs that switch: `import soniq.onnxruntime as ort`.

    session = ort.InferenceSession("model.soniq")
    (logits,) = session.run(["logits"], {"pixels": pixels})

Only what computes is here. What would change results there and cannot here is refused, what only changes speed is
taken and has no effect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from . import arguments
from .inputs import TensorInfo
from .model import Model, load

PROVIDER = "CPUExecutionProvider"
HARMLESS_KEYS = ("session.intra_op", "session.inter_op", "session.use_env_alloc", "session.dynamic_block")
TYPES = {"float32": "float", "float64": "double"}


class GraphOptimizationLevel(IntEnum):
    """Taken, without effect: the packer has done what is to be done."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(IntEnum):
    """Taken, without effect."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class SessionOptions:
    """Options of a session. `intra_op_num_threads` counts, 0 being all; the others are there to be set.

    Those that ask for something that soniq does not do are refused when the session is made.
    """

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.execution_mode: Any = ExecutionMode.ORT_SEQUENTIAL
        self.graph_optimization_level: Any = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.enable_cpu_mem_arena = self.enable_mem_pattern = self.enable_mem_reuse = True
        self.log_severity_level, self.log_verbosity_level, self.logid = 2, 0, ""
        self.use_deterministic_compute = False
        self.enable_profiling = False
        self.optimized_model_filepath = ""
        self._entries: dict[str, str] = {}

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Takes keys of threads and memory; raises ValueError for others, which could change what is computed."""
        if not key.startswith(HARMLESS_KEYS):
            raise ValueError(f"config entry {key!r}={value!r} is not known here")
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        """The value that was added; raises KeyError where none was."""
        return self._entries[key]

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Refused: sizes are given when a model is packed."""
        raise ValueError(f"{name}={size}: sizes are fixed when a model is packed, by --shape or soniq.pack(shape=...)")

    def register_custom_ops_library(self, path: str) -> None:
        """Refused."""
        raise ValueError(f"{path}: soniq runs no operators of others; the packer names those that it does not know")


@dataclass(frozen=True)
class NodeArg:
    """An input or output. A dimension of `shape` is a number, or the name of a dynamic size."""

    name: str
    type: str
    shape: list[int | str]


@dataclass(frozen=True)
class ModelMetadata:
    """What the file says of itself; `custom_metadata_map` is all of it, as text."""

    graph_name: str = ""
    description: str = ""
    graph_description: str = ""
    domain: str = ""
    producer_name: str = ""
    version: int = 0
    custom_metadata_map: dict[str, str] = field(default_factory=dict)


class InferenceSession:
    """A packed model with the calls of onnxruntime.InferenceSession. Runs may come from several threads at once."""

    def __init__(
        self,
        path_or_bytes: str | os.PathLike[str],
        sess_options: Any = None,
        providers: Sequence[str | tuple[str, Mapping[str, Any]]] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Opens a `.soniq` file.

        Args:
            path_or_bytes: its path. Not its bytes: the file is used where it lies.
            sess_options: `SessionOptions`, or onnxruntime's own.
            providers: None, or a list that has "CPUExecutionProvider", which is the one used.
            provider_options: not looked at, as none changes what a CPU computes.

        Raises:
            TypeError, ValueError: an option that cannot be honoured.
            SoniqError: the file cannot be read or is none; of an .onnx file it says how to pack it.
        """
        if isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
            raise TypeError("soniq opens a path, not bytes: the file is used where it lies, and not copied")
        names = [entry if isinstance(entry, str) else entry[0] for entry in providers or [PROVIDER]]
        if PROVIDER not in names:
            raise ValueError(f"providers {names} do not have {PROVIDER}, which is what there is")
        self._options = sess_options if sess_options is not None else SessionOptions()
        _refuse_others(self._options)
        self._model = load(path_or_bytes, threads=self._options.intra_op_num_threads)
        self._path = os.fspath(path_or_bytes)

    @property
    def model(self) -> Model:
        """The `soniq.Model` below."""
        return self._model

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, npt.ArrayLike], run_options: None = None
    ) -> list[npt.NDArray[Any]]:
        """The outputs of these names, or all for None or an empty list, as arrays of the caller's own.

        Inputs that the file calls optional may be left out. Numbers of other types are converted where they fit.

        Raises:
            ValueError: an input is missing or unknown, an output is unknown, or values do not fit; or run_options.
            SoniqError: shapes that the model does not take.
        """
        if run_options is not None:
            raise ValueError("run_options must be None: there are none here")
        known = [info.name for info in self._model.outputs]
        wanted = list(output_names or known)
        for name in wanted:
            if name not in known:
                raise ValueError(f"no output {name!r}: the model has {', '.join(known)}")
        self._check_feed(input_feed)
        outputs = self._model(**input_feed)
        return [np.array(outputs[name]) for name in wanted]

    def get_inputs(self) -> list[NodeArg]:
        """The inputs, optional ones too."""
        return [_argument(info) for info in self._model.inputs]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs, in the order that `run` gives all of them."""
        return [_argument(info) for info in self._model.outputs]

    def get_providers(self) -> list[str]:
        return [PROVIDER]

    def get_session_options(self) -> Any:
        return self._options

    def get_modelmeta(self) -> ModelMetadata:
        entries = {key: str(value) for key, value in self._model.metadata.items()}
        return ModelMetadata(
            graph_name=entries.get("general.name", ""),
            description=entries.get("general.description", ""),
            producer_name=entries.get("general.producer", ""),
            custom_metadata_map=entries,
        )

    def _check_feed(self, feed: Mapping[str, npt.ArrayLike]) -> None:
        known = [info.name for info in self._model.inputs]
        missing = [info.name for info in self._model.inputs if not info.is_optional and info.name not in feed]
        if missing:
            raise ValueError(f"required inputs ({missing}) are missing from input feed ({list(feed)})")
        unknown = [name for name in feed if name not in known]
        if unknown:
            raise ValueError(f"unknown input {unknown[0]!r}: the model takes {', '.join(known)}")

    def __repr__(self) -> str:
        return f"<soniq.InferenceSession of {self._path!r}>"


def get_available_providers() -> list[str]:
    """What can compute."""
    return [PROVIDER]


def get_device() -> str:
    """What computes."""
    return "CPU"


def _refuse_others(options: Any) -> None:
    """Raises for options that ask for what is not done here."""
    threads = getattr(options, "intra_op_num_threads", None)
    if threads is None:
        raise TypeError(f"sess_options must be SessionOptions, not {type(options).__name__}")
    arguments.integer(threads, "intra_op_num_threads", 0, arguments.UINT32_MAXIMUM)
    if getattr(options, "enable_profiling", False):
        raise ValueError("enable_profiling writes no file here: soniq.load(path, profile=True).profile() has the times")
    if getattr(options, "optimized_model_filepath", ""):
        raise ValueError("optimized_model_filepath: soniq-pack writes the file that is run; there is no other")


def _argument(info: TensorInfo) -> NodeArg:
    name = np.dtype(info.dtype).name
    return NodeArg(info.name, f"tensor({TYPES.get(name, name)})", list(info.shape))
