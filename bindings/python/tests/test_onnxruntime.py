"""soniq.onnxruntime beside onnxruntime itself, where that is installed: one program runs with both."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import soniq
import soniq.onnxruntime as drop_in

SHAPE = (2, 3)


def program(ort: ModuleType, path: Path, values: np.ndarray) -> dict[str, object]:
    """What users of ONNX Runtime write."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    sides = (session.get_inputs(), session.get_outputs())
    described = [[(each.name, each.type, each.shape) for each in side] for side in sides]
    everything = session.run(None, {session.get_inputs()[0].name: values})
    (named,) = session.run([session.get_outputs()[1].name], {"x": values})
    errors = []
    for names, feed in ((["z"], {"x": values}), (None, {}), (None, {"x": values, "q": values})):
        with pytest.raises(Exception) as caught:  # noqa: B017
            session.run(names, feed)
        errors.append(isinstance(caught.value, Exception))
    assert ort.InferenceSession(path).get_providers()[-1] == "CPUExecutionProvider"
    assert session.get_modelmeta().graph_name and isinstance(session.get_modelmeta().custom_metadata_map, dict)
    assert session.get_session_options().intra_op_num_threads == 1
    assert "CPUExecutionProvider" in ort.get_available_providers() and ort.get_device() == "CPU"
    return {
        "described": described,
        "kinds": [type(everything), *(type(array) for array in everything)],
        "types": [array.dtype for array in everything],
        "writeable": [array.flags.writeable for array in everything],
        "named": named,
        "errors": errors,
    }


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An ONNX file, and what is packed of it."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["positive"]), helper.make_node("Add", ["positive", "x"], ["sum"])],
        "graph",
        [helper.make_tensor_value_info("x", kind, ["batch", 3])],
        [helper.make_tensor_value_info(name, kind, ["batch", 3]) for name in ("positive", "sum")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = tmp_path_factory.mktemp("onnx")
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx", soniq.pack(folder / "model.onnx", folder / "model.soniq", palette="f32")


def test_one_program_runs_with_both(paths: tuple[Path, Path]) -> None:
    ort = pytest.importorskip("onnxruntime")
    values = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
    theirs, ours = program(ort, paths[0], values), program(drop_in, paths[1], values)
    assert np.array_equal(theirs.pop("named"), ours.pop("named"))
    assert theirs == ours


def test_options_of_onnxruntime_itself_are_taken(paths: tuple[Path, Path]) -> None:
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    assert drop_in.InferenceSession(paths[1], options).get_session_options() is options
    options.enable_profiling = True
    with pytest.raises(ValueError, match="enable_profiling"):
        drop_in.InferenceSession(paths[1], options)


def test_the_parameters_have_their_names() -> None:
    ort = pytest.importorskip("onnxruntime")
    for name in ("run", "get_inputs", "get_outputs", "get_providers", "get_modelmeta", "get_session_options"):
        theirs = list(inspect.signature(getattr(ort.InferenceSession, name)).parameters)
        assert list(inspect.signature(getattr(drop_in.InferenceSession, name)).parameters) == theirs, name
    theirs = list(inspect.signature(ort.InferenceSession.__init__).parameters)
    ours = list(inspect.signature(drop_in.InferenceSession.__init__).parameters)
    assert ours == theirs[: len(ours)]


def test_outputs_are_copies(model_path: Path) -> None:
    session = soniq.InferenceSession(model_path)
    ids = np.arange(6, dtype=np.int64).reshape(2, 3)
    (first,) = session.run(["sentence_embedding"], {"input_ids": ids})
    kept = first.copy()
    session.run(None, {"input_ids": ids[::-1].copy()})
    assert np.array_equal(first, kept) and session.model.statistics()["sessions"] == 1
    first[:] = 0
    assert np.array_equal(soniq.load(model_path)(input_ids=ids)["sentence_embedding"], kept)
    assert [(each.name, each.type, each.shape) for each in session.get_inputs()] == [
        ("input_ids", "tensor(int32)", ["batch", "sequence"]),
        ("attention_mask", "tensor(int32)", ["batch", "sequence"]),
    ]
    meta = session.get_modelmeta()
    assert meta.graph_name == "tiny-bert" and meta.custom_metadata_map["test.vocabulary"] == "64"


def test_what_cannot_be_honoured_is_refused(model_path: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="bytes"):
        soniq.InferenceSession(model_path.read_bytes())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="CPUExecutionProvider"):
        soniq.InferenceSession(model_path, providers=["CUDAExecutionProvider"])
    soniq.InferenceSession(model_path, None, ["CUDAExecutionProvider", ("CPUExecutionProvider", {})])
    with pytest.raises(TypeError, match="sess_options"):
        soniq.InferenceSession(model_path, 3)
    for name, value in (("enable_profiling", True), ("optimized_model_filepath", "x"), ("intra_op_num_threads", -1)):
        options = soniq.SessionOptions()
        setattr(options, name, value)
        with pytest.raises(ValueError, match=name):
            soniq.InferenceSession(model_path, options)
    with pytest.raises(ValueError, match="set_denormal"):
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
    with pytest.raises(ValueError, match="batch=3"):
        options.add_free_dimension_override_by_name("batch", 3)
    session = soniq.InferenceSession(model_path)
    with pytest.raises(ValueError, match="run_options"):
        session.run(None, {"input_ids": [[1]]}, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"required inputs \(\['input_ids'\]\) are missing"):
        session.run(None, {})
    (tmp_path / "model.onnx").write_bytes(b"x" * 99)
    with pytest.raises(soniq.SoniqError, match="Pack it first"):
        soniq.InferenceSession(tmp_path / "model.onnx")
