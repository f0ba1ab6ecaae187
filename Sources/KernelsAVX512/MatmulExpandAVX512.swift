import CKernelABI
import CSIMD

/// Planes rebuilt as bytes in scratch memory, once for all rows of a call: 16 outputs x 4 channels a vector, as
/// SNQ_BYTES has them.
@inline(never)
func expandPanel(
  _ level: UnsafePointer<snq_matmul_args>, _ panel: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>
) {
  let bits = Int(level.pointee.weightBits)
  let planeStride = Int(level.pointee.planeStride)
  var channel = 0
  while channel < Int(level.pointee.paddedChannels) {
    let bytes = target + channel &* 16
    var plane = panel + channel &* 2
    var left = bits
    while left > 1 {
      let pair = PlanePair(plane, plane + planeStride)
      pair.place(bytes, at: left &- 2, isFirst: left == bits)
      plane += 2 &* planeStride
      left &-= 2
    }
    if left > 0 { placePlane(_mm512_loadu_si512(plane), bytes, isFirst: bits == 1) }
    channel &+= 32
  }
}

/// Stores, or adds to what is there, the 4 channels of a group.
@inline(__always)
private func store(
  _ windows: __m512i, _ mask: __m512i, _ target: UnsafeMutablePointer<UInt8>, isFirst: Bool
) {
  if isFirst { return _mm512_store_si512(target, _mm512_and_si512(windows, mask)) }
  _mm512_store_si512(target, snq_or_and_512(_mm512_load_si512(target), windows, mask))
}

/// The least significant plane, when their number is odd: byte c of group g starts at bit 8 * (g % 4) + 4 * (g / 4)
/// + c of its lane.
@inline(__always)
private func placePlane(_ plane: __m512i, _ target: UnsafeMutablePointer<UInt8>, isFirst: Bool) {
  let start = _mm512_set1_epi64(0x2322_2120_0302_0100)
  let one = _mm512_set1_epi8(1)
  for group in 0..<8 {
    let place = Int8(truncatingIfNeeded: group % 4 &* 8 &+ group / 4 &* 4)
    let control = _mm512_add_epi8(start, _mm512_set1_epi8(place))
    store(_mm512_multishift_epi64_epi8(control, plane), one, target + group &* 64, isFirst: isFirst)
  }
}

/// Two planes as fields of 2 bits: byte b of a lane of `low` holds channels 4b + 0...3, of `high` 16 + 4b + 0...3.
private struct PlanePair {
  let low: __m512i
  let high: __m512i

  @inline(__always)
  init(_ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>) {
    let (upper, lower) = (_mm512_loadu_si512(upper), _mm512_loadu_si512(lower))
    low = snq_interleave_nibbles_512(snq_select_nibbles_512(lower, _mm512_slli_epi32(upper, 4)))
    high = snq_interleave_nibbles_512(snq_select_nibbles_512(_mm512_srli_epi32(lower, 4), upper))
  }

  /// Puts the fields to bit `place` of the bytes of 32 channels.
  @inline(__always)
  func place(_ target: UnsafeMutablePointer<UInt8>, at place: Int, isFirst: Bool) {
    // Windows start `place` bits early, so that the fields arrive where they belong.
    let start = _mm512_sub_epi8(
      _mm512_set1_epi64(0x2624_2220_0604_0200), _mm512_set1_epi8(Int8(truncatingIfNeeded: place)))
    let mask = _mm512_set1_epi8(Int8(truncatingIfNeeded: 3 &<< place))
    for group in 0..<4 {
      let control = _mm512_add_epi8(start, _mm512_set1_epi8(Int8(truncatingIfNeeded: group &* 8)))
      let lowTarget = target + group &* 64
      store(_mm512_multishift_epi64_epi8(control, low), mask, lowTarget, isFirst: isFirst)
      store(_mm512_multishift_epi64_epi8(control, high), mask, lowTarget + 256, isFirst: isFirst)
    }
  }
}

/// A level whose planes are expanded, as one of bytes.
struct ExpandedLevel {
  /// What tiles read: the level itself, or its expanded panels.
  var level: snq_matmul_args
  private let source: snq_matmul_args
  private let isExpanded: Bool

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>) {
    source = level.pointee
    self.level = level.pointee
    isExpanded =
      level.pointee.scratch != nil && level.pointee.layout == UInt32(SNQ_PLANES)
      && level.pointee.form == UInt32(SNQ_CODES)
    if isExpanded {
      self.level.layout = UInt32(SNQ_BYTES)
      self.level.panelStride = 16 &* Int(level.pointee.paddedChannels)
    }
  }

  /// Makes `count` (at most 4) panels from `panel` on ready.
  @inline(__always)
  mutating func expand(_ panel: Int, _ count: Int) {
    guard isExpanded, let weights = source.weights, let scratch = source.scratch else { return }
    let stride = level.panelStride
    for index in 0..<count {
      withUnsafePointer(to: &level) {
        expandPanel($0, weights + (panel &+ index) &* source.panelStride, scratch + index &* stride)
      }
    }
    level.weights = UnsafePointer(scratch) - panel &* stride
  }
}
