"""Models through the binding: arrays in and out, errors, threads."""

from __future__ import annotations

import gc
import resource
import threading
from pathlib import Path

import instruction_sets
import numpy as np
import pytest

import soniq

TRAINED = Path(__file__).resolve().parents[3] / "examples/minilm/minilm-2.5.soniq"


def tokens(model: soniq.Model, shape: tuple[int, int] = (2, 5), seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 40, shape, dtype=np.int32)


@pytest.fixture()
def model(model_path: Path) -> soniq.Model:
    return soniq.load(model_path, threads=1, profile=True)


def test_describes_inputs_and_outputs(model: soniq.Model) -> None:
    ids = model.inputs[0]
    assert ids.name == "input_ids" and ids.dtype == np.int32 and ids.shape == ("batch", "sequence")
    assert not ids.is_optional and all(info.is_optional for info in model.inputs[1:])
    assert "sentence_embedding" in [info.name for info in model.outputs]
    assert model.metadata["general.name"]


def test_outputs_are_views_with_the_right_shape(model: soniq.Model) -> None:
    outputs = model(input_ids=tokens(model))
    embedding = outputs["sentence_embedding"]
    assert embedding.shape[0] == 2 and embedding.dtype == np.float32 and not embedding.flags.owndata
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    with pytest.raises(ValueError):
        embedding[0, 0] = 1
    with pytest.raises(KeyError, match="sentence_embedding"):
        outputs["nothing"]


def test_outputs_stay_while_they_are_held(model: soniq.Model) -> None:
    first = model(input_ids=tokens(model, seed=1))["sentence_embedding"]
    kept = first.copy()
    second = model(input_ids=tokens(model, seed=2))["sentence_embedding"]
    assert np.array_equal(first, kept) and not np.array_equal(first, second)
    assert model.statistics()["sessions"] == 2


def test_a_session_is_used_again(model: soniq.Model) -> None:
    for seed in range(5):
        model(input_ids=tokens(model, seed=seed))
    assert model.statistics()["sessions"] == 1


def test_an_input_left_out_has_its_default_again(model: soniq.Model) -> None:
    ids = tokens(model)
    plain = model(input_ids=ids)["sentence_embedding"].copy()
    mask = np.ones_like(ids)
    mask[:, 2:] = 0
    masked = model(input_ids=ids, attention_mask=mask)["sentence_embedding"].copy()
    with pytest.raises(soniq.SoniqError):
        model(input_ids=ids, attention_mask=mask[:, :3])
    again = model(input_ids=ids)["sentence_embedding"].copy()
    assert np.array_equal(plain, again) and not np.array_equal(plain, masked)
    # A shape that changes from run to run.
    assert np.array_equal(model(input_ids=ids[:1])["sentence_embedding"], plain[:1])


def test_other_integer_types_convert(model: soniq.Model) -> None:
    ids = tokens(model)
    exact = model(input_ids=ids)["sentence_embedding"].copy()
    assert np.array_equal(model(input_ids=ids.astype(np.int64))["sentence_embedding"], exact)
    assert np.array_equal(model(input_ids=np.asfortranarray(ids))["sentence_embedding"], exact)
    assert np.array_equal(model(input_ids=ids.tolist())["sentence_embedding"], exact)
    with pytest.raises(ValueError, match="int32"):
        model(input_ids=np.array([[2**40]]))
    with pytest.raises(ValueError, match="integers"):
        model(input_ids=ids.astype(np.float32))


def test_names_are_checked(model: soniq.Model) -> None:
    with pytest.raises(TypeError, match="unknown input 'ids'"):
        model(ids=tokens(model))
    with pytest.raises(TypeError, match="missing input 'input_ids'"):
        model(attention_mask=np.ones((1, 2), np.int32))


def test_library_errors_carry_code_and_place(model: soniq.Model) -> None:
    with pytest.raises(soniq.SoniqError) as caught:
        model(input_ids=np.full((1, 3), 10_000, np.int32))
    assert caught.value.status == "DATA" and caught.value.node
    with pytest.raises(soniq.SoniqError) as caught:
        model(input_ids=np.zeros(3, np.int32))
    assert caught.value.status == "SHAPE"
    with pytest.raises(soniq.SoniqError) as caught:
        model(input_ids=tokens(model), attention_mask=np.ones((2, 4), np.int32))
    assert caught.value.status == "SHAPE"
    assert model(input_ids=tokens(model))["sentence_embedding"].shape[0] == 2


def test_broken_files(tmp_path: Path, model_path: Path) -> None:
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.load(tmp_path / "absent.soniq")
    assert caught.value.status == "IO"
    broken = tmp_path / "broken.soniq"
    data = bytearray(model_path.read_bytes())
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.load(broken)
    assert caught.value.status == "FORMAT" and caught.value.offset is not None
    data[-100] ^= 1
    broken.write_bytes(data)
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.load(broken, verify=True)
    assert caught.value.status in ("CHECKSUM", "FORMAT")


@pytest.mark.parametrize("isa", instruction_sets.ALL)
def test_equal_on_every_instruction_set_and_thread_count(model_path: Path, model: soniq.Model, isa: str) -> None:
    instruction_sets.require(isa)
    ids = tokens(model, (3, 7))
    exact = model(input_ids=ids)["sentence_embedding"].copy()
    for threads in (1, 2):
        other = soniq.load(model_path, threads=threads, max_isa=isa)
        assert np.array_equal(other(input_ids=ids)["sentence_embedding"], exact), (isa, threads)
        assert instruction_sets.of_kernels(other.kernels()) == {isa}


