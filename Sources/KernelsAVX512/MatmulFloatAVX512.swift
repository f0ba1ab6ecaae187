import CKernelABI
import CSIMD

/// One register a panel: float sums of one row, or weights of one channel.
private struct PanelFloats {
  var first = _mm512_setzero_ps()
  var second = _mm512_setzero_ps()
  var third = _mm512_setzero_ps()
  var fourth = _mm512_setzero_ps()

  @inline(__always)
  static func loaded(_ floats: UnsafePointer<Float>, _ panelStride: Int, _ panels: Int) -> PanelFloats {
    var vectors = PanelFloats()
    vectors.first = _mm512_loadu_ps(floats)
    if panels > 1 {
      vectors.second = _mm512_loadu_ps(floats + panelStride)
      vectors.third = _mm512_loadu_ps(floats + 2 &* panelStride)
      vectors.fourth = _mm512_loadu_ps(floats + 3 &* panelStride)
    }
    return vectors
  }

  @inline(__always)
  mutating func add(_ input: UnsafePointer<Float>, _ weights: PanelFloats, _ panels: Int) {
    let value = _mm512_set1_ps(input.pointee)
    first = _mm512_fmadd_ps(weights.first, value, first)
    if panels > 1 {
      second = _mm512_fmadd_ps(weights.second, value, second)
      third = _mm512_fmadd_ps(weights.third, value, third)
      fourth = _mm512_fmadd_ps(weights.fourth, value, fourth)
    }
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<Float>, _ rest: Int, _ panels: Int) {
    _mm512_mask_storeu_ps(target, outputMask(rest, 0), first)
    if panels > 1 {
      _mm512_mask_storeu_ps(target + 16, outputMask(rest, 16), second)
      _mm512_mask_storeu_ps(target + 32, outputMask(rest, 32), third)
      _mm512_mask_storeu_ps(target + 48, outputMask(rest, 48), fourth)
    }
  }
}

/// 1 or 4 rows x 1 or 4 panels: each output is one chain of fma, so speed needs many outputs at once.
@inline(__always)
private func multiply(
  _ rows: Int, _ panels: Int, _ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int
) {
  guard let allWeights = layer.pointee.weights, let allInput = layer.pointee.input,
    let output = layer.pointee.output
  else { return }
  let inputStride = Int(layer.pointee.inputStride)
  let panelStride = Int(layer.pointee.panelStride)
  let weights = allWeights + panel &* panelStride
  let input = allInput + row &* inputStride
  var row0 = PanelFloats()
  if let bias = layer.pointee.bias { row0 = .loaded(bias + panel &* 16, 16, panels) }
  var (row1, row2, row3) = (row0, row0, row0)
  for channel in 0..<Int(layer.pointee.channels) {
    let vectors = PanelFloats.loaded(weights + channel &* 16, panelStride, panels)
    row0.add(input + channel, vectors, panels)
    if rows > 1 {
      row1.add(input + (channel &+ inputStride), vectors, panels)
      row2.add(input + (channel &+ 2 &* inputStride), vectors, panels)
      row3.add(input + (channel &+ 3 &* inputStride), vectors, panels)
    }
  }
  let outputStride = Int(layer.pointee.outputStride)
  let target = output + (row &* outputStride &+ panel &* 16)
  let rest = Int(layer.pointee.outputs) &- panel &* 16
  row0.store(target, rest, panels)
  if rows > 1 {
    row1.store(target + outputStride, rest, panels)
    row2.store(target + 2 &* outputStride, rest, panels)
    row3.store(target + 3 &* outputStride, rest, panels)
  }
}

@inline(never)
private func tile4x4(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(4, 4, layer, row, panel)
}

@inline(never)
private func tile1x4(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(1, 4, layer, row, panel)
}

@inline(never)
private func tile4x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(4, 1, layer, row, panel)
}

@inline(never)
private func tile1x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(1, 1, layer, row, panel)
}

@c @implementation
func snq_float_matmul_4x4__avx512(
  _ args: UnsafePointer<snq_float_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let layer = args else { return }
  var panel = Int(panelBegin)
  while panel < Int(panelEnd) {
    let isWide = Int(panelEnd) &- panel >= 4
    var row = Int(rowBegin)
    while Int(rowEnd) &- row >= 4 {
      if isWide { tile4x4(layer, row, panel) } else { tile4x1(layer, row, panel) }
      row &+= 4
    }
    while row < Int(rowEnd) {
      if isWide { tile1x4(layer, row, panel) } else { tile1x1(layer, row, panel) }
      row &+= 1
    }
    panel &+= isWide ? 4 : 1
  }
}
