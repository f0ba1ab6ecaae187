import CKernelABI
import CSIMD

/// 16 float sums of one row, or the weights of one channel.
private struct OutputFloats {
  var low = _mm256_setzero_ps()
  var high = _mm256_setzero_ps()

  @inline(__always)
  static func loaded(_ floats: UnsafePointer<Float>) -> OutputFloats {
    OutputFloats(low: _mm256_loadu_ps(floats), high: _mm256_loadu_ps(floats + 8))
  }

  @inline(__always)
  mutating func add(_ input: UnsafePointer<Float>, _ weights: OutputFloats) {
    let value = _mm256_set1_ps(input.pointee)
    low = _mm256_fmadd_ps(weights.low, value, low)
    high = _mm256_fmadd_ps(weights.high, value, high)
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<Float>, _ rest: Int) {
    if rest >= 16 {
      _mm256_storeu_ps(target, low)
      _mm256_storeu_ps(target + 8, high)
    } else {
      _mm256_maskstore_ps(target, laneMask(rest), low)
      if rest > 8 { _mm256_maskstore_ps(target + 8, laneMask(rest &- 8), high) }
    }
  }
}

/// 1 or 6 rows x 1 panel: 12 of the 16 registers are sums.
@inline(__always)
private func multiply(
  _ rows: Int, _ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int
) {
  guard let allWeights = layer.pointee.weights, let allInput = layer.pointee.input,
    let output = layer.pointee.output
  else { return }
  let stride = Int(layer.pointee.inputStride)
  let weights = allWeights + panel &* Int(layer.pointee.panelStride)
  let input = allInput + row &* stride
  var row0 = OutputFloats()
  if let bias = layer.pointee.bias { row0 = .loaded(bias + panel &* 16) }
  var (row1, row2, row3, row4, row5) = (row0, row0, row0, row0, row0)
  for channel in 0..<Int(layer.pointee.channels) {
    let vectors = OutputFloats.loaded(weights + channel &* 16)
    row0.add(input + channel, vectors)
    if rows > 1 {
      row1.add(input + (channel &+ stride), vectors)
      row2.add(input + (channel &+ 2 &* stride), vectors)
      row3.add(input + (channel &+ 3 &* stride), vectors)
      row4.add(input + (channel &+ 4 &* stride), vectors)
      row5.add(input + (channel &+ 5 &* stride), vectors)
    }
  }
  let outputStride = Int(layer.pointee.outputStride)
  let target = output + (row &* outputStride &+ panel &* 16)
  let rest = Int(layer.pointee.outputs) &- panel &* 16
  row0.store(target, rest)
  if rows > 1 {
    row1.store(target + outputStride, rest)
    row2.store(target + 2 &* outputStride, rest)
    row3.store(target + 3 &* outputStride, rest)
    row4.store(target + 4 &* outputStride, rest)
    row5.store(target + 5 &* outputStride, rest)
  }
}

@inline(never)
private func tile6x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(6, layer, row, panel)
}

@inline(never)
private func tile1x1(_ layer: UnsafePointer<snq_float_matmul_args>, _ row: Int, _ panel: Int) {
  multiply(1, layer, row, panel)
}

@c @implementation
func snq_float_matmul_6x1__avx2(
  _ args: UnsafePointer<snq_float_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let layer = args else { return }
  for panel in Int(panelBegin)..<Int(panelEnd) {
    var row = Int(rowBegin)
    while Int(rowEnd) &- row >= 6 {
      tile6x1(layer, row, panel)
      row &+= 6
    }
    while row < Int(rowEnd) {
      tile1x1(layer, row, panel)
      row &+= 1
    }
  }
}
