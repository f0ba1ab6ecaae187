"""Folders of Hugging Face Transformers, tiny and with random weights, and what Transformers computes with them.

usage: generate.py [NAME...]     writes folders/NAME; needs torch and transformers

The folders are committed: PyTorch is too large for every test run. Those here are of transformers 5.24.0 and torch
2.13.0. Each holds config.json and model.safetensors as save_pretrained writes them, and expected.npz: the inputs and,
by the names that the packed model has, the outputs.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from torch import Tensor, nn

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 16}
WORDS = 40
POSITIONS = 24
TEXT = {**SIZES, "vocab_size": WORDS, "max_position_embeddings": POSITIONS}
PADDED = {**TEXT, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
NARROW = {**TEXT, "embedding_size": 4, "pad_token_id": 0}
ENDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
IMAGE = {**SIZES, "image_size": 8, "patch_size": 4}
LENGTHS = (9, 6, 1)
SEED = 20261128
FOLDERS = Path(__file__).parent / "folders"

Outputs = dict[str, Tensor]


@dataclass
class Case:
    """A class of Transformers with its configuration, and how its output is called in the packed model."""

    model: type
    config: Any
    outputs: dict[str, str]
    types: bool = False
    padding: int = 0
    """The last id of each sequence, where the model looks for one."""
    ending: int | None = None
    """Stored as float16, bfloat16 or float32."""
    dtype: torch.dtype = torch.float32
    """What the first weights are multiplied with, so that every layer changes its input visibly."""
    scale: float = 10
    shards: str | None = None
    """modules.json and the files it names, from the hidden states and the mask to the vector."""
    modules: Callable[[Path, np.random.Generator], Callable[[Tensor, Tensor], Tensor]] | None = None


STATES = {"last_hidden_state": "last_hidden_state"}
POOLED = {**STATES, "pooler_output": "pooler_output"}
LOGITS = {"logits": "logits"}
SPANS = {"start_logits": "start_logits", "end_logits": "end_logits"}


def distilbert() -> Any:
    return hf.DistilBertConfig(
        dim=8, n_layers=2, n_heads=2, hidden_dim=16, vocab_size=WORDS, max_position_embeddings=POSITIONS
    )


def modernbert(pooling: str = "cls") -> Any:
    """With layers that see two positions on each side between those that see all."""
    ids = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    layers = {"num_hidden_layers": 4, "local_attention": 4, "classifier_pooling": pooling}
    return hf.ModernBertConfig(**{**TEXT, **ids, **layers})


def whisper() -> Any:
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    sizes = {"d_model": 8, "vocab_size": 8, "num_mel_bins": 6, "max_source_positions": 5, "max_target_positions": 4}
    encoder = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8}
    return hf.WhisperConfig(**ids, **sizes, **encoder, **decoder)


def t5(function: str) -> Any:
    sizes = {"d_model": 8, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2, "vocab_size": WORDS}
    return hf.T5Config(
        **sizes, feed_forward_proj=function, relative_attention_num_buckets=8, relative_attention_max_distance=6
    )


def cases() -> dict[str, Case]:
    roberta = hf.RobertaConfig(**PADDED, type_vocab_size=1)
    mpnet = hf.MPNetConfig(**PADDED)
    albert = hf.AlbertConfig(**{**NARROW, "num_hidden_layers": 3}, num_labels=3)
    electra = hf.ElectraConfig(**NARROW, num_labels=3)
    return {
        "bert": Case(hf.BertModel, hf.BertConfig(**TEXT), POOLED, types=True, dtype=torch.float16),
        "bert-words-shards": Case(
            hf.BertForMaskedLM, hf.BertConfig(**TEXT), LOGITS, types=True, dtype=torch.bfloat16, shards="2KB"
        ),
        "roberta": Case(hf.RobertaModel, roberta, POOLED, padding=1),
        "roberta-classes": Case(hf.RobertaForSequenceClassification, roberta, LOGITS, padding=1),
        "xlm-roberta-words": Case(
            hf.XLMRobertaForMaskedLM, hf.XLMRobertaConfig(**PADDED, type_vocab_size=1), LOGITS, padding=1
        ),
        "distilbert": Case(hf.DistilBertModel, distilbert(), STATES),
        "distilbert-classes": Case(hf.DistilBertForSequenceClassification, distilbert(), LOGITS),
        "distilbert-words": Case(hf.DistilBertForMaskedLM, distilbert(), LOGITS),
        "mpnet": Case(hf.MPNetModel, mpnet, POOLED, padding=1),
        "mpnet-words": Case(hf.MPNetForMaskedLM, mpnet, LOGITS, padding=1, dtype=torch.float16),
        "albert": Case(hf.AlbertModel, albert, POOLED, types=True),
        "albert-classes": Case(hf.AlbertForSequenceClassification, albert, LOGITS, types=True),
        "albert-words": Case(hf.AlbertForMaskedLM, albert, LOGITS, types=True),
        "electra-words": Case(hf.ElectraForMaskedLM, electra, LOGITS, types=True),
        "electra-tokens": Case(hf.ElectraForTokenClassification, electra, LOGITS, types=True),
        "electra-replaced": Case(hf.ElectraForPreTraining, electra, LOGITS, types=True),
        "electra-answers": Case(hf.ElectraForQuestionAnswering, hf.ElectraConfig(**NARROW), SPANS, types=True),
        "mean-normalized": Case(hf.MPNetModel, mpnet, {}, padding=1, modules=pooling("mean")),
        "first": Case(hf.BertModel, hf.BertConfig(**TEXT), {}, types=True, modules=pooling("cls", normalizes=False)),
        "last-max": Case(hf.DistilBertModel, distilbert(), {}, modules=pooling("max", "lasttoken")),
        "weighted-root": Case(
            hf.RobertaModel, roberta, {}, padding=1,
            modules=pooling("mean_sqrt_len_tokens", "weightedmean", normalizes=False),
        ),
        "dense": Case(hf.DistilBertModel, distilbert(), {}, modules=pooling("mean", dense=6)),
        **later_cases(),
    }  # fmt: skip


def later_cases() -> dict[str, Case]:
    """Families whose layers are not BERT's."""
    nomic = hf.NomicBertConfig(**TEXT)
    return {
        "modernbert": Case(hf.ModernBertModel, modernbert(), STATES),
        "modernbert-words": Case(hf.ModernBertForMaskedLM, modernbert(), LOGITS),
        "modernbert-classes": Case(hf.ModernBertForSequenceClassification, modernbert("mean"), LOGITS),
        "nomic": Case(hf.NomicBertModel, nomic, STATES, types=True),
        "nomic-words": Case(hf.NomicBertForMaskedLM, nomic, LOGITS, types=True),
        "t5": Case(hf.T5EncoderModel, t5("relu"), STATES, scale=1),
        "t5-gated": Case(hf.T5EncoderModel, t5("gated-gelu"), STATES, dtype=torch.bfloat16, scale=1),
        "vit": Case(hf.ViTModel, hf.ViTConfig(**IMAGE), POOLED),
        "vit-classes": Case(hf.ViTForImageClassification, hf.ViTConfig(**IMAGE, num_labels=5), LOGITS),
        "deit-teacher": Case(hf.DeiTForImageClassificationWithTeacher, hf.DeiTConfig(**IMAGE), LOGITS),
        "clip-images": Case(
            hf.CLIPVisionModelWithProjection, hf.CLIPVisionConfig(**IMAGE, projection_dim=4),
            {**STATES, "image_embeds": "image_embeds"}, scale=3,
        ),
        "clip-texts": Case(
            hf.CLIPTextModelWithProjection, hf.CLIPTextConfig(**TEXT, projection_dim=4, **ENDS),
            {**STATES, "text_embeds": "text_embeds"}, ending=2, scale=3,
        ),
        "clip-texts-end": Case(
            hf.CLIPTextModel, hf.CLIPTextConfig(**TEXT, **{**ENDS, "eos_token_id": 39}), POOLED, ending=39, scale=3
        ),
        "siglip-images": Case(hf.SiglipVisionModel, hf.SiglipVisionConfig(**IMAGE), POOLED),
        "siglip-texts": Case(hf.SiglipTextModel, hf.SiglipTextConfig(**TEXT, **ENDS), POOLED),
        "whisper": Case(hf.WhisperModel, whisper(), {"last_hidden_state": "encoder_last_hidden_state"}),
        "whisper-decoder": Case(
            hf.WhisperForConditionalGeneration, whisper(), {"last_hidden_state": "encoder_last_hidden_state"}
        ),
    }  # fmt: skip


