"""Encoders of sound."""

from __future__ import annotations

from typing import Any

import transformers as hf
from case import LOGITS, Case


def whisper() -> Any:
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    sizes = {"d_model": 8, "vocab_size": 8, "num_mel_bins": 6, "max_source_positions": 5, "max_target_positions": 4}
    encoder = {"encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 8}
    return hf.WhisperConfig(**ids, **sizes, **encoder, **decoder)


def moonshine(**fields: Any) -> Any:
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "vocab_size": 8}
    encoder = {"encoder_num_hidden_layers": 2, "encoder_num_attention_heads": 2, "encoder_num_key_value_heads": 2}
    decoder = {"decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2, "decoder_num_key_value_heads": 2}
    sizes = {"hidden_size": 16, "intermediate_size": 24, "partial_rotary_factor": 0.5, "max_position_embeddings": 24}
    return hf.MoonshineConfig(**{**ids, **encoder, **decoder, **sizes, **fields})


def cases() -> dict[str, Case]:
    return {
        "whisper": Case(hf.WhisperModel, whisper(), {"last_hidden_state": "encoder_last_hidden_state"}),
        "whisper-decoder": Case(
            hf.WhisperForConditionalGeneration, whisper(), {"last_hidden_state": "encoder_last_hidden_state"}
        ),
        "whisper-classes": Case(hf.WhisperForAudioClassification, whisper(), LOGITS, scale=3),
        "moonshine": Case(hf.MoonshineModel, moonshine(), {"last_hidden_state": "encoder_last_hidden_state"}, scale=3),
        "moonshine-decoder": Case(
            hf.MoonshineForConditionalGeneration,
            moonshine(hidden_size=24, partial_rotary_factor=0.7, attention_bias=True),
            {"last_hidden_state": "encoder_last_hidden_state"},
            scale=3,
        ),
    }