def test_an_unknown_instruction_set_is_an_error(model_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown instruction set"):
        soniq.load(model_path, max_isa="sse9")


def test_threads_share_a_model(model: soniq.Model) -> None:
    inputs = [tokens(model, (2, 6), seed) for seed in range(4)]
    exact = [model(input_ids=ids)["sentence_embedding"].copy() for ids in inputs]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(50):
            if not np.array_equal(model(input_ids=inputs[index])["sentence_embedding"], exact[index]):
                wrong.append(index)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert model.statistics()["sessions"] <= 5


def test_profile_and_kernels(model: soniq.Model) -> None:
    model(input_ids=tokens(model))
    steps = model.profile()
    linears = [step for step in steps if "linear" in step.operation]
    assert linears and all(step.kernel and step.multiply_accumulates for step in linears)
    assert sum(step.milliseconds for step in steps) > 0
    assert all(report.kernel for report in model.kernels() if report.operation == "linear")


@pytest.mark.parametrize("isa", instruction_sets.ALL)
def test_copied_weights_are_counted_and_can_be_refused(isa: str) -> None:
    instruction_sets.require(isa)
    sizes = {"batch": 2, "sequence": 32}
    ids = np.random.default_rng(3).integers(0, 30000, (2, 32)).astype(np.int32)
    model = soniq.load(TRAINED, max_isa=isa, maximums=sizes)
    assert model.statistics()["copied_weight_bytes"] == 0
    expected = model(input_ids=ids)["sentence_embedding"].copy()
    copied = model.statistics()["copied_weight_bytes"]
    assert copied == sum(report.copied_weight_bytes for report in model.kernels())
    assert (copied > 0) == (isa != "portable")
    held = [model(input_ids=ids) for _ in range(3)]
    statistics = model.statistics()
    assert statistics["sessions"] == len(held) and statistics["copied_weight_bytes"] == copied

    without = soniq.load(TRAINED, max_isa=isa, maximums=sizes, copies=False)
    assert np.array_equal(without(input_ids=ids)["sentence_embedding"], expected)
    assert without.statistics()["copied_weight_bytes"] == 0
    refusals = [line for report in without.kernels() for line in report.refusals]
    assert any("copies are turned off" in line for line in refusals) == (copied > 0)


def test_maximums_limit_a_session(model_path: Path) -> None:
    model = soniq.load(model_path, maximums={"batch": 1, "sequence": 4})
    assert model(input_ids=np.zeros((1, 4), np.int32))["sentence_embedding"].shape[0] == 1
    with pytest.raises(soniq.SoniqError) as caught:
        model(input_ids=np.zeros((1, 5), np.int32))
    assert caught.value.status == "SHAPE"
    with pytest.raises(soniq.SoniqError) as caught:
        soniq.load(model_path, maximums={"width": 1})(input_ids=np.zeros((1, 4), np.int32))
    assert caught.value.status == "NOT_FOUND"


def test_sessions_grow_when_a_call_needs_it() -> None:
    model = soniq.load(TRAINED, threads=1)
    assert model._existing_sessions()[0].statistics()["workspace_bytes"] <= 32 << 20
    ids = np.random.default_rng(2).integers(1000, 9000, (64, 64), dtype=np.int32)
    first = model(input_ids=ids[:1])
    whole = model(input_ids=ids)
    assert np.array_equal(whole["sentence_embedding"][:1], first["sentence_embedding"])
    fewer = soniq.load(TRAINED, threads=1, maximums={"batch": 2})
    with pytest.raises(soniq.SoniqError) as caught:
        fewer(input_ids=ids)
    assert caught.value.status == "SHAPE" and caught.value.field != "size_limits"


def anonymous_bytes() -> int:
    """Memory of this process that belongs to no file, in physical memory now."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Anonymous:")))


def test_resident_bytes_are_those_of_the_system() -> None:
    soniq.load(TRAINED, threads=1)(input_ids=np.full((1, 4), 2000, np.int32))
    model = soniq.load(TRAINED, threads=1)
    ids = np.full((5, 512), 2000, np.int32)
    # What other tests have left goes now, and not while it is measured.
    gc.collect()
    before, at_first = anonymous_bytes(), model.statistics()["heap_resident_bytes"]
    model(input_ids=ids)
    statistics = model._existing_sessions()[0].statistics()
    told = statistics["heap_resident_bytes"] + model.statistics()["heap_resident_bytes"] - at_first
    grown = anonymous_bytes() - before
    assert abs(told - grown) < 1 << 20, f"{told} bytes told, {grown} bytes more in the process"
    resident = statistics["heap_resident_bytes"]
    assert statistics["workspace_bytes"] * 0.8 < resident < statistics["heap_bytes"] + (1 << 20)


def test_a_session_that_cannot_grow_goes_on() -> None:
    model = soniq.load(TRAINED, threads=1)
    model(input_ids=np.full((1, 4), 2000, np.int32))
    limit = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (64 << 20), limit[1]))
    try:
        with pytest.raises(soniq.SoniqError) as caught:
            model(input_ids=np.full((64, 512), 2000, np.int32))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)
    assert caught.value.status == "OUT_OF_MEMORY"
    assert model(input_ids=np.full((1, 4), 2000, np.int32))["sentence_embedding"].shape[0] == 1


def test_verify(model: soniq.Model) -> None:
    model.verify()
