import CKernelABI
import CSIMD

/// 16 float sums of one row, or the weights of one channel.
private struct FloatOutputs {
  var a, b, c, d: float32x4_t

  @inline(__always) init(_ floats: UnsafePointer<Float>) {
    (a, b) = (snq_load_f32(floats), snq_load_f32(floats + 4))
    (c, d) = (snq_load_f32(floats + 8), snq_load_f32(floats + 12))
  }
  @inline(__always) init() {
    let zero = vdupq_n_f32(0)
    (a, b, c, d) = (zero, zero, zero, zero)
  }

  @inline(__always) mutating func add(
    _ weights: FloatOutputs, _ product: (float32x4_t, float32x4_t) -> float32x4_t
  ) {
    (a, b, c, d) = (
      product(a, weights.a), product(b, weights.b), product(c, weights.c), product(d, weights.d)
    )
  }

  @inline(__always) func store(_ target: UnsafeMutablePointer<Float>, _ rest: Int) {
    snq_store_first_f32(target, float32x4x4_t(val: (a, b, c, d)), min(16, rest))
  }
}

/// Up to four rows of sums, 16 registers.
private struct RowFloats {
  var row0, row1, row2, row3: FloatOutputs

  @inline(__always) init(_ start: FloatOutputs) { (row0, row1, row2, row3) = (start, start, start, start) }

  /// One channel: `product` gives sum + weight * input of the row.
  @inline(__always) mutating func add(
    _ rows: Int, _ weights: UnsafePointer<Float>, _ product: (float32x4_t, float32x4_t, Int) -> float32x4_t
  ) {
    let vectors = FloatOutputs(weights)
    row0.add(vectors) { product($0, $1, 0) }
    if rows > 1 { row1.add(vectors) { product($0, $1, 1) } }
    if rows > 2 {
      row2.add(vectors) { product($0, $1, 2) }
      row3.add(vectors) { product($0, $1, 3) }
    }
  }
}

/// Four channels of up to four rows of inputs.
private struct InputFloats {
  let row0, row1, row2, row3: float32x4_t

  @inline(__always) init(_ rows: Int, _ input: UnsafePointer<Float>, _ stride: Int) {
    row0 = snq_load_f32(input)
    row1 = rows > 1 ? snq_load_f32(input + stride) : row0
    row2 = rows > 2 ? snq_load_f32(input + 2 &* stride) : row0
    row3 = rows > 2 ? snq_load_f32(input + 3 &* stride) : row0
  }

  @inline(__always) subscript(row: Int) -> float32x4_t {
    row == 0 ? row0 : row == 1 ? row1 : row == 2 ? row2 : row3
  }
}

/// 1, 2 or 4 rows x 1 panel.
@inline(__always)
private func multiply(
  _ rows: Int, _ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int
) {
  guard let allWeights = layer.pointee.weights, let allInput = layer.pointee.input,
    let output = layer.pointee.output
  else { return }
  let (stride, channels) = (Int(layer.pointee.inputStride), Int(layer.pointee.channels))
  let weights = allWeights + panel &* Int(layer.pointee.panelStride)
  let input = allInput + row &* stride
  var start = FloatOutputs()
  if let bias = layer.pointee.bias { start = FloatOutputs(bias + panel &* 16) }
  var sums = RowFloats(start)
  var channel = 0
  while channel &+ 4 <= channels {
    let four = InputFloats(rows, input + channel, stride)
    let first = weights + channel &* 16
    sums.add(rows, first) { snq_fma_lane0($0, $1, four[$2]) }
    sums.add(rows, first + 16) { snq_fma_lane1($0, $1, four[$2]) }
    sums.add(rows, first + 32) { snq_fma_lane2($0, $1, four[$2]) }
    sums.add(rows, first + 48) { snq_fma_lane3($0, $1, four[$2]) }
    channel &+= 4
  }
  while channel < channels {
    sums.add(rows, weights + channel &* 16) { vfmaq_n_f32($0, $1, input[channel &+ $2 &* stride]) }
    channel &+= 1
  }
  let outputStride = Int(layer.pointee.outputStride)
  let target = output + (row &* outputStride &+ panel &* 16)
  let rest = Int(layer.pointee.outputs) &- panel &* 16
  sums.row0.store(target, rest)
  if rows > 1 { sums.row1.store(target + outputStride, rest) }
  if rows > 2 {
    sums.row2.store(target + 2 &* outputStride, rest)
    sums.row3.store(target + 3 &* outputStride, rest)
  }
}

@inline(never)
private func tile4x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(4, layer, row, panel)
}

@inline(never)
private func tile2x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(2, layer, row, panel)
}

@inline(never)
private func tile1x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(1, layer, row, panel)
}

@c @implementation
func snq_float_matmul_4x1__neon(
  _ args: UnsafePointer<snq_float_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let layer = args else { return }
  for panel in Int(panelBegin)..<Int(panelEnd) {
    var row = Int(rowBegin)
    while Int(rowEnd) &- row >= 4 {
      tile4x1(layer, row, panel)
      row &+= 4
    }
    if Int(rowEnd) &- row >= 2 {
      tile2x1(layer, row, panel)
      row &+= 2
    }
    if row < Int(rowEnd) { tile1x1(layer, row, panel) }
  }
}
