"""docs/operators.md, from the cases of a run."""

from __future__ import annotations

from collections import Counter

import onnx
from cases import Case
from operators import CLAIMED, CONSTANT_INPUTS, FIRST_OPSET, LAST_OPSET

HEAD = f"""# ONNX operators

What `soniq-pack` takes from an ONNX model, and how much of it is tested. This page is written by
`Tests/Conformance/conformance.py` (`make operators`) from a run of the ONNX project's own node tests, version
{onnx.__version__} of its Python package; `make test` fails when a test of a claimed operator fails or when the run
gives another page. Every test is packed with the palette `f32`, so that the operator is measured and not the
rounding of weights, and runs through `libsoniq.so`.

* Operators compute in float32 and int32. Inputs and outputs of float16, int8 and uint8 stay what they are, with casts
  where something computes with them; so do elements that are only moved. double becomes float32; int64, bool, int16,
  uint16, uint32 and uint64 become int32; constants outside its range are an error when packing. float16 inside a model
  is computed in float32, which rounds less; a cast to int8 or uint8 keeps the low bits of whole numbers and saturates
  real ones.
* A tensor has 1 to 8 dimensions; one without dimensions becomes [1]. No dimension is 0.
* Dimensions of inputs may be dynamic, and what follows from them (docs/packer.md, Sizes); channels of images may not.
* QuantizeLinear and DequantizeLinear around a value state its code for the layer that multiplies it (QDQ models), and
  nothing is rounded there. They compute where codes come from the host or are put out, with scales by channel or by
  block, and where codes are not of 8 bits: those of 2, 4 and 16 bits are rounded as the file says, in float32.
* Dynamically quantised models: DynamicQuantizeLinear, MatMulInteger or ConvInteger with constant weights, Cast and
  Mul become one layer, with the bias that an Add puts in as rounded codes before the Cast. Matrices keep the codes
  of their weights; the layer quantises its input itself, with a scale
  for each row where ONNX has one for the tensor, so no element has a coarser step. Convolutions of images need a
  fixed scale of their input, which the file does not have: their weights are packed by the palette as those of
  float models are. Where the form is another, the operators compute as ONNX says, exactly: sums of up to 65,536
  products for MatMulInteger, of 4,112 for ConvInteger.
* Weights with a zero point for each output keep their codes in MatMul and Gemm: what the zero points add is added
  behind the layer. In convolutions they are refused.
* Scales by block: MatMulNBits, GatherBlockQuantized, and DequantizeLinear with a block_size before MatMul, Gemm or
  Gather keep their codes of 2, 4 or 8 bits at every palette but f32. A matrix keeps blocks of 16, 32, 64 ... of its
  inputs, zero points included; its input is rounded by block. A table keeps blocks of its rows' channels where the
  zero points are one and the scales those of binary16. What cannot be kept becomes real numbers, and the packer names
  the node and the reason. An `accuracy_level` says how ONNX Runtime may round and changes nothing here. A `g_idx` may
  sort channels into blocks.
* Casts to floats of 4 and 8 bits and to whole numbers of 2 and 4 bits round, saturate and wrap as those types do; so
  do QuantizeLinear and DequantizeLinear with codes that are such floats, of which only constants keep no code. The
  values stay float32 and int32, at inputs and outputs too. An output of bfloat16 is rounded to it; inside a model
  bfloat16 is computed in float32, which rounds less. float8e8m0 has the rounding mode up.
* Resize takes any axes of fixed sizes; images of dynamic sizes have no antialias that makes them smaller, no
  exclude_outside, no tf_crop_and_resize, no keep_aspect_ratio_policy and no cubic_coeff_a but -0.75.
* The k of TopK may follow from dynamic sizes, the pads of a Pad (constant or edge) and the repeats of a Tile likewise.
* A Loop that ends by what a run computes (decoders that stop at a symbol, Keras's while_loop) is refused: how often it
  runs is the size of its outputs, for which nothing can be planned.
* QLinearMatMul, QLinearConv and the like are their plain operators between the codes that they state, as in QDQ models.
* Of the domain com.microsoft, which ONNX Runtime's tools write, these are known: Attention, BiasAdd, BiasGelu,
  BiasSplitGelu, DequantizeLinear, DynamicQuantizeLSTM, DynamicQuantizeMatMul, EmbedLayerNormalization, FastGelu,
  FusedConv, FusedGemm, FusedMatMul, GatherBlockQuantized, Gelu, GroupQueryAttention, MatMulIntegerToFloat,
  MatMulNBits, MultiHeadAttention, QAttention, QEmbedLayerNormalization, QGemm, QLinearAdd, QLinearAveragePool,
  QLinearConcat, QLinearGlobalAveragePool, QLinearLeakyRelu, QLinearMul, QLinearSigmoid, QLinearSoftmax,
  QuantizeLinear, QuickGelu, RotaryEmbedding, SkipLayerNormalization, SkipSimplifiedLayerNormalization,
  TransposeMatMul. They become ONNX's own operators, in which attention and functions are found as in other files.
  Attention takes masks [batch, keys]. Keys and values of earlier runs are inputs and outputs (past, present).
  GroupQueryAttention has all of its forms but caches of codes and the output of scores; its total_sequence_length must
  follow from shapes, as exporters write it, or be given with --value. No tensor is empty: the first run has a past of
  one position or more, which the mask that seqlens_k is counted from leaves out. A past with room for all
  positions keeps its size. Files in the layout of one machine (NhwcConv, the domain com.microsoft.nchwc) are refused.
* Attention of opsets 23 and 24 is written out in plain operators, in which the passes find what they find elsewhere.
  Keys and values of earlier runs are inputs and outputs like others (their lengths may be dynamic). Windows, which are
  of opset 25, are there too. A row of which all keys are hidden is 0. `softmax_precision` changes nothing: all of it is
  float32.
* MaxPool's output Indices needs a fixed height and width, and is not there for volumes.
* LSTM, GRU and RNN have the activations Sigmoid, Tanh and Relu; others are an error by name. A sequence length is 0 to
  the number of steps, or the run is refused. Peepholes are there.
* Constants of the model must be: weights, shapes, axes and the like (column *constant inputs*, counted from 0).

"""


