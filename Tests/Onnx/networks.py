"""Small networks as torchvision and Hugging Face build them, with random weights, and their export to ONNX.

usage: networks.py     writes models/NAME-EXPORTER.onnx; needs torch and onnxscript

The files are committed: PyTorch is too large for every test run. Those here are of torch 2.13.0, onnxscript 0.7.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al. 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """torchvision's resnet18; `width` is 64 there."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        layers: list[nn.Module] = []
        inputs = width
        for stage in range(4):
            outputs = width << stage
            layers += [BasicBlock(inputs, outputs, 2 if stage else 1), BasicBlock(outputs, outputs, 1)]
            inputs = outputs
        self.features = nn.Sequential(*stem, *layers, nn.AdaptiveAvgPool2d((1, 1)))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.features(x), 1))


def conv_norm(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, (size - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Sandler et al. 2018."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        layers = [conv_norm(inputs, hidden, 1)] if expansion != 1 else []
        layers += [
            conv_norm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """torchvision's mobilenet_v2; all channels are divided by `divisor`."""

    def __init__(self, divisor: int, classes: int) -> None:
        super().__init__()
        stages = [
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ]  # fmt: skip
        inputs = 32 // divisor
        layers: list[nn.Module] = [conv_norm(3, inputs, 3, 2)]
        for expansion, channels, count, stride in stages:
            for index in range(count):
                outputs = channels // divisor
                layers.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expansion))
                inputs = outputs
        layers.append(conv_norm(inputs, 1280 // divisor, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280 // divisor, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class UNet(nn.Module):
    """Ronneberger et al. 2015, two levels: one goes up by a transposed convolution, one by interpolation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down1 = self._double(3, width)
        self.down2 = self._double(width, 2 * width)
        self.bottom = self._double(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.join2 = self._double(4 * width, 2 * width)
        self.reduce1 = nn.Conv2d(2 * width, width, 1)
        self.join1 = self._double(2 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def _double(inputs: int, outputs: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for source in (inputs, outputs):
            layers += [nn.Conv2d(source, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.SiLU()]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        x = self.bottom(functional.max_pool2d(second, 2))
        x = self.join2(torch.cat([self.up2(x), second], 1))
        x = functional.interpolate(self.reduce1(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.head(self.join1(torch.cat([x, first], 1)))


class Signal(nn.Module):
    """One-dimensional convolutions, a group norm, a layer norm of exporters, and a hard-swish."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(4, 16, 5, 2, 2)
        self.norm1 = nn.GroupNorm(4, 16)
        self.conv2 = nn.Conv1d(16, 16, 3, padding=2, dilation=2, groups=16)
        self.norm2 = nn.InstanceNorm1d(16, affine=True)
        self.up = nn.ConvTranspose1d(16, 8, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.hardswish(self.norm1(self.conv1(x)))
        x = functional.leaky_relu(self.norm2(self.conv2(x)))
        return functional.softmax(self.up(x).mean(dim=-1), dim=-1)


class Attention(nn.Module):
    """BERT's, with its mask, spelled out or by PyTorch's own function; without one causal, by that function."""

    def __init__(self, width: int, heads: int, is_spelled: bool) -> None:
        super().__init__()
        self.heads = heads
        self.is_spelled = is_spelled
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dense = nn.Linear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        if self.is_spelled:
            scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
            context = functional.softmax(scores + mask, dim=-1) @ value
        else:
            context = functional.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)
        return self.dense(context.transpose(1, 2).reshape(x.shape))


class PackedAttention(nn.Module):
    """Query, key and value of one layer, unpacked as vision transformers and small language models do."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.packed = nn.Linear(width, 3 * width)
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        packed = self.packed(x).view(x.shape[0], x.shape[1], 3, self.heads, -1)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(mask < 0, -math.inf)
        return self.dense((functional.softmax(scores, -1) @ value).transpose(1, 2).reshape(x.shape))


class Encoder(nn.Module):
    """A BERT sentence encoder as MiniLM is one: mean pooling, unit length."""

    def __init__(self, width: int = 16, heads: int = 4, layers: int = 2, is_spelled: bool = True) -> None:
        super().__init__()
        self.words = nn.Embedding(97, width)
        self.positions = nn.Embedding(48, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.register_buffer("position_ids", torch.arange(48).expand((1, -1)), persistent=False)
        self.attention = nn.ModuleList(Attention(width, heads, is_spelled) for _ in range(layers))
        self.attention_norm = nn.ModuleList(nn.LayerNorm(width, eps=1e-12) for _ in range(layers))
        self.up = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(layers))
        self.output_norm = nn.ModuleList(nn.LayerNorm(width, eps=1e-12) for _ in range(layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, Tensor]:
        positions = self.positions(self.position_ids[:, : input_ids.shape[1]])
        x = self.norm(self.words(input_ids) + self.types(token_type_ids) + positions)
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for index, attention in enumerate(self.attention):
            x = self.attention_norm[index](x + attention(x, mask))
            x = self.output_norm[index](x + self.down[index](functional.gelu(self.up[index](x))))
        kept = attention_mask.unsqueeze(-1).expand(x.size()).float()
        mean = torch.sum(x * kept, 1) / torch.clamp(kept.sum(1), min=1e-9)
        return functional.normalize(mean, p=2, dim=1), x


class Decoder(nn.Module):
    """Positions that see what is before them; a mask added to scores, or PyTorch's own function."""

    def __init__(self, attention: Callable[[int, int], nn.Module], has_mask: bool, positions: int = 21) -> None:
        super().__init__()
        width, heads = 16, 4
        self.words = nn.Embedding(97, width)
        self.positions = nn.Parameter(torch.randn(positions, width))
        self.attention = nn.ModuleList(attention(width, heads) for _ in range(2))
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.head = nn.Linear(width, 97)
        self.register_buffer("mask", torch.full((positions, positions), -1e4).triu(1) if has_mask else None)

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.words(input_ids) + self.positions
        for attention, norm in zip(self.attention, self.norm, strict=True):
            x = x + attention(norm(x), self.mask)
        return self.head(x)


@dataclass
class Network:
    """A module, the inputs it is exported with, and which of their axes stay dynamic."""

    make: Callable[[], nn.Module]
    inputs: dict[str, Tensor]
    outputs: list[str]
    dynamic: dict[str, dict[int, str]] = field(default_factory=dict)


def tokens(**sizes: int) -> Tensor:
    return torch.randint(0, sizes["below"], (sizes["batch"], sizes["length"]))


def image(*shape: int) -> dict[str, Tensor]:
    return {"image": torch.randn(*shape)}


def encoder(is_spelled: bool) -> Network:
    mask = torch.ones(3, 9, dtype=torch.int64)
    mask[1, 5:] = 0
    mask[2, 2:] = 0
    inputs = {
        "input_ids": tokens(below=97, batch=3, length=9),
        "attention_mask": mask,
        "token_type_ids": tokens(below=2, batch=3, length=9),
    }
    dynamic = {name: {0: "batch", 1: "sequence"} for name in inputs}
    return Network(lambda: Encoder(is_spelled=is_spelled), inputs, ["sentence_embedding", "last_hidden_state"], dynamic)


def decoder(attention: Callable[[int, int], nn.Module], has_mask: bool) -> Network:
    inputs = {"input_ids": tokens(below=97, batch=3, length=21)}
    return Network(lambda: Decoder(attention, has_mask), inputs, ["logits"], {"input_ids": {0: "batch"}})


def networks() -> dict[str, Network]:
    batch = {"image": {0: "batch"}}
    return {
        "resnet18": Network(lambda: ResNet18(2, 10), image(2, 3, 64, 64), ["logits"], batch),
        "mobilenet_v2": Network(lambda: MobileNetV2(16, 10), image(2, 3, 64, 64), ["logits"], batch),
        "unet": Network(lambda: UNet(4), image(2, 3, 16, 16), ["mask"], batch),
        "signal": Network(Signal, image(2, 4, 50), ["shares"], batch),
        "encoder": encoder(is_spelled=True),
        "encoder_sdpa": encoder(is_spelled=False),
        "decoder": decoder(lambda width, heads: Attention(width, heads, is_spelled=True), has_mask=True),
        "decoder_sdpa": decoder(lambda width, heads: Attention(width, heads, is_spelled=False), has_mask=False),
        "decoder_packed": decoder(PackedAttention, has_mask=True),
    }


def build(name: str) -> tuple[Network, nn.Module]:
    """The network with weights of a fixed seed, its norms with statistics of their own."""
    torch.manual_seed(1234)
    network = networks()[name]
    module = network.make()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return network, module.eval()


def strip(path: Path) -> None:
    """Removes what only people read: where in the source a node comes from, and the shapes of values."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    del model.metadata_props[:]
    onnx.save(model, path)


def export(name: str, exporter: str, path: Path) -> None:
    """Writes one network by PyTorch's exporter "legacy" (opset 17) or "dynamo"."""
    network, module = build(name)
    arguments = tuple(network.inputs.values())
    common = {"input_names": list(network.inputs), "output_names": network.outputs}
    if exporter == "legacy":
        axes = network.dynamic
        torch.onnx.export(module, arguments, path, dynamo=False, opset_version=17, dynamic_axes=axes, **common)
        strip(path)
        return
    dimensions = {name: torch.export.Dim(name) for axes in network.dynamic.values() for name in axes.values()}
    shapes = [
        {axis: dimensions[size] for axis, size in network.dynamic.get(name, {}).items()} for name in network.inputs
    ]
    torch.onnx.export(
        module, arguments, path, dynamo=True, dynamic_shapes=tuple(shapes), external_data=False, verbose=False, **common
    )
    strip(path)


def main() -> None:
    folder = Path(__file__).parent / "models"
    folder.mkdir(exist_ok=True)
    for name in networks():
        for exporter in ("legacy", "dynamo"):
            export(name, exporter, folder / f"{name}-{exporter}.onnx")


if __name__ == "__main__":
    main()
