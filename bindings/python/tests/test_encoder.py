"""soniq.Encoder on a tiny model, against the model itself."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import encoder_model
import numpy as np
import pytest

import soniq

TEXTS = ["a b c", "d", "", "e f g h i j k l m n o p", "unknown words", "q r", "a", "A B C", "z y x w v", "b é 1 2"]


def alone(model: soniq.Model, text: str, length: int = 12) -> np.ndarray:
    """A text's embedding by itself, without padding and without a mask."""
    ids = model.tokenizer.encode(text)
    if len(ids) > length:
        ids = np.append(ids[: length - 1], ids[-1:])
    return model(input_ids=ids[None])["sentence_embedding"][0].copy()


def expected(model: soniq.Model, texts: list[str] = TEXTS) -> np.ndarray:
    return np.stack([alone(model, text) for text in texts])


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_order_padding_and_batches_change_nothing(encoder: soniq.Encoder, batch_size: int) -> None:
    embeddings = encoder.encode(TEXTS, batch_size=batch_size)
    assert embeddings.shape == (len(TEXTS), 8) and embeddings.dtype == np.float32
    assert np.array_equal(embeddings, expected(encoder.model))


def test_what_may_be_given(encoder: soniq.Encoder) -> None:
    rows = expected(encoder.model)
    assert np.array_equal(encoder.encode(TEXTS[0]), rows[0]) and encoder.encode(TEXTS[0]).shape == (8,)
    assert np.array_equal(encoder.encode(tuple(TEXTS)), rows)
    assert np.array_equal(encoder.encode(np.array(TEXTS)), rows)
    empty = encoder.encode([])
    assert empty.shape == (0, 8) and empty.dtype == np.float32
    for wrong in (5, b"a", None, {"a": 1}):
        with pytest.raises(TypeError, match="sentences must be"):
            encoder.encode(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"sentences\[1\] must be a str, not int"):
        encoder.encode(["a", 1])  # type: ignore[list-item]
    for wrong_size in (0, -1):
        with pytest.raises(ValueError, match="batch_size"):
            encoder.encode(["a"], batch_size=wrong_size)


