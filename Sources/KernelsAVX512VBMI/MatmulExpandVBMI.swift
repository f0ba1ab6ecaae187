import CKernelABI
import CSIMD

/// Planes rebuilt in scratch memory, once for all rows of a call: up to 4 bits as SNQ_NIBBLES, which halves the
/// stores, else as SNQ_BYTES.
@inline(never)
func expandPanel(
  _ level: UnsafePointer<snq_matmul_args>, _ panel: UnsafePointer<UInt8>,
  _ target: UnsafeMutablePointer<UInt8>
) {
  let planeStride = Int(level.pointee.planeStride)
  var channel = 0
  while channel < Int(level.pointee.paddedChannels) {
    let plane = panel + channel &* 2
    switch level.pointee.weightBits {
    case 1: NibbleWindows(plane).store(target + channel &* 8, bits: 1)
    case 2: NibbleWindows(plane, plane + planeStride).store(target + channel &* 8, bits: 2)
    case 3:
      NibbleWindows(plane, plane + planeStride, plane + 2 &* planeStride)
        .store(target + channel &* 8, bits: 3)
    default: expandBytes(plane, planeStride, Int(level.pointee.weightBits), target + channel &* 16)
    }
    channel &+= 32
  }
}

/// 32 channels of 4 to 7 planes as bytes.
@inline(__always)
private func expandBytes(
  _ planes: UnsafePointer<UInt8>, _ planeStride: Int, _ bits: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  var plane = planes
  var left = bits
  while left > 1 {
    PlanePair(plane, plane + planeStride).place(target, at: left &- 2, isFirst: left == bits)
    plane += 2 &* planeStride
    left &-= 2
  }
  if left > 0 { placePlane(_mm512_loadu_si512(plane), target) }
}

/// Stores, or adds to what is there, the 4 channels of a group.
@inline(__always)
private func store(
  _ windows: __m512i, _ mask: __m512i, _ target: UnsafeMutablePointer<UInt8>, isFirst: Bool
) {
  if isFirst { return _mm512_store_si512(target, _mm512_and_si512(windows, mask)) }
  _mm512_store_si512(target, snq_or_and_512(_mm512_load_si512(target), windows, mask))
}

/// Byte c of group g, 4 channels, is bit 8 * (g % 4) + 4 * (g / 4) + c of its lane of a plane; moved up by `place`.
@inline(__always)
private func planeControl(_ group: Int, _ place: Int) -> __m512i {
  let start = group % 4 &* 8 &+ group / 4 &* 4 &- place
  return _mm512_add_epi8(
    _mm512_set1_epi64(0x2322_2120_0302_0100), _mm512_set1_epi8(Int8(truncatingIfNeeded: start)))
}

/// The same of the fields of 2 bits of a pair of planes.
@inline(__always)
private func pairControl(_ group: Int, _ place: Int) -> __m512i {
  let start = group % 4 &* 8 &- place
  return _mm512_add_epi8(
    _mm512_set1_epi64(0x2624_2220_0604_0200), _mm512_set1_epi8(Int8(truncatingIfNeeded: start)))
}

/// The least significant plane, when their number is odd.
@inline(__always)
private func placePlane(_ plane: __m512i, _ target: UnsafeMutablePointer<UInt8>) {
  let one = _mm512_set1_epi8(1)
  for group in 0..<8 {
    let windows = _mm512_multishift_epi64_epi8(planeControl(group, 0), plane)
    store(windows, one, target + group &* 64, isFirst: false)
  }
}

/// 32 channels of 1 to 3 planes; a tile of nibbles is two groups of 4 channels.
private struct NibbleWindows {
  var single = _mm512_setzero_si512()
  var pair = PlanePair()

  @inline(__always)
  init(_ plane: UnsafePointer<UInt8>) { single = _mm512_loadu_si512(plane) }

  @inline(__always)
  init(_ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>) { pair = PlanePair(upper, lower) }

  @inline(__always)
  init(_ top: UnsafePointer<UInt8>, _ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>) {
    single = _mm512_loadu_si512(top)
    pair = PlanePair(upper, lower)
  }

  /// Fields of a group at bit `place` of every byte.
  @inline(__always)
  private func fields(_ group: Int, _ place: Int) -> __m512i {
    _mm512_multishift_epi64_epi8(pairControl(group, place), group < 4 ? pair.low : pair.high)
  }

  /// `bits` is a literal.
  @inline(__always)
  func store(_ target: UnsafeMutablePointer<UInt8>, bits: Int) {
    for tile in 0..<4 {
      let (first, second) = (2 &* tile, 2 &* tile &+ 1)
      var nibbles = _mm512_setzero_si512()
      if bits > 1 {
        nibbles = _mm512_and_si512(fields(first, 0), _mm512_set1_epi8(0x03))
        nibbles = snq_or_and_512(nibbles, fields(second, 4), _mm512_set1_epi8(0x30))
      }
      if bits != 2 {
        let place = bits &- 1
        let low = _mm512_multishift_epi64_epi8(planeControl(first, place), single)
        let high = _mm512_multishift_epi64_epi8(planeControl(second, place &+ 4), single)
        nibbles = snq_or_and_512(nibbles, low, _mm512_set1_epi8(1 &<< Int8(truncatingIfNeeded: place)))
        nibbles = snq_or_and_512(
          nibbles, high, _mm512_set1_epi8(16 &<< Int8(truncatingIfNeeded: place)))
      }
      _mm512_store_si512(target + tile &* 64, nibbles)
    }
  }
}

/// Two planes as fields of 2 bits: byte b of a lane of `low` holds channels 4b + 0...3, of `high` 16 + 4b + 0...3.
private struct PlanePair {
  var low = _mm512_setzero_si512()
  var high = _mm512_setzero_si512()

  @inline(__always)
  init() {}

  @inline(__always)
  init(_ upper: UnsafePointer<UInt8>, _ lower: UnsafePointer<UInt8>) {
    let (upper, lower) = (_mm512_loadu_si512(upper), _mm512_loadu_si512(lower))
    low = snq_interleave_nibbles_512(snq_select_nibbles_512(lower, _mm512_slli_epi32(upper, 4)))
    high = snq_interleave_nibbles_512(snq_select_nibbles_512(_mm512_srli_epi32(lower, 4), upper))
  }

  /// Puts the fields to bit `place` of the bytes of 32 channels.
  @inline(__always)
  func place(_ target: UnsafeMutablePointer<UInt8>, at place: Int, isFirst: Bool) {
    let mask = _mm512_set1_epi8(Int8(truncatingIfNeeded: 3 &<< place))
    for group in 0..<4 {
      let control = pairControl(group, place)
      let lowTarget = target + group &* 64
      store(_mm512_multishift_epi64_epi8(control, low), mask, lowTarget, isFirst: isFirst)
      store(_mm512_multishift_epi64_epi8(control, high), mask, lowTarget + 256, isFirst: isFirst)
    }
  }
}

/// A level whose planes are expanded, as one of nibbles or bytes.
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
      let isNarrow = level.pointee.weightBits < 4
      self.level.layout = UInt32(isNarrow ? SNQ_NIBBLES : SNQ_BYTES)
      self.level.panelStride = (isNarrow ? 8 : 16) &* Int(level.pointee.paddedChannels)
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