def pooling(
    *modes: str, dense: int | None = None, normalizes: bool = True
) -> Callable[[Path, np.random.Generator], Callable[[Tensor, Tensor], Tensor]]:
    """The modules of a sentence encoder as sentence-transformers lays them out, and the same in PyTorch."""

    def write(folder: Path, random: np.random.Generator) -> Callable[[Tensor, Tensor], Tensor]:
        kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
        names = {"cls": "cls_token", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "lasttoken": "lasttoken"}
        keys = {f"pooling_mode_{names.get(mode, mode + '_tokens')}": True for mode in modes}
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 8, **keys}))
        weights = bias = None
        if dense:
            kinds.append(("Dense", "2_Dense"))
            (folder / "2_Dense").mkdir()
            config = {"in_features": 8 * len(modes), "out_features": dense, "bias": True}
            config["activation_function"] = "torch.nn.modules.activation.Tanh"
            (folder / "2_Dense/config.json").write_text(json.dumps(config))
            weights = torch.from_numpy(random.standard_normal((dense, 8 * len(modes))).astype(np.float32))
            bias = torch.from_numpy(random.standard_normal(dense).astype(np.float32))
            from safetensors.torch import save_file

            save_file({"linear.weight": weights, "linear.bias": bias}, folder / "2_Dense/model.safetensors")
        if normalizes:
            kinds.append(("Normalize", f"{len(kinds)}_Normalize"))
        (folder / "modules.json").write_text(
            json.dumps(
                [
                    {"idx": i, "path": path, "type": f"sentence_transformers.models.{kind}"}
                    for i, (kind, path) in enumerate(kinds)
                ]
            )
        )

        def vector(states: Tensor, mask: Tensor) -> Tensor:
            result = torch.cat([pool(mode, states, mask) for mode in modes], dim=1)
            if weights is not None:
                result = torch.tanh(nn.functional.linear(result, weights, bias))
            return nn.functional.normalize(result, dim=1) if normalizes else result

        return vector

    return write


