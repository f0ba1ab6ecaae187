import CKernelABI
import CSIMD

/// The planes of a level from one panel on.
struct PlaneSource {
  let start: UnsafePointer<UInt8>
  let planeStride: Int
  let bits: Int

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ start: UnsafePointer<UInt8>) {
    self.start = start
    planeStride = Int(level.pointee.planeStride)
    bits = Int(level.pointee.weightBits)
  }
}

/// Codes of some rows in the order in which planes give their bits: byte 16h + 4j + b of every 32 channels is the code
/// of channel 16h + 4b + j.
@inline(__always)
func transposeCodes(
  _ codes: UnsafePointer<UInt8>, _ stride: Int, rows: Int, _ channels: Int,
  _ target: UnsafeMutablePointer<UInt8>, _ targetStride: Int
) {
  for row in 0..<rows {
    let (source, place) = (codes + row &* stride, target + row &* targetStride)
    var channel = 0
    while channel < channels {
      snq_store_256(place + channel, snq_transpose_256(snq_load_256(source + channel)))
      channel &+= 32
    }
  }
}

/// One half of a tile of up to 4 planes, as the weights of 32 channels of 8 outputs: those of place j (0...7) in the
/// bytes of a lane meet the transposed codes 4j...4j + 3 of the tile.
struct PlaneFields {
  /// A literal.
  let bits: Int
  /// 1 plane: itself. 2: fields of 2 bits of the even places. More: fields of 4 bits of places 0 and 4.
  private var first: __m256i
  /// Of the odd places; of places 1 and 5.
  private var second = _mm256_setzero_si256()
  /// Of places 2 and 6.
  private var third = _mm256_setzero_si256()
  /// Of places 3 and 7.
  private var fourth = _mm256_setzero_si256()

  /// `plane` is the most significant of `bits` planes, the others follow `stride` bytes apart.
  @inline(__always)
  init(_ bits: Int, _ plane: UnsafePointer<UInt8>, _ stride: Int) {
    self.bits = bits
    first = snq_load_256(plane + (bits &- 1) &* stride)
    if bits > 1 { pair(snq_load_256(plane + (bits &- 2) &* stride)) }
    if bits == 3 { add(snq_load_256(plane)) }
    if bits == 4 {
      var upper = PlaneFields(2, plane, stride)
      join(&upper)
    }
  }

  /// Two planes to fields of 2 bits: exchanges the odd bits of the lower with the even ones of the upper.
  @inline(__always)
  private mutating func pair(_ upper: __m256i) {
    let mask = _mm256_set1_epi8(0x55)
    let moved = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(first, 1), upper), mask)
    second = _mm256_xor_si256(upper, moved)
    first = _mm256_xor_si256(first, _mm256_slli_epi16(moved, 1))
  }

  /// A third plane.
  @inline(__always)
  private mutating func add(_ plane: __m256i) {
    let (pairs, top) = (_mm256_set1_epi8(0x33), _mm256_set1_epi8(0x44))
    func joined(_ fields: __m256i, _ bit: __m256i) -> __m256i {
      _mm256_or_si256(_mm256_and_si256(fields, pairs), _mm256_and_si256(bit, top))
    }
    third = joined(_mm256_srli_epi16(first, 2), plane)
    fourth = joined(_mm256_srli_epi16(second, 2), _mm256_srli_epi16(plane, 1))
    first = joined(first, _mm256_slli_epi16(plane, 2))
    second = joined(second, _mm256_slli_epi16(plane, 1))
  }

  /// Two more planes.
  @inline(__always)
  private mutating func join(_ upper: inout PlaneFields) {
    let mask = _mm256_set1_epi8(0x33)
    func exchanged(_ lower: __m256i, _ upper: __m256i) -> (__m256i, __m256i) {
      let moved = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(lower, 2), upper), mask)
      return (_mm256_xor_si256(lower, _mm256_slli_epi16(moved, 2)), _mm256_xor_si256(upper, moved))
    }
    (first, third) = exchanged(first, upper.first)
    (second, fourth) = exchanged(second, upper.second)
  }

  /// The weights of a place, a literal.
  @inline(__always)
  func weights(_ place: Int) -> __m256i {
    switch bits {
    case 1: return _mm256_and_si256(moved(first, place), _mm256_set1_epi8(1))
    case 2:
      return _mm256_and_si256(moved(place & 1 == 0 ? first : second, place & 6), _mm256_set1_epi8(3))
    default:
      let fields = place & 3 == 0 ? first : place & 3 == 1 ? second : place & 3 == 2 ? third : fourth
      return _mm256_and_si256(moved(fields, place & 4), _mm256_set1_epi8(15))
    }
  }

  @inline(__always)
  private func moved(_ fields: __m256i, _ places: Int) -> __m256i {
    places == 0 ? fields : _mm256_srli_epi16(fields, Int32(truncatingIfNeeded: places))
  }
}

/// Half a tile of planes of a literal number of bits as signed bytes, 64 bytes from place to place.
@inline(__always)
private func unpackHalf(
  _ bits: Int, _ plane: UnsafePointer<UInt8>, _ stride: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let center = _mm256_set1_epi8(1 &<< Int8(truncatingIfNeeded: bits &- 1))
  let lowerBits = bits > 4 ? 3 : bits
  let lower = PlaneFields(lowerBits, plane + (bits &- lowerBits) &* stride, stride)
  let upper = PlaneFields(max(1, bits &- lowerBits), plane, stride)
  for place in 0..<8 {
    var weights = lower.weights(place)
    if bits > 4 { weights = _mm256_or_si256(weights, _mm256_slli_epi16(upper.weights(place), 3)) }
    snq_store_256(target + place &* 64, _mm256_sub_epi8(weights, center))
  }
}

@inline(__always)
private func unpack(
  _ bits: Int, _ planes: PlaneSource, _ channel: Int, _ channels: Int,
  _ target: UnsafeMutablePointer<UInt8>
) {
  var (tile, place, rest) = (planes.start + channel &* 2, target, channels)
  while rest > 0 {
    unpackHalf(bits, tile, planes.planeStride, place)
    unpackHalf(bits, tile + 32, planes.planeStride, place + 32)
    tile += 64
    place += 512
    rest &-= 32
  }
}

/// Planes of a block of channels as signed bytes, t - 2^(bits - 1), for transposed codes.
@inline(never)
func unpackPlanes(
  _ planes: PlaneSource, _ channel: Int, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  switch planes.bits {
  case 1: unpack(1, planes, channel, channels, target)
  case 2: unpack(2, planes, channel, channels, target)
  case 3: unpack(3, planes, channel, channels, target)
  case 4: unpack(4, planes, channel, channels, target)
  case 5: unpack(5, planes, channel, channels, target)
  case 6: unpack(6, planes, channel, channels, target)
  default: unpack(7, planes, channel, channels, target)
  }
}
