"""A trained float network read back from its ONNX file, into which its batch norms were folded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from train import resnet20


def read_parent(path: Path, channels: int, classes: int, examples: Tensor) -> nn.Module:
    """The ResNet-20 of `path`, with batch norms again, so that training can go on: each is given the mean and the
    variance of what its convolution makes of `examples`, and the weight and bias with which it changes nothing.

    Raises ValueError when the file holds another network.
    """
    network = resnet20(channels, classes).to(memory_format=torch.channels_last)
    folded = _weights(path)
    modules = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    shapes = [tuple(module.weight.shape) for module in modules]
    if [weight.shape for weight, _ in folded] != shapes:
        raise ValueError(f"{path} is not the network of train.py: its weights have other shapes")
    with torch.no_grad():
        for module, (weight, bias) in zip(modules, folded, strict=True):
            module.weight.copy_(torch.from_numpy(weight.copy()))
            if module.bias is not None:
                module.bias.copy_(torch.from_numpy(bias.copy()))
        for norm, (_, bias) in zip(norms, folded, strict=False):
            norm.running_var.fill_(1 - norm.eps)
            norm.bias.copy_(torch.from_numpy(bias.copy()))
    network.eval()
    _unfold(network, norms, examples)
    return network


def _weights(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of convolutions and of the last layer, in the order of the graph."""
    graph = onnx.load(str(path)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    return [(arrays[node.input[1]], arrays[node.input[2]]) for node in nodes]


@torch.no_grad()
def _unfold(network: nn.Module, norms: list[nn.Module], examples: Tensor) -> None:
    """Gives batch norms the statistics of their inputs; the network stays the same function."""
    sums = {norm: [0.0, torch.zeros_like(norm.bias), torch.zeros_like(norm.bias)] for norm in norms}

    def record(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        count, total, squares = sums[norm]
        values = inputs[0].transpose(0, 1).flatten(1)
        sums[norm] = [count + values.shape[1], total + values.sum(1), squares + values.square().sum(1)]

    hooks = [norm.register_forward_pre_hook(record) for norm in norms]
    for part in examples.split(100):
        network(part)
    for hook in hooks:
        hook.remove()
    for norm, (count, total, squares) in sums.items():
        mean = total / count
        norm.running_mean.copy_(mean)
        norm.running_var.copy_((squares / count - mean.square()).clamp(min=0))
        norm.weight.copy_((norm.running_var + norm.eps).sqrt())
        norm.bias.add_(mean)
