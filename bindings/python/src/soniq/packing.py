"""Packing from Python: `soniq.pack`, which runs `soniq-pack`."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

import numpy as np
import numpy.typing as npt

from . import arguments, tool
from .errors import PackError

if TYPE_CHECKING:
    from typing_extensions import Unpack

StrPath: TypeAlias = str | os.PathLike[str]
Calibration: TypeAlias = StrPath | Mapping[str, npt.ArrayLike] | npt.ArrayLike
Progress: TypeAlias = Callable[[str], object]
NOTE = "soniq-pack: note: "


class PackOptions(TypedDict, total=False):
    """What `pack` takes beside source and output, and `pack_plan` beside the source."""

    palette: str | int | None
    calibrate: Calibration | None
    target_bits: float | None
    target_latency: float | None
    at: Mapping[str, int] | None
    threads: int | None
    layer_times: StrPath | None
    cache: str | int | None
    words: int | None
    shape: Mapping[str, Sequence[int | None]] | None
    maximum: Mapping[str, int] | None
    value: Mapping[str, float | Sequence[float]] | None
    state: Mapping[str, str] | None
    rounds: int | None
    part: str | None
    head: bool
    name: str | None
    calibration_tokens: int | None
    calibration_samples: int | None
    coarse_share: float | None
    target: str | None
    ends: bool
    outlier_split: bool


def pack(
    source: StrPath,
    output: StrPath,
    *,
    palette: str | int | None = None,
    calibrate: Calibration | None = None,
    target_bits: float | None = None,
    target_latency: float | None = None,
    at: Mapping[str, int] | None = None,
    threads: int | None = None,
    layer_times: StrPath | None = None,
    cache: str | int | None = None,
    words: int | None = None,
    shape: Mapping[str, Sequence[int | None]] | None = None,
    maximum: Mapping[str, int] | None = None,
    value: Mapping[str, float | Sequence[float]] | None = None,
    state: Mapping[str, str] | None = None,
    rounds: int | None = None,
    part: str | None = None,
    head: bool = True,
    name: str | None = None,
    calibration_tokens: int | None = None,
    calibration_samples: int | None = None,
    coarse_share: float | None = None,
    target: str | None = None,
    ends: bool = True,
    outlier_split: bool = True,
    progress: Progress | None = None,
    tool: StrPath | None = None,
) -> Path:
    """Packs an ONNX or GGUF file, or a Hugging Face folder, and returns the path of the `.soniq` file.

    Args:
        source, output: the model, and the file to write, which is replaced only when packing succeeds.
        palette: "8", "4,8", "w4a8", "f32" and so on; None: "8", and of a GGUF file with codes "keep", its own weights.
        calibrate: a .npz, .npy or .safetensors file; arrays by the names of the inputs, samples along their first axis;
            or one array for a model of one input. Of a language model: a .txt file, a .jsonl file of texts, or
            `input_ids`. None: random tokens, where the model takes tokens; of a language model the nearest codes.
        target_bits, target_latency: for two levels: bits stored for a weight; or milliseconds of a run on this machine.
        at, threads, layer_times: dynamic sizes of that run; its threads; times that `measure-layers` wrote elsewhere.
        cache, words: bits of a language model's keys and values, such as "8,4"; of its words' table and output matrix.
        shape, maximum: shapes of inputs of an ONNX model, None for a size that stays; largest dynamic sizes by name.
        value, state: inputs of an ONNX model: what each is in every run; the output that it is in the next run.
        rounds, name: the most rounds that a loop is unrolled to, None: 256; the model's name, None: the folder's.
        part, head: "text" or "vision" of a folder that has both; False packs the encoder without its head.
        calibration_tokens, calibration_samples, coarse_share, ends, outlier_split: as the tool's options.
        target: "avx2" for CPUs without VNNI: 8-bit weights keep to half of their range, which they multiply faster.
        progress: called with each line that the tool says while it works, such as "importing 50 %". An exception of
            it ends the tool, which leaves no part of a file. Without it, notes go to the logger "soniq.pack".
        tool: `soniq-pack`; None: what SONIQ_PACK names, or the first of PATH, Python's own folder and the checkout.

    Raises:
        PackError: what the tool refuses, in its words, with its exit status; or that there is no such tool.
        TypeError, ValueError: an option of a wrong type or out of range, or arrays that do not make samples.
    """
    options = cast(PackOptions, {key: given for key, given in locals().items() if key in PackOptions.__annotations__})
    with _options(options) as given:
        shown = ["--progress"] if progress else []
        _run(tool, ["pack", *given, *shown, f"--output={os.fsdecode(output)}", "--", os.fspath(source)], progress)
    return Path(os.fsdecode(output))


def pack_plan(source: StrPath, *, tool: StrPath | None = None, **options: Unpack[PackOptions]) -> dict[str, Any]:
    """What `pack` would do with the same options, without calibrating and writing: the layers with their levels and
    bytes, as `soniq-pack pack --dry-run --json` has them. Raises PackError with all that cannot be imported.
    """
    with _options(options) as given:
        text = _run(tool, ["pack", *given, "--dry-run", "--json", "--", os.fspath(source)], None)
    plan: dict[str, Any] = json.loads(text)
    return plan


def _run(named: StrPath | None, command: list[str], progress: Progress | None) -> str:
    """Runs the tool to its end, handing on each line of its standard error. Returns its standard output."""
    try:
        path = tool.find(named)
    except tool.ToolNotFoundError as error:
        advice = f"install soniq with its tool, or set {tool.ENVIRONMENT_VARIABLE} to the path of {tool.NAME}"
        raise PackError(f"{error}: {advice}") from None
    said: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        try:
            process = subprocess.Popen(
                [path, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise PackError(f"{path} cannot be run: {error}") from error
        with process:
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    _hand_on(line.rstrip("\n"), said, progress)
            except BaseException:
                # A signal makes the tool leave nothing behind.
                process.terminate()
                raise
        if process.returncode:
            raise PackError(_complaint(said, process.returncode), process.returncode)
        out.seek(0)
        return out.read()


def _hand_on(line: str, said: list[str], progress: Progress | None) -> None:
    is_progress = line.endswith(" %")
    if not is_progress:
        said.append(line)
    if progress is not None:
        progress(line)
    elif line.startswith(NOTE):
        # Here, because `import soniq` does without it.
        import logging

        logging.getLogger("soniq.pack").warning("%s", line.removeprefix(NOTE))


def _complaint(said: list[str], status: int) -> str:
    lines = [line.removeprefix("soniq-pack: ") for line in said if line and not line.startswith(NOTE)]
    return "\n".join(lines) or f"soniq-pack ended with {status}"


@contextmanager
def _options(options: PackOptions) -> Iterator[list[str]]:
    """The options as the tool takes them; arrays to calibrate on are files while it runs."""
    unknown = options.keys() - PackOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(PackOptions.__annotations__)
        raise TypeError(f"unknown option {sorted(unknown)[0]!r}: expected one of {known}")
    given = [*_plain(options), *_switches(options), *_repeated(options)]
    with tempfile.TemporaryDirectory(prefix="soniq-pack-") as folder:
        calibrate = options.get("calibrate")
        if calibrate is not None:
            given.append(f"--calibrate={_calibration(calibrate, Path(folder))}")
        yield given


def _plain(options: PackOptions) -> Iterator[str]:
    names = ("palette", "target_bits", "target_latency", "threads", "layer_times", "cache", "words", "rounds", "part")
    for name in (*names, "name", "calibration_tokens", "calibration_samples", "coarse_share", "target"):
        value = options.get(name)
        if name == "layer_times" and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (str, int, float, np.integer, np.floating)):
            raise TypeError(f"{name} must be a str, a number or None, not {type(value).__name__}")
        yield f"--{name.replace('_', '-')}={_text(value, name)}"


def _switches(options: PackOptions) -> Iterator[str]:
    for name, flag in (("head", "--without-head"), ("ends", "--no-ends"), ("outlier_split", "--no-outlier-split")):
        value = options.get(name, True)
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
        if not value:
            yield flag


def _repeated(options: PackOptions) -> Iterator[str]:
    for name in ("shape", "maximum", "at", "value", "state"):
        value = options.get(name)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a mapping by name, not {type(value).__name__}")
        for key, entry in value.items():
            parts = [entry] if isinstance(entry, str) or not isinstance(entry, (Sequence, np.ndarray)) else entry
            texts = ("?" if part is None else _text(part, name) for part in parts)
            yield f"--{name}={_text(key, name)}={','.join(texts)}"


def _text(value: object, name: str) -> str:
    return arguments.text(str(value), name).decode()


def _calibration(calibrate: Calibration, folder: Path) -> str:
    """The path of a file, or of one that is made of arrays."""
    if isinstance(calibrate, (str, os.PathLike)):
        return os.fspath(calibrate)
    if isinstance(calibrate, Mapping):
        if not calibrate:
            raise ValueError("calibrate has no arrays: give one for each input")
        path = folder / "calibrate.npz"
        arrays = {
            _text(name, "calibrate"): _samples(values, f"calibrate[{name!r}]") for name, values in calibrate.items()
        }
        # Here, because `import soniq` does without it. Not by savez, whose own options have names of inputs.
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        return str(path)
    path = folder / "calibrate.npy"
    np.save(path, _samples(calibrate, "calibrate"))
    return str(path)


def _samples(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        given = f"{array.dtype} {list(array.shape)}"
        raise ValueError(f"{name} must be numbers with samples along the first axis, not {given}")
    return array
