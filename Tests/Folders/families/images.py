"""Encoders of images, and the towers of text beside them."""

from __future__ import annotations

from typing import Any

import transformers as hf
from case import ENDS, IMAGE, LOGITS, POOLED, STATES, TEXT, Case
from torch import Tensor


def clip(**fields: Any) -> Any:
    text = {**TEXT, **ENDS, "eos_token_id": 39, **fields}
    return hf.CLIPConfig(text_config=text, vision_config=IMAGE, projection_dim=4)


def siglip() -> Any:
    return hf.SiglipConfig(text_config={**TEXT, **ENDS}, vision_config=IMAGE)


def tower(name: str, projection: str | None = None, embeds: str = "") -> Any:
    """What one encoder of two computes."""

    def run(model: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        result = getattr(model, name)(**inputs)
        if projection:
            result[embeds] = getattr(model, projection)(result.pooler_output)
        return result

    return run


def cases() -> dict[str, Case]:
    return {
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
        "clip-both-texts": Case(
            hf.CLIPModel, clip(), {**STATES, "text_embeds": "text_embeds"}, ending=39, scale=3, part="text",
            run=tower("text_model", "text_projection", "text_embeds"),
        ),
        "clip-both-images": Case(
            hf.CLIPModel, clip(), {**STATES, "image_embeds": "image_embeds"}, scale=3, part="vision",
            run=tower("vision_model", "visual_projection", "image_embeds"),
        ),
        "clip-classes": Case(hf.CLIPForImageClassification, clip(), LOGITS, scale=3, only="vision"),
        "siglip-classes": Case(hf.SiglipForImageClassification, siglip(), LOGITS, only="vision"),
        "siglip-both-texts": Case(hf.SiglipModel, siglip(), POOLED, part="text", run=tower("text_model")),
        "siglip-both-images": Case(hf.SiglipModel, siglip(), POOLED, part="vision", run=tower("vision_model")),
    }  # fmt: skip
