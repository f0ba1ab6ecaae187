"""The networks of the benchmark of whole models, as ONNX files with random weights: speed does not depend on them.

usage: networks.py FOLDER [NAME...]    writes FOLDER/NAME.onnx, and NAME.txt, the convolutions of the network

NAME.txt is what conv_bench reads. Copies of the lists are committed beside this file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import onnx
from graph_builder import GraphBuilder

# Of a block's last convolution: the sum with the shortcut then grows by a tenth a block.
RESIDUAL_GAIN = 0.5


def resnet18() -> GraphBuilder:
    """He et al. 2015, as torchvision builds it."""
    graph = GraphBuilder("resnet18")
    state = imagenet_stem(graph)
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            state = basic_block(graph, state, width, 2 if stage and not block else 1)
    graph.classifier(state, 1000)
    return graph


def resnet50() -> GraphBuilder:
    """The same with bottlenecks; strides are in the 3 x 3 convolutions, as torchvision puts them."""
    graph = GraphBuilder("resnet50")
    state = imagenet_stem(graph)
    for stage, (width, blocks) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True)):
        for block in range(blocks):
            state = bottleneck(graph, state, width, 2 if stage and not block else 1)
    graph.classifier(state, 1000)
    return graph


def resnet20() -> GraphBuilder:
    """For CIFAR's 32 x 32 pixels and 10 classes; 1 x 1 convolutions where the shape changes."""
    graph = GraphBuilder("resnet20")
    state = graph.relu(graph.convolution(graph.image(3, 32), 16, 3))
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            state = basic_block(graph, state, width, 2 if stage and not block else 1)
    graph.classifier(state, 10)
    return graph


def mobilenet_v2() -> GraphBuilder:
    """Sandler et al. 2018, as torchvision builds it."""
    graph = GraphBuilder("mobilenet_v2")
    state = graph.relu6(graph.convolution(graph.image(3, 224), 32, 3, 2))
    # Expansion, channels, blocks, stride of the first.
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, width, blocks, stride in stages:
        for block in range(blocks):
            state = inverted_residual(graph, state, expansion, width, stride if block == 0 else 1)
    graph.classifier(graph.relu6(graph.convolution(state, 1280, 1)), 1000)
    return graph


def super_resolution() -> GraphBuilder:
    """128 x 128 to 256 x 256, between ESPCN (Shi et al. 2016) and SESR (Bhardwaj et al. 2022): everything happens at
    the small size, a skip over the body, and channels become pixels at the end."""
    graph = GraphBuilder("super_resolution")
    first = graph.relu(graph.convolution(graph.image(3, 128), 32, 5))
    state = first
    for _ in range(5):
        state = graph.relu(graph.convolution(state, 32, 3))
    state = graph.add(state, first)
    graph.enlarge(graph.convolution(state, 12, 3, gain=1), 2)
    return graph


def chain(width: int, size: int) -> GraphBuilder:
    """3 x 3 convolutions of one shape in a row, for the speed of the kernels alone: the first and the last may get
    other levels, those in the middle are measured."""
    graph = GraphBuilder(f"chain_{width}_{size}")
    state = graph.image(width, size)
    for _ in range(4):
        state = graph.relu(graph.convolution(state, width, 3))
    graph.output(state)
    return graph


def imagenet_stem(graph: GraphBuilder) -> str:
    return graph.maximum_pool(graph.relu(graph.convolution(graph.image(3, 224), 64, 7, 2)))


def basic_block(graph: GraphBuilder, state: str, width: int, stride: int) -> str:
    inner = graph.relu(graph.convolution(state, width, 3, stride))
    outer = graph.convolution(inner, width, 3, gain=RESIDUAL_GAIN)
    return graph.relu(graph.add(outer, shortcut(graph, state, width, stride)))