def test_arguments_of_sentence_transformers(encoder: soniq.Encoder, capsys: pytest.CaptureFixture[str]) -> None:
    rows = expected(encoder.model)
    defaults = {"prompt_name": None, "precision": "float32", "convert_to_numpy": True, "device": "cpu"}
    assert np.array_equal(encoder.encode(TEXTS, output_value="sentence_embedding", **defaults), rows)
    prompted = encoder.encode(TEXTS, prompt="q q ")
    assert np.array_equal(prompted, expected(encoder.model, ["q q " + text for text in TEXTS]))
    normalized = encoder.encode(TEXTS, truncate_dim=3, normalize_embeddings=True)
    assert normalized.shape == (len(TEXTS), 3)
    assert np.allclose(normalized, rows[:, :3] / np.linalg.norm(rows[:, :3], axis=1, keepdims=True), atol=1e-6)
    assert capsys.readouterr().err == ""
    encoder.encode(TEXTS, show_progress_bar=True)
    assert capsys.readouterr().err.endswith("10/10 texts \n")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("prompt_name", "query"), ("output_value", "token_embeddings"), ("output_value", None), ("precision", "int8"),
        ("convert_to_numpy", False), ("convert_to_tensor", True), ("device", "cuda"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused(encoder: soniq.Encoder, option: str, value: object) -> None:
    with pytest.raises(ValueError):
        encoder.encode(["a"], **{option: value})
    with pytest.raises(TypeError):
        encoder.encode(["a"], pool=3)  # type: ignore[call-arg]


def test_the_folder_says_how_long_texts_are(tmp_path: Path) -> None:
    folder = encoder_model.write_folder(tmp_path / "folder")
    for stated, expected in ((7, 7), (99, 12), (None, 12)):
        (folder / "sentence_roberta_config.json").write_text(json.dumps({"max_seq_length": stated}))
        encoder = soniq.Encoder(encoder_model.pack(folder, tmp_path / f"{stated}.soniq"), threads=1)
        assert encoder.max_seq_length == expected
        assert encoder.model.metadata.get("tokenizer.maximum_tokens") == stated
        assert encoder.tokenize("a b c d " * 10)["input_ids"].shape == (1, expected)
    assert soniq.Encoder(tmp_path / "7.soniq", max_length=12).max_seq_length == 12


def test_long_texts_keep_their_end(encoder: soniq.Encoder, encoder_path: Path) -> None:
    long = "a b c d " * 10
    ids = encoder.tokenize(long)["input_ids"]
    assert ids.shape == (1, 12) and ids[0, 0] == 0 and ids[0, -1] == 2 and encoder.max_seq_length == 12
    shorter = soniq.Encoder(encoder_path, threads=1, max_length=5)
    assert shorter.tokenize([long])["input_ids"].tolist() == [[0, 5, 6, 7, 2]]
    assert np.array_equal(shorter.encode(long), alone(shorter.model, long, 5))
    shorter.max_seq_length = 4
    assert np.array_equal(shorter.encode([long, "a"])[0], alone(shorter.model, "a b"))
    for wrong in (2, 13):
        with pytest.raises(ValueError, match="max_length"):
            shorter.max_seq_length = wrong


def test_tokenize_pads(encoder: soniq.Encoder) -> None:
    inputs = encoder.tokenize(["a b", "c"])
    assert {name: array.tolist() for name, array in inputs.items()} == {
        "input_ids": [[0, 5, 6, 2], [0, 7, 2, 1]],
        "attention_mask": [[1, 1, 1, 1], [1, 1, 1, 0]],
    }
    assert np.array_equal(encoder.model(**inputs)["sentence_embedding"], expected(encoder.model, ["a b", "c"]))


def test_similarity(encoder: soniq.Encoder) -> None:
    assert encoder.get_sentence_embedding_dimension() == encoder.get_embedding_dimension() == 8
    rows = encoder.encode(TEXTS)
    cosines = encoder.similarity(rows * 3, rows[:4])
    assert cosines.shape == (10, 4) and cosines.dtype == np.float32
    assert np.allclose(np.diag(cosines[:4]), 1, atol=1e-6) and np.allclose(cosines[7], cosines[0])
    assert np.allclose(encoder.similarity(rows[0], rows), cosines[:, :1].T)
    assert encoder.similarity(np.zeros(8), rows[0]).tolist() == [[0]]


def test_memory_is_that_of_a_batch(encoder_path: Path) -> None:
    encoder = soniq.Encoder(encoder_path, threads=1)
    encoder.encode(TEXTS * 2)
    assert encoder.model.statistics()["sessions"] == 1
    before = encoder.model.statistics()["heap_resident_bytes"]
    encoder.encode(TEXTS * 100)
    assert encoder.model.statistics()["heap_resident_bytes"] == before


def test_streams_read_no_further_than_they_must(encoder: soniq.Encoder) -> None:
    read = 0

    def texts():
        nonlocal read
        while True:
            read += 1
            yield TEXTS[read % len(TEXTS)]

    stream = encoder.encode_stream(texts(), batch_size=2)
    rows = expected(encoder.model)
    assert all(np.array_equal(next(stream), rows[place % len(TEXTS)]) for place in range(1, 30))
    assert read <= 32
    assert list(encoder.encode_stream([])) == []


def test_async_keeps_the_order_and_stops(encoder: soniq.Encoder) -> None:
    rows = expected(encoder.model)

    async def together() -> list[np.ndarray]:
        jobs = [encoder.encode_async(TEXTS, batch_size=size) for size in (1, 2, 3)]
        return await asyncio.gather(*jobs, encoder.encode_async("a b c"))

    *several, one = asyncio.run(together())
    assert all(np.array_equal(each, rows) for each in several) and np.array_equal(one, rows[0])

    async def cancelled() -> None:
        task = asyncio.create_task(encoder.encode_async(["a b c"] * 100_000, batch_size=1))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


def test_threads_share_an_encoder(encoder: soniq.Encoder) -> None:
    rows, wrong = expected(encoder.model), []

    def work(shift: int) -> None:
        for _ in range(20):
            if not np.array_equal(encoder.encode(TEXTS[shift:], batch_size=3), rows[shift:]):
                wrong.append(shift)

    workers = [threading.Thread(target=work, args=(shift,)) for shift in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_an_open_model(encoder: soniq.Encoder) -> None:
    again = soniq.Encoder(encoder.model, max_length=6)
    assert again.model is encoder.model and again.max_seq_length == 6 and encoder.max_seq_length == 12
    with pytest.raises(TypeError, match="threads"):
        soniq.Encoder(encoder.model, threads=1)


@pytest.mark.parametrize("shape", [("batch", "sequence"), (3, 9), (1, "sequence")])
@pytest.mark.parametrize("has_mask", [True, False])
def test_a_model_without_a_tokenizer(
    encoder: soniq.Encoder, tmp_path: Path, shape: tuple[int | str, int | str], has_mask: bool
) -> None:
    """Packed of an ONNX file, perhaps of one size only: the sum of rows of a table, in a single output."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    table = np.random.default_rng(3).integers(-9, 9, (40, 4)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    if has_mask:
        nodes.append(helper.make_node("Cast", ["attention_mask"], ["numbers"], to=kind.FLOAT))
        nodes.append(helper.make_node("Unsqueeze", ["numbers", "last"], ["column"]))
        nodes.append(helper.make_node("Mul", ["rows", "column"], ["kept"]))
    nodes.append(helper.make_node("ReduceSum", ["kept" if has_mask else "rows", "axis"], ["sum"], keepdims=0))
    names = ["input_ids", "attention_mask"] if has_mask else ["input_ids"]
    inputs = [helper.make_tensor_value_info(name, kind.INT64, shape) for name in names]
    outputs = [helper.make_tensor_value_info("sum", kind.FLOAT, [shape[0], 4])]
    constants = {"table": table, "axis": np.array([1]), "last": np.array([2])}
    constants = {name: value for name, value in constants.items() if has_mask or name != "last"}
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "sums", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "sums.onnx")
    packed = soniq.pack(tmp_path / "sums.onnx", tmp_path / "sums.soniq", palette="f32")
    tokenizer = encoder.model.tokenizer
    if shape == (3, 9) and not has_mask:
        with pytest.raises(TypeError, match="9 tokens, no fewer, and no attention_mask"):
            soniq.Encoder(packed, tokenizer=tokenizer)
        return
    with pytest.raises(TypeError, match="tokenizer="):
        soniq.Encoder(packed)
    other = soniq.Encoder(packed, threads=1, tokenizer=tokenizer, max_length=9)
    ids = [tokenizer.encode(text) for text in TEXTS]
    cut = [each if len(each) <= 9 else np.append(each[:8], each[-1:]) for each in ids]
    assert np.array_equal(other.encode(TEXTS), np.stack([table[each].sum(0) for each in cut]))


def test_models_that_are_no_encoders(model_path: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"no tokenizer.*tokenizer\.json"):
        soniq.Encoder(model_path)
    plain = encoder_model.pack(encoder_model.write_folder(tmp_path / "bert", "bert"), tmp_path / "bert.soniq")
    with pytest.raises(TypeError, match="no sentence_embedding"):
        soniq.Encoder(plain)
    images = soniq.pack(encoder_model.FOLDERS / "vit", tmp_path / "vit.soniq", palette="f32")
    with pytest.raises(TypeError, match="the model takes pixel_values"):
        soniq.Encoder(images)
