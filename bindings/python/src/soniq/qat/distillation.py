"""Losses that teach a quantised student with its float parent."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def logits_kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher || student) of [..., classes], mean over rows, times temperature^2."""
    targets = functional.log_softmax(teacher.detach() / temperature, -1).flatten(0, -2)
    predictions = functional.log_softmax(student / temperature, -1).flatten(0, -2)
    return functional.kl_div(predictions, targets, reduction="batchmean", log_target=True) * temperature**2


def logits_symmetric_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) + KL(student || teacher), the loss of GDNSQ; mean over rows."""
    targets = functional.log_softmax(teacher.detach(), -1)
    predictions = functional.log_softmax(student, -1)
    return ((targets.exp() - predictions.exp()) * (targets - predictions)).sum(-1).mean()


def hidden_states(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error of [batch, positions, channels], relative to the teacher's mean square; positions where
    `mask` [batch, positions] is 0 do not count."""
    target = teacher.detach()
    weight = torch.ones_like(target[..., :1]) if mask is None else mask[..., None].to(target.dtype)
    return ((student - target).square() * weight).sum() / (target.square() * weight).sum().clamp(min=1e-12)


def attention_relations(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], mask: Tensor | None = None
) -> Tensor:
    """KL between the softmaxed scaled products of pairs [batch, heads, positions, channels]: (query, key) for
    attention, (value, value) for the relation of values, as MiniLM (Wang et al. 2020) does. Mean over queries that
    `mask` [batch, positions] keeps."""
    first, second = teacher
    targets = _relation(first.detach(), second.detach(), mask)
    predictions = _relation(*student, mask)
    rows = (targets.exp() * (targets - predictions)).sum(-1)
    if mask is None:
        return rows.mean()
    kept = mask[:, None, :].to(rows.dtype).expand_as(rows)
    return (rows * kept).sum() / kept.sum().clamp(min=1)


def _relation(left: Tensor, right: Tensor, mask: Tensor | None) -> Tensor:
    scores = left @ right.transpose(-1, -2) / left.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask[:, None, None, :] == 0, -1e4)
    return functional.log_softmax(scores, -1)