def bottleneck(graph: GraphBuilder, state: str, width: int, stride: int) -> str:
    inner = graph.relu(graph.convolution(state, width, 1))
    inner = graph.relu(graph.convolution(inner, width, 3, stride))
    outer = graph.convolution(inner, 4 * width, 1, gain=RESIDUAL_GAIN)
    return graph.relu(graph.add(outer, shortcut(graph, state, 4 * width, stride)))


def shortcut(graph: GraphBuilder, state: str, width: int, stride: int) -> str:
    if stride == 1 and graph.channels[state] == width:
        return state
    return graph.convolution(state, width, 1, stride, gain=1)


def inverted_residual(graph: GraphBuilder, state: str, expansion: int, width: int, stride: int) -> str:
    inner, channels = state, graph.channels[state] * expansion
    if expansion > 1:
        inner = graph.relu6(graph.convolution(inner, channels, 1))
    inner = graph.relu6(graph.convolution(inner, channels, 3, stride, groups=channels))
    keeps_shape = stride == 1 and graph.channels[state] == width
    outer = graph.convolution(inner, width, 1, gain=RESIDUAL_GAIN if keeps_shape else 1)
    return graph.add(state, outer) if keeps_shape else outer


NETWORKS: dict[str, Callable[[], GraphBuilder]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "resnet20": resnet20,
    "super_resolution": super_resolution,
}
CHAINS = {f"chain_{width}_{size}": (width, size) for width, size in ((64, 56), (128, 28), (256, 14), (512, 7))}


def build(name: str) -> GraphBuilder:
    """Raises KeyError for an unknown name."""
    return chain(*CHAINS[name]) if name in CHAINS else NETWORKS[name]()


@dataclass(frozen=True)
class Convolution:
    """Square images, kernels, strides and paddings. Fields in the order of a list's line."""

    channels: int
    size: int
    outputs: int
    kernel: int
    stride: int
    padding: int
    groups: int

    @property
    def name(self) -> str:
        """As conv_bench calls it."""
        groups = f"-g{self.groups}" if self.groups > 1 else ""
        image = f"{self.channels}x{self.size}x{self.size}"
        return f"{image}-{self.outputs}-{self.kernel}x{self.kernel}-s{self.stride}{groups}"


def convolutions(graph: GraphBuilder) -> dict[str, Convolution]:
    """By name of the node, in the order of the network."""
    weights = {weight.name: weight.dims for weight in graph.weights}
    found = {}
    for node in graph.nodes:
        if node.op_type != "Conv":
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        outputs, channels, kernel, _ = weights[node.input[1]]
        groups, stride, padding = attributes["group"].i, attributes["strides"].ints[0], attributes["pads"].ints[0]
        size = graph.sizes[node.input[0]]
        found[node.name] = Convolution(channels * groups, size, outputs, kernel, stride, padding, groups)
    return found


def convolution_list(graph: GraphBuilder) -> str:
    """One line for each distinct convolution, with the number of times it occurs."""
    lines = [f"# The convolutions of {graph.name}: written by bench/models/networks.py.",
             "# channels, height = width, outputs, kernel, stride, padding, groups, occurrences"]
    counts = Counter(convolutions(graph).values())
    lines += [" ".join(map(str, (*astuple(shape), count))) for shape, count in counts.items()]
    return "\n".join(lines) + "\n"


def write(folder: Path, name: str) -> Path:
    """Writes the network and its list unless both are there; returns the path of the ONNX file."""
    path = folder / f"{name}.onnx"
    if not path.exists() or not path.with_suffix(".txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        graph = build(name)
        model = graph.model()
        path.with_suffix(".txt").write_text(convolution_list(graph))
        unfinished = path.with_suffix(".unfinished")
        onnx.save(model, unfinished)
        unfinished.replace(path)
    return path


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-") or any(name not in NETWORKS | CHAINS for name in sys.argv[2:]):
        sys.exit(f"{__doc__}\nnames: {', '.join(NETWORKS | CHAINS)}")
    for network in sys.argv[2:] or NETWORKS | CHAINS:
        print(write(Path(sys.argv[1]), network))
