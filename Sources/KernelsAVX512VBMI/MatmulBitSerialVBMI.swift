import CKernelABI
import CSIMD

extension PanelVectors {
  /// Adds, to each output, how many of 32 channels have their bit set in both planes.
  @inline(__always)
  mutating func count(_ bits: UnsafePointer<UInt8>, _ weights: PanelVectors, _ panels: Int) {
    let word = snq_broadcast4_512(bits)
    first = _mm512_add_epi32(first, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.first)))
    if panels > 1 {
      second = _mm512_add_epi32(second, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.second)))
    }
    if panels > 2 {
      third = _mm512_add_epi32(third, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.third)))
      fourth = _mm512_add_epi32(fourth, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.fourth)))
    }
  }
}

extension MatmulTile {
  @inline(__always)
  private mutating func count(_ weights: PanelVectors, _ bits: UnsafePointer<UInt8>, _ stride: Int) {
    row0.count(bits, weights, panels)
    if rows > 1 { row1.count(bits + stride, weights, panels) }
    if rows > 2 { row2.count(bits + 2 &* stride, weights, panels) }
    if rows > 3 { row3.count(bits + 3 &* stride, weights, panels) }
    if rows > 4 {
      row4.count(bits + 4 &* stride, weights, panels)
      row5.count(bits + 5 &* stride, weights, panels)
    }
  }

  /// One pair of planes over all channels.
  @inline(__always)
  mutating func countPlanes(_ source: TileSource, weightOffset: Int, bitOffset: Int) {
    var (weights, bits) = (source.weights + weightOffset, source.codes + bitOffset)
    let bytes = source.channels &>> 3
    var segment = 0
    repeat {
      var byte = 0
      repeat {
        count(.loaded(weights + byte &* 16, source.panelStride, panels), bits + byte, source.codeStride)
        byte &+= 4
      } while byte < bytes
      weights += bytes &* 16
      bits += source.segmentStride
      segment &+= 1
    } while segment < source.segments
  }
}

/// sum(t * q) = sum over pairs of planes of 2^(i + j) * popcount(t_i & q_j), from the most significant i + j
/// to the least, doubling in between: the loop over the channels is the same for any number of bits.
@inline(__always)
func sumBitSerial(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ source: TileSource,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  let (weightBits, activationBits) = (Int(level.pointee.weightBits), Int(level.pointee.activationBits))
  let bitStride = source.segments > 1 ? Int(level.pointee.codePlaneStride) : source.channels &>> 3
  let top = weightBits &+ activationBits &- 2
  if top == 0 {
    var tile = MatmulTile(rows, panels)
    tile.countPlanes(source, weightOffset: 0, bitOffset: 0)
    return tile.store(sums, panels)
  }
  var significance = top
  while significance >= 0 {
    var doubles = true
    var activationPlane = max(0, significance &- weightBits &+ 1)
    while activationPlane < activationBits, activationPlane <= significance {
      // Planes of weights lie with the most significant first.
      let weightPlane = weightBits &- 1 &- significance &+ activationPlane
      var tile = MatmulTile(rows, panels)
      if significance < top { tile.load(sums, panels, doubling: doubles) }
      tile.countPlanes(
        source, weightOffset: weightPlane &* Int(level.pointee.planeStride),
        bitOffset: activationPlane &* bitStride)
      tile.store(sums, panels)
      doubles = false
      activationPlane &+= 1
    }
    significance &-= 1
  }
}