def pool(mode: str, states: Tensor, mask: Tensor) -> Tensor:
    kept = mask[:, :, None].to(states.dtype)
    if mode == "cls":
        return states[:, 0]
    if mode == "lasttoken":
        return states[torch.arange(len(states)), mask.sum(1) - 1]
    if mode == "max":
        return states.masked_fill(kept == 0, -1e9).max(1).values
    if mode == "weightedmean":
        kept = kept * torch.arange(1, states.shape[1] + 1)[None, :, None]
    total = kept.sum(1).clamp(min=1e-9)
    return (states * kept).sum(1) / (total.sqrt() if mode == "mean_sqrt_len_tokens" else total)


def build(case: Case, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    module = case.model(case.config)
    for parameter in module.parameters():
        scale = case.scale if parameter.dim() > 1 else 1
        parameter.data = parameter.data * scale + 0.1 * torch.randn_like(parameter)
        parameter.data = parameter.data.to(case.dtype).to(torch.float32)
    return module.eval()


def inputs_of(case: Case, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Sequences of several lengths, the shorter ones padded."""
    if hasattr(case.config, "image_size"):
        side = case.config.image_size
        return {"pixel_values": random.standard_normal((2, 3, side, side)).astype(np.float32)}
    if hasattr(case.config, "num_mel_bins"):
        shape = (2, case.config.num_mel_bins, 2 * case.config.max_source_positions)
        return {
            "input_features": random.standard_normal(shape).astype(np.float32),
            "decoder_input_ids": np.ones((2, 1), np.int64),
        }
    lengths = np.array(LENGTHS)[:, None]
    shape = (len(LENGTHS), max(LENGTHS))
    mask = (np.arange(shape[1]) < lengths).astype(np.int64)
    inputs = {"input_ids": np.where(mask == 1, random.integers(3, WORDS, shape), case.padding), "attention_mask": mask}
    if case.ending is not None:
        inputs["input_ids"][np.arange(shape[1]) == lengths - 1] = case.ending
    if case.types:
        inputs["token_type_ids"] = random.integers(0, 2, shape)
    return inputs


def write(name: str, folder: Path, seed: int = SEED) -> None:
    """One folder with its expected outputs, which replace what is there."""
    case = cases()[name]
    random = np.random.default_rng(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    module = build(case, seed)
    inputs = inputs_of(case, random)
    with torch.no_grad():
        result = module(**{key: torch.from_numpy(array) for key, array in inputs.items()})
    outputs = {packed: result[theirs].numpy() for packed, theirs in case.outputs.items()}
    if case.modules:
        vector = case.modules(folder, random)
        states = result.last_hidden_state
        outputs["sentence_embedding"] = vector(states, torch.from_numpy(inputs["attention_mask"])).numpy()
    module.to(case.dtype).save_pretrained(folder, **({"max_shard_size": case.shards} if case.shards else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    inputs.pop("decoder_input_ids", None)
    kept = {f"in.{key}": array for key, array in inputs.items()} | {
        f"out.{key}": array for key, array in outputs.items()
    }
    np.savez_compressed(folder / "expected.npz", **kept)


def main() -> None:
    for name in sys.argv[1:] or cases():
        write(name, FOLDERS / name)


if __name__ == "__main__":
    main()
