"""BERT and what has its layers."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf
from case import LOGITS, NARROW, PADDED, POOLED, POSITIONS, SPANS, STATES, TEXT, WORDS, Case, pooling


def distilbert() -> Any:
    return hf.DistilBertConfig(
        dim=8, n_layers=2, n_heads=2, hidden_dim=16, vocab_size=WORDS, max_position_embeddings=POSITIONS
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
    }  # fmt: skip
