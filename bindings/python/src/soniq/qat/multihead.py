"""`nn.MultiheadAttention` taken apart into linear layers, which can be quantised, and attention between them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .observation import call, evaluating


class OpenAttention(nn.Module):
    """Computes what an `nn.MultiheadAttention` does, and is called like one.

    Attention of a sequence to itself has one layer, `projection`, for queries, keys and values; else they have a
    layer each.
    """

    # What nn.TransformerEncoder asks for: without biases it takes no shortcut past the layers.
    in_proj_bias = None
    in_proj_weight = None
    _qkv_same_embed_dim = True

    def __init__(self, source: nn.MultiheadAttention, is_self_attention: bool) -> None:
        super().__init__()
        self.embed_dim, self.num_heads = source.embed_dim, source.num_heads
        self.batch_first, self.dropout = source.batch_first, source.dropout
        width = self.embed_dim
        if source._qkv_same_embed_dim:
            weights = list(source.in_proj_weight.split(width))
        else:
            weights = [source.q_proj_weight, source.k_proj_weight, source.v_proj_weight]
        biases = [None] * 3 if source.in_proj_bias is None else source.in_proj_bias.split(width)
        if is_self_attention:
            bias = None if source.in_proj_bias is None else source.in_proj_bias
            self.projection = _linear(torch.cat(weights), bias)
        else:
            layers = (_linear(weight, bias) for weight, bias in zip(weights, biases, strict=True))
            self.query, self.key, self.value = layers
        self.is_self_attention = is_self_attention
        self.out_proj = _linear(source.out_proj.weight, source.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        if query.ndim == 2:
            query, key, value = (x[None] for x in (query, key, value))
            masks = None if key_padding_mask is None else key_padding_mask[None]
            output, weights = self.forward(
                query, key, value, masks, need_weights, attn_mask, average_attn_weights, is_causal
            )
            return output[0], None if weights is None else weights[0]
        parts = self._parts(query, key, value)
        heads = [self._heads(part) for part in parts]
        bias = self._bias(heads[0], heads[1], attn_mask, key_padding_mask)
        dropped = self.dropout if self.training else 0.0
        context = functional.scaled_dot_product_attention(*heads, attn_mask=bias, dropout_p=dropped)
        context = context.transpose(1, 2).flatten(2)
        output = self.out_proj(context if self.batch_first else context.transpose(0, 1))
        return output, self._weights(heads[0], heads[1], bias, average_attn_weights) if need_weights else None

    def _parts(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Projected queries, keys and values, [batch, positions, channels]."""
        if self.is_self_attention:
            whole = query if self.batch_first else query.transpose(0, 1)
            return tuple(self.projection(whole).chunk(3, -1))
        operands = (query, key, value) if self.batch_first else (x.transpose(0, 1) for x in (query, key, value))
        layers = (self.query, self.key, self.value)
        return tuple(layer(x) for layer, x in zip(layers, operands, strict=True))

    def _heads(self, part: Tensor) -> Tensor:
        size = self.embed_dim // self.num_heads
        return part.view(part.shape[0], part.shape[1], self.num_heads, size).transpose(1, 2)

    def _bias(
        self, query: Tensor, key: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None
    ) -> Tensor | None:
        """What is added to the scores. A mask of truth values is true for what is hidden."""
        bias = _hidden(attn_mask)
        if bias is not None and bias.ndim == 3:
            bias = bias.view(-1, self.num_heads, *bias.shape[1:])
        keys = _hidden(key_padding_mask)
        if keys is None:
            return bias
        keys = keys[:, None, None, :]
        return keys if bias is None else bias + keys

    @staticmethod
    def _weights(query: Tensor, key: Tensor, bias: Tensor | None, average: bool) -> Tensor:
        scores = query @ key.transpose(-1, -2) * int(query.shape[-1]) ** -0.5
        weights = (scores if bias is None else scores + bias).softmax(-1)
        return weights.mean(1) if average else weights


def _hidden(mask: Tensor | None) -> Tensor | None:
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.where(mask, -torch.inf, 0.0)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device=weight.device, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone(), weight.requires_grad)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), bias.requires_grad)
    return layer


def refusal(module: nn.MultiheadAttention) -> str | None:
    """Why it cannot be taken apart."""
    if module.bias_k is not None or module.add_zero_attn:
        return "adds keys of its own (add_bias_kv, add_zero_attn)"
    return None


def without_shortcuts(model: nn.Module) -> None:
    """PyTorch's transformers compute their layers' products themselves in evaluation mode; these call the layers."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
        elif isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0


@torch.no_grad()
def open_attention(model: nn.Module, names: dict[int, list[str]], examples: Iterable[Any]) -> None:
    """Replaces the `nn.MultiheadAttention` of `names` in `model`; the examples show which attend to their own
    sequence.

    * names: all names of each module, by its id
    """
    modules = [model.get_submodule(places[0]) for places in names.values()]
    is_own = dict.fromkeys(map(id, modules), True)

    def record(module: Any, inputs: Any, named: Any) -> None:
        operands = [*inputs, *(named[name] for name in ("query", "key", "value") if name in named)][:3]
        is_own[id(module)] &= all(operand is operands[0] for operand in operands)

    hooks = [module.register_forward_pre_hook(record, with_kwargs=True) for module in modules]
    try:
        with evaluating(model):
            for example in examples:
                call(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    for module, places in zip(modules, names.values(), strict=True):
        assert isinstance(module, nn.MultiheadAttention)
        opened = OpenAttention(module, is_own[id(module)] and module._qkv_same_embed_dim)
        opened.train(module.training)
        for place in places:
            model.set_submodule(place, opened)
