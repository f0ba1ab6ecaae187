"""Encoders whose attention knows places."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf
from case import LOGITS, PADDED, SPANS, STATES, TEXT, WORDS, Case


def modernbert(pooling: str = "cls") -> Any:
    """With layers that see two positions on each side between those that see all."""
    ids = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    layers = {"num_hidden_layers": 4, "local_attention": 4, "classifier_pooling": pooling}
    return hf.ModernBertConfig(**{**TEXT, **ids, **layers})


def t5(function: str) -> Any:
    sizes = {"d_model": 8, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2, "vocab_size": WORDS}
    return hf.T5Config(
        **sizes, feed_forward_proj=function, relative_attention_num_buckets=8, relative_attention_max_distance=6
    )


def umt5() -> Any:
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 3, "vocab_size": WORDS}
    return hf.UMT5Config(**sizes, relative_attention_num_buckets=8, relative_attention_max_distance=6)


def stretched(model: Any, inputs: dict[str, Any]) -> Any:
    """With the angles of texts three times as long, as GTE's own code has them: by base and by step."""
    steps = model.rotary_emb.inv_freq
    powers = torch.arange(len(steps)) / len(steps)
    model.rotary_emb.inv_freq = steps / 3**powers / 3 ** (1 / len(steps))
    return model(**inputs)


def angle_cases() -> dict[str, Case]:
    """Positions as angles, and layers that are those of BERT or gated."""
    jina = hf.JinaEmbeddingsV3Config(**PADDED, type_vocab_size=1, num_labels=3)
    types = hf.GteConfig(**TEXT, type_vocab_size=2, num_labels=3)
    scaling = {"rope_scaling": {"type": "ntk", "factor": 3.0}}
    return {
        "gte": Case(hf.GteModel, types, STATES, types=True, dtype=torch.float16),
        "gte-scaled": Case(hf.GteModel, hf.GteConfig(**TEXT), STATES, run=stretched, fields=scaling),
        "gte-words": Case(hf.GteForMaskedLM, hf.GteConfig(**TEXT), LOGITS),
        "gte-classes": Case(hf.GteForSequenceClassification, types, LOGITS, types=True),
        "gte-tokens": Case(hf.GteForTokenClassification, types, LOGITS, types=True),
        "jina-roberta": Case(hf.JinaEmbeddingsV3Model, jina, STATES, padding=1, dtype=torch.bfloat16),
        "jina-roberta-words": Case(hf.JinaEmbeddingsV3ForMaskedLM, jina, LOGITS, padding=1),
        "jina-roberta-classes": Case(hf.JinaEmbeddingsV3ForSequenceClassification, jina, LOGITS, padding=1),
    }


def deberta(**fields: Any) -> Any:
    """As the third version has it: distances in buckets, near ones alone."""
    relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm"}
    buckets = {"position_buckets": 6, "share_att_key": True, "position_biased_input": False, "type_vocab_size": 0}
    return hf.DebertaV2Config(**{**TEXT, **relative, **buckets, **fields})


def wide_deberta() -> Any:
    """All that the second version may have besides: a convolution, positions, types, narrow words, its own keys."""
    convolution = {"conv_kernel_size": 3, "conv_act": "gelu", "embedding_size": 4, "conv_groups": 2}
    inputs = {"position_biased_input": True, "type_vocab_size": 2, "share_att_key": False, "norm_rel_ebd": "none"}
    return deberta(**convolution, **inputs, position_buckets=-1, max_relative_positions=5)


def deberta_cases() -> dict[str, Case]:
    return {
        "deberta": Case(hf.DebertaV2Model, deberta(), STATES, dtype=torch.float16),
        "deberta-wide": Case(hf.DebertaV2Model, wide_deberta(), STATES, types=True, shards="2KB"),
        "deberta-plain": Case(hf.DebertaV2Model, deberta(relative_attention=False), STATES),
        "deberta-classes": Case(
            hf.DebertaV2ForSequenceClassification, deberta(pos_att_type=["c2p"], num_labels=3), LOGITS
        ),
        "deberta-words": Case(hf.DebertaV2ForMaskedLM, deberta(pos_att_type="p2c"), LOGITS, dtype=torch.bfloat16),
        "deberta-words-later": Case(hf.DebertaV2ForMaskedLM, deberta(legacy=False), LOGITS),
        "deberta-tokens": Case(hf.DebertaV2ForTokenClassification, deberta(num_labels=3), LOGITS),
        "deberta-answers": Case(hf.DebertaV2ForQuestionAnswering, deberta(), SPANS),
    }


def cases() -> dict[str, Case]:
    nomic = hf.NomicBertConfig(**TEXT)
    return {
        "modernbert": Case(hf.ModernBertModel, modernbert(), STATES),
        "modernbert-words": Case(hf.ModernBertForMaskedLM, modernbert(), LOGITS),
        "modernbert-classes": Case(hf.ModernBertForSequenceClassification, modernbert("mean"), LOGITS),
        "nomic": Case(hf.NomicBertModel, nomic, STATES, types=True),
        "modernbert-answers": Case(hf.ModernBertForQuestionAnswering, modernbert(), SPANS),
        "modernbert-tokens": Case(hf.ModernBertForTokenClassification, modernbert(), LOGITS),
        "nomic-classes": Case(hf.NomicBertForSequenceClassification, nomic, LOGITS, types=True),
        "nomic-tokens": Case(hf.NomicBertForTokenClassification, nomic, LOGITS, types=True),
        "t5-tokens": Case(hf.T5ForTokenClassification, t5("relu"), LOGITS, scale=1),
        "nomic-words": Case(hf.NomicBertForMaskedLM, nomic, LOGITS, types=True),
        "t5": Case(hf.T5EncoderModel, t5("relu"), STATES, scale=1),
        "t5-gated": Case(hf.T5EncoderModel, t5("gated-gelu"), STATES, dtype=torch.bfloat16, scale=1),
        "umt5": Case(hf.UMT5EncoderModel, umt5(), STATES, scale=1),
        **deberta_cases(),
        **angle_cases(),
    }
