import CKernelABI
import CSIMD

// One row: 4 panels at a time, so that 8 sums hide the latency of `vpdpbusd` while weights stream in.

@inline(__always)
private func add(
  _ isNibbles: Bool, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ sums: inout OutputVectors
) {
  let vectors = OutputVectors.loaded(tile)
  if isNibbles {
    sums.addDots(snq_broadcast4_256(codes), vectors.lowNibbles())
    sums.addDots(snq_broadcast4_256(codes + 4), vectors.highNibbles())
  } else {
    sums.addDots(snq_broadcast4_256(codes), vectors)
  }
}

@inline(__always)
private func multiply(
  _ isNibbles: Bool, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let stride = Int(level.pointee.panelStride)
  let channels = Int(level.pointee.paddedChannels)
  let step = isNibbles ? 8 : 4
  var tile = allWeights + panel &* stride
  var codes = allCodes + row &* Int(level.pointee.codeStride)
  var (first, second, third, fourth) = (OutputVectors(), OutputVectors(), OutputVectors(), OutputVectors())
  var channel = 0
  while channel < channels {
    add(isNibbles, tile, codes, &first)
    if panels > 1 {
      add(isNibbles, tile + stride, codes, &second)
      add(isNibbles, tile + 2 &* stride, codes, &third)
      add(isNibbles, tile + 3 &* stride, codes, &fourth)
    }
    tile += 64
    codes += step
    channel &+= step
  }
  first.store(sums)
  if panels > 1 {
    second.store(sums + 2)
    third.store(sums + 4)
    fourth.store(sums + 6)
  }
  for index in 0..<panels { finishTile(sums + 2 &* index, 1, level, row, panel &+ index) }
}

@inline(__always)
private func multiply(
  _ isNibbles: Bool, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  var panel = part.panelBegin
  while part.panelEnd &- panel >= 4 {
    multiply(isNibbles, 4, level, row, panel, sums)
    panel &+= 4
  }
  while panel < part.panelEnd {
    multiply(isNibbles, 1, level, row, panel, sums)
    panel &+= 1
  }
}

/// One row of bytes against the panels of a part.
@inline(never)
func oneDotRowOfBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(false, level, row, part, sums)
}

/// The same of nibbles.
@inline(never)
func oneDotRowOfNibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(true, level, row, part, sums)
}
