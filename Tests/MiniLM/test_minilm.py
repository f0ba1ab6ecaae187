"""The product's main job on the real model: quality, equal bits everywhere, size, memory."""

from __future__ import annotations

import os
import random
import runpy
import subprocess
import sys
from pathlib import Path

import demo
import instruction_sets
import numpy as np
import pytest
import reference

import soniq

MEGABYTE = 1e6


@pytest.fixture(scope="session")
def sentences(tokenizer) -> tuple[np.ndarray, np.ndarray]:
    return demo.tokenize(tokenizer, demo.read_lines("sentences.txt"))


@pytest.fixture(scope="session")
def exact(folder: Path, sentences, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Float32 embeddings of ONNX Runtime."""
    import onnx

    path = tmp_path_factory.mktemp("reference") / "minilm.onnx"
    onnx.save(reference.BertExporter(folder).export(), path)
    return demo.reference_embeddings(path, *sentences)


@pytest.mark.parametrize(
    ("palette", "mean", "lowest"), [("8", 0.998, 0.996), ("4,8", 0.985, 0.9), ("trained", 0.92, 0.5)]
)
def test_embeddings_are_close_to_float(
    packed: dict[str, Path], sentences, exact: np.ndarray, palette: str, mean: float, lowest: float
) -> None:
    embeddings = demo.embed(soniq.load(packed[palette]), *sentences)
    cosines = demo.cosines(embeddings, exact)
    print(f"palette {palette}: cosine mean {cosines.mean():.5f} lowest {cosines.min():.5f}")
    assert cosines.mean() >= mean and cosines.min() >= lowest


Outputs = dict[str, np.ndarray]


def outputs_of_random_tokens(path: Path, isa: str, threads: int) -> tuple[Outputs, set[str]]:
    """Outputs as bits, and the instruction sets of the kernels that made them."""
    generator = np.random.default_rng(3)
    ids = generator.integers(1000, 30000, (3, 37)).astype(np.int32)
    mask = (np.arange(37) < np.array([37, 20, 1])[:, None]).astype(np.int32)
    model = soniq.load(path, threads=threads, max_isa=isa)
    outputs = {name: array.view(np.int32).copy() for name, array in model(input_ids=ids, attention_mask=mask).items()}
    return outputs, instruction_sets.of_kernels(model.kernels())


@pytest.fixture(scope="session")
def portable(packed: dict[str, Path]) -> dict[str, Outputs]:
    return {palette: outputs_of_random_tokens(path, "portable", 1)[0] for palette, path in packed.items()}


@pytest.mark.parametrize("isa", instruction_sets.ALL)
@pytest.mark.parametrize("palette", ["8", "4,8", "trained"])
def test_equal_bits_on_every_instruction_set_and_thread_count(
    packed: dict[str, Path], portable: dict[str, Outputs], palette: str, isa: str
) -> None:
    instruction_sets.require(isa)
    for threads in (1, 2):
        outputs, ran = outputs_of_random_tokens(packed[palette], isa, threads)
        assert ran == {isa}, f"asked for {isa}, ran {ran}"
        for name, array in outputs.items():
            assert np.array_equal(array, portable[palette][name]), (isa, threads, name)


def run_capped(path: Path, isa: str) -> subprocess.CompletedProcess[str]:
    """Prints the embedding of some tokens and the instruction sets that ran, under this SONIQ_MAX_ISA."""
    code = (
        "import instruction_sets, numpy, soniq, sys; m = soniq.load(sys.argv[1], threads=2);"
        "o = m(input_ids=numpy.arange(1000, 1020, dtype='i4')[None]);"
        "print(o['sentence_embedding'].tobytes().hex(), *instruction_sets.of_kernels(m.kernels()))"
    )
    paths = os.pathsep.join([os.environ["PYTHONPATH"], str(Path(instruction_sets.__file__).parent)])
    environment = {**os.environ, "SONIQ_MAX_ISA": isa, "PYTHONPATH": paths}
    return subprocess.run([sys.executable, "-c", code, str(path)], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_environment_caps_the_instruction_set(packed: dict[str, Path], isa: str) -> None:
    """SONIQ_MAX_ISA gives the same bits too."""
    instruction_sets.require(isa)
    portable, capped = (run_capped(packed["8"], cap).stdout.split() for cap in ("portable", isa))
    assert portable[1:] == ["portable"] and capped[1:] == [isa]
    assert portable[0] == capped[0]


def test_a_cap_that_does_not_exist_is_an_error(packed: dict[str, Path]) -> None:
    answer = run_capped(packed["8"], "sse9")
    assert answer.returncode != 0 and "SONIQ_MAX_ISA" in answer.stderr


def test_batches_and_padding_change_nothing(packed: dict[str, Path], sentences) -> None:
    """A sentence alone and the same one padded in a batch have the same embedding, to the bit."""
    ids, mask = (array[:8] for array in sentences)
    model = soniq.load(packed["8"])
    together = model(input_ids=ids, attention_mask=mask)["sentence_embedding"].copy()
    for row in range(len(ids)):
        length = int(mask[row].sum())
        alone = model(input_ids=ids[row : row + 1, :length])["sentence_embedding"]
        assert np.array_equal(alone[0], together[row])


def test_the_trained_model_says_what_it_is(packed: dict[str, Path]) -> None:
    metadata = soniq.load(packed["trained"]).metadata
    assert packed["trained"].stat().st_size <= 10 * MEGABYTE
    assert metadata["general.license"] == "Apache-2.0" and metadata["soniq.calibration"] == "trained"
    assert metadata["soniq.palette"] == "w2a8+w3a8" and float(metadata["soniq.average_bits"]) < 3.4


def test_sizes(packed: dict[str, Path]) -> None:
    assert packed["8"].stat().st_size <= 24 * MEGABYTE
    assert float(soniq.load(packed["4,8"]).metadata["soniq.average_bits"]) <= 5.0


def test_files_verify(packed: dict[str, Path]) -> None:
    for path in packed.values():
        soniq.load(path, verify=True)
        subprocess.run([os.environ["SONIQ_PACK"], "verify", path], check=True)


def test_resident_memory_of_a_host(packed: dict[str, Path], memory_host: Path) -> None:
    """A C host that opened the model and ran 128 tokens holds at most the file and 20 MB."""
    for path in packed.values():
        answer = subprocess.run([memory_host, path], check=True, capture_output=True, text=True)
        resident = int(answer.stdout.split()[0])
        assert resident <= path.stat().st_size + 20 * MEGABYTE, answer.stdout


def test_an_onnx_file_packs_to_the_same_outputs(folder: Path, sentences, tmp_path: Path) -> None:
    """From the checkpoint's folder and from an ONNX file of it: equal to the bit, in float mode."""
    import onnx

    onnx.save(reference.BertExporter(folder).export(), tmp_path / "minilm.onnx")
    ids, mask = (array[:8] for array in sentences)
    answers = []
    for name, source in (("folder", folder), ("onnx", tmp_path / "minilm.onnx")):
        packed = tmp_path / f"{name}.soniq"
        subprocess.run([os.environ["SONIQ_PACK"], "pack", source, "-o", packed, "--palette", "f32"], check=True)
        answers.append(soniq.load(packed)(input_ids=ids, attention_mask=mask)["sentence_embedding"].copy())
    assert np.array_equal(answers[0], answers[1])


def test_its_tokenizer_is_in_the_file(packed: dict[str, Path], folder: Path) -> None:
    """Ids and text as the `tokenizers` package has them, of sentences in many scripts and of random strings."""
    from tokenizers import Tokenizer

    # By its path: the demo has a module of this name, too.
    words = runpy.run_path(str(Path(__file__).parents[1] / "Text/texts.py"))
    reference_tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference_tokenizer.no_padding()
    reference_tokenizer.no_truncation()
    tokenizer = soniq.load(packed["8"]).tokenizer
    rng = random.Random(int(os.environ.get("SONIQ_TEST_SEED", "0")) or 20261129)
    count = int(os.environ.get("SONIQ_TEXTS", "3000"))
    texts = [*words["SCRIPTS"].values(), *(words["random_text"](rng) for _ in range(count))]
    for text, expected in zip(texts, reference_tokenizer.encode_batch(texts), strict=True):
        ids = tokenizer.encode(text, parse_special=True).tolist()
        assert ids == expected.ids, repr(text)
        assert tokenizer.decode(ids) == reference_tokenizer.decode(ids), repr(text)


def test_the_encoder_embeds_as_the_demo_does(packed: dict[str, Path], sentences, tokenizer) -> None:
    """soniq.Encoder with the file's tokenizer, and the `tokenizers` package before the model: equal to the bit."""
    texts = demo.read_lines("sentences.txt")
    encoder = soniq.Encoder(packed["8"], max_length=256)
    assert np.array_equal(encoder.encode(texts), demo.embed(encoder.model, *sentences))
    tokenizer.enable_truncation(24)
    try:
        long = [" ".join(texts[place : place + 9]) for place in range(8)]
        cut = demo.tokenize(tokenizer, long)
    finally:
        tokenizer.no_truncation()
    encoder.max_seq_length = 24
    assert cut[0].shape == (8, 24) and np.array_equal(encoder.tokenize(long)["input_ids"], cut[0])
    assert np.array_equal(encoder.encode(long), demo.embed(encoder.model, *cut))