def document(cases: list[Case], failures: set[str]) -> str:
    """The whole page."""
    lines = [
        "| operator | opsets | constant inputs | passed | skipped |",
        "|---|---|---|---:|---:|",
    ]
    skipped = []
    totals = Counter()
    for operator in sorted(CLAIMED):
        own = [case for case in cases if case.operator == operator]
        passed = sum(not case.skip and case.name not in failures for case in own)
        outside = [case for case in own if case.skip]
        totals.update(passed=passed, skipped=len(outside))
        constant = ", ".join(str(position) for position in CONSTANT_INPUTS.get(operator, ()))
        lines.append(f"| {operator} | {_opsets(operator)} | {constant} | {passed} | {len(outside)} |")
        for reason, count in sorted(Counter(case.skip for case in outside).items()):
            names = ", ".join(f"`{case.name.removeprefix('test_')}`" for case in outside if case.skip == reason)
            skipped.append(f"| {operator} | {reason} | {count} | {names} |")
    lines.append(f"| **{len(CLAIMED)} operators** | | | **{totals['passed']}** | **{totals['skipped']}** |")
    lines += ["", "## Skipped tests", "", "| operator | reason | tests | names |", "|---|---|---:|---|", *skipped]
    return HEAD + "\n".join(lines) + "\n"


def _opsets(operator: str) -> str:
    """The opsets in which soniq knows the operator."""
    first = min(
        schema.since_version
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.name == operator and schema.domain == ""
    )
    return f"{max(first, FIRST_OPSET)}-{LAST_OPSET}"
