"""Recurrent networks of PyTorch, tiny and with random weights, and their export to ONNX.

usage: recurrent_networks.py     writes recurrent/NAME-EXPORTER.onnx; needs torch and onnxscript

The files are committed: PyTorch is too large for every test run. Those here are of torch 2.13.0 and onnxscript 0.7.2.
The new exporter writes the number of steps into the graphs of all networks but the one with states.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

INPUTS, HIDDEN, BATCH, TIME = 12, 20, 3, 7
FOLDER = Path(__file__).parent / "recurrent"


class Network(nn.Module):
    """A recurrent layer, or two, and a head for every step."""

    def __init__(self, layer: nn.Module, features: int) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(features, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


class Stream(Network):
    """The same with its states as inputs and outputs."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.layer(x, (h, c))
        return self.head(y), h, c


def networks() -> dict[str, Network]:
    torch.manual_seed(5)
    return {
        "lstm": Network(nn.LSTM(INPUTS, HIDDEN, num_layers=2, batch_first=True, bidirectional=True), 2 * HIDDEN),
        "gru": Network(nn.GRU(INPUTS, HIDDEN, num_layers=2), HIDDEN),
        "rnn": Network(nn.RNN(INPUTS, HIDDEN, nonlinearity="relu", batch_first=True), HIDDEN),
        "stream": Stream(nn.LSTM(INPUTS, HIDDEN, batch_first=True), HIDDEN),
    }


def export(name: str, network: Network, *, dynamo: bool) -> None:
    path = FOLDER / f"{name}-{'dynamo' if dynamo else 'legacy'}.onnx"
    batch_axis = 1 if name == "gru" else 0
    x = torch.zeros((TIME, BATCH, INPUTS) if batch_axis else (BATCH, TIME, INPUTS))
    axes = {"x": {batch_axis: "batch", 1 - batch_axis: "time"}}
    inputs, outputs = (x,), ["y"]
    if name == "stream":
        inputs += (torch.zeros(1, BATCH, HIDDEN), torch.zeros(1, BATCH, HIDDEN))
        axes |= {"h": {1: "batch"}, "c": {1: "batch"}}
        outputs += ["hn", "cn"]
    options: dict = {"input_names": list(axes), "output_names": outputs, "dynamo": dynamo}
    if dynamo:
        sizes = {size: torch.export.Dim(size, max=64) for size in ("batch", "time")}
        shapes = tuple({axis: sizes[size] for axis, size in named.items()} for named in axes.values())
        torch.onnx.export(network, inputs, path, dynamic_shapes=shapes, external_data=False, **options)
    else:
        torch.onnx.export(network, inputs, path, dynamic_axes=axes, opset_version=17, **options)
    onnx.save(_stripped(onnx.load(path)), path)


def _stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what names the machine that it was made on."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    graph = model.graph
    for entry in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        entry.doc_string = ""
        del entry.metadata_props[:]
    return model


if __name__ == "__main__":
    for title, module in networks().items():
        for exporter in (False, True):
            # Unrolled by the new exporter.
            if title != "rnn" or not exporter:
                export(title, module.eval(), dynamo=exporter)
