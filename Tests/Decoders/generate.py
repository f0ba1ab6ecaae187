"""Decoders of Hugging Face Transformers, tiny and with random weights, as GGUF files and as folders, and their logits.

usage: generate.py [NAME...]     writes models/NAME.gguf, .npz and the folder; needs torch and transformers

The files are committed: PyTorch is too large for every test run. Those here are of transformers 5.24.0 and torch
2.13.0. Tensors are named and ordered as llama.cpp's converter does it: rows of queries and keys of some families are
permuted, norms of Gemma hold 1 more than Transformers' weights. Folders are what save_pretrained writes.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from gguf_writer import Key, write

MODELS = Path(__file__).parent / "models"
SEED = 20261129
WORDS = 40
LENGTH = 24
SIZES = {
    "vocab_size": WORDS, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "attn_implementation": "eager",
}  # fmt: skip

NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.qkv_proj": "attn_qkv",
    "mlp.gate_up_proj": "ffn_up", "self_attn.attn_sub_norm": "attn_sub_norm", "mlp.ffn_sub_norm": "ffn_sub_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}  # fmt: skip
AROUND = {"post_attention_layernorm": "post_attention_norm"}


@dataclass
class Case:
    """A configuration of Transformers, and what a GGUF file of it says beside the sizes."""

    config: Any
    architecture: str
    keys: dict[str, Key] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    is_permuted: bool = False
    norms_add_one: bool = False


def case(config: type, architecture: str, *arguments: Any, **options: Any) -> Case:
    of_case = ("keys", "names", "is_permuted", "norms_add_one")
    chosen = {key: options.pop(key) for key in of_case if key in options}
    return Case(config(**{**SIZES, **options}), architecture, *arguments, **chosen)


def rope(kind: str = "default", base: float = 10000.0, **numbers: float) -> dict[str, Any]:
    return {"rope_type": kind, "rope_theta": base, **numbers}


def gemma3() -> Case:
    """Five layers that see four positions, and one that sees all and has other angles."""
    keys: dict[str, Key] = {"attention.sliding_window": 4, "rope.freq_base": 1e6}
    return case(
        hf.Gemma3TextConfig, "gemma3", keys=keys, names=AROUND, norms_add_one=True, head_dim=8, sliding_window=4,
        query_pre_attn_scalar=8, num_hidden_layers=6,
    )  # fmt: skip


def cases() -> dict[str, Case]:
    scaled = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
    stretched = rope("yarn", factor=4.0, original_max_position_embeddings=16)
    yarn: dict[str, Key] = {
        "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 16,
    }  # fmt: skip
    caps: dict[str, Key] = {
        "attention.sliding_window": 4, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
    }  # fmt: skip
    factors: dict[str, Key] = {
        "embedding_scale": 3.0, "residual_scale": 0.5, "attention.scale": 0.3, "logit_scale": 2.0,
    }  # fmt: skip
    return {
        "llama": case(hf.LlamaConfig, "llama", is_permuted=True, attention_bias=True, mlp_bias=True),
        "llama3": case(hf.LlamaConfig, "llama", is_permuted=True, tie_word_embeddings=True, rope_parameters=scaled),
        "llama-yarn": case(hf.LlamaConfig, "llama", keys=yarn, is_permuted=True, rope_parameters=stretched),
        "mistral": case(
            hf.MistralConfig, "llama", keys={"attention.sliding_window": 5}, is_permuted=True, sliding_window=5
        ),
        "qwen2": case(hf.Qwen2Config, "qwen2", rope_parameters=rope(base=1e6)),
        "qwen3": case(hf.Qwen3Config, "qwen3", head_dim=8),
        "gemma": case(hf.GemmaConfig, "gemma", norms_add_one=True, head_dim=8, hidden_act="gelu_pytorch_tanh"),
        "gemma2": case(
            hf.Gemma2Config, "gemma2", keys=caps, names=AROUND, norms_add_one=True, head_dim=8, sliding_window=4,
            query_pre_attn_scalar=8,
        ),
        "gemma3": gemma3(),
        "phi3": case(hf.Phi3Config, "phi3", keys={"attention.sliding_window": 5}, sliding_window=5),
        "bitnet": case(hf.BitNetConfig, "bitnet-b1.58", hidden_act="relu2"),
        "smollm3": case(hf.SmolLM3Config, "smollm3", is_permuted=True, num_hidden_layers=4, no_rope_layer_interval=4),
        "olmo2": case(hf.Olmo2Config, "olmo2", names=AROUND),
        "granite": case(
            hf.GraniteConfig, "granite", keys=factors, is_permuted=True, embedding_multiplier=3.0,
            residual_multiplier=0.5, attention_multiplier=0.3, logits_scaling=2.0,
        ),
    }  # fmt: skip


def randomize(model: Any, case: Case, generator: torch.Generator) -> None:
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            parameter.data = 0.3 * noise + (0 if case.norms_add_one else 1)
        else:
            parameter.data = 0.3 * noise


def tensors(model: Any, case: Case) -> dict[str, np.ndarray]:
    config = model.config
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    stored: dict[str, np.ndarray] = {}
    for name, parameter in model.named_parameters():
        module, kind = name.rsplit(".", 1)
        start = ""
        if module.startswith("model.layers."):
            _, _, layer, module = module.split(".", 3)
            start = f"blk.{layer}."
        part = {**NAMES, **case.names}[module]
        array = parameter.detach().numpy()
        if case.is_permuted and part in heads:
            halves = array.reshape(heads[part], 2, -1, *array.shape[1:])
            array = halves.swapaxes(1, 2).reshape(array.shape)
        stored[f"{start}{part}.{kind}"] = array + 1 if case.norms_add_one and "norm" in part else array
    if config.model_type == "llama" and config.rope_parameters["rope_type"] == "llama3":
        pairs = config.hidden_size // config.num_attention_heads // 2
        plain = config.rope_parameters["rope_theta"] ** (-np.arange(pairs) / pairs)
        stored["rope_freqs.weight"] = plain / model.model.rotary_emb.inv_freq.numpy()
    return stored


def keys(config: Any, case: Case) -> dict[str, Key]:
    sizes: dict[str, Key] = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
    }
    if getattr(config, "head_dim", None):
        sizes |= {"attention.key_length": config.head_dim, "attention.value_length": config.head_dim}
    if "rope_theta" in config.rope_parameters:
        sizes["rope.freq_base"] = float(config.rope_parameters["rope_theta"])
    named = {f"{case.architecture}.{key}": value for key, value in (sizes | case.keys).items()}
    return {"general.architecture": case.architecture, **named}


def write_case(name: str, folder: Path, seed: int = SEED) -> None:
    case = cases()[name]
    model = hf.AutoModelForCausalLM.from_config(case.config).eval()
    generator = torch.Generator().manual_seed(seed)
    randomize(model, case, generator)
    if getattr(model.config, "tie_word_embeddings", False):
        model.tie_weights()
    ids = torch.randint(0, WORDS, (2, LENGTH), generator=generator)
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    folder.mkdir(exist_ok=True)
    write(folder / f"{name}.gguf", keys(model.config, case), tensors(model, case))
    shutil.rmtree(folder / name, ignore_errors=True)
    # One of them in several files.
    model.save_pretrained(folder / name, max_shard_size="12KB" if name == "qwen3" else "1GB")
    np.savez_compressed(folder / f"{name}.npz", ids=ids.numpy().astype(np.int32), logits=logits.numpy())


if __name__ == "__main__":
    for chosen in sys.argv[1:] or cases():
        write_case(chosen, MODELS)
