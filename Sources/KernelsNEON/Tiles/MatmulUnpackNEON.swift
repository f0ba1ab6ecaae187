import CSIMD

// Narrow weights to bytes, 64 for 4 channels of 16 outputs.

/// Nibbles: t.
@inline(never)
func unpackNibbles(_ tiles: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>) {
  var (tile, place, rest) = (tiles, target, channels)
  while rest > 0 {
    let nibbles = TileVectors(tile)
    nibbles.lowNibbles().store(place)
    nibbles.highNibbles().store(place + 64)
    tile += 64
    place += 128
    rest &-= 8
  }
}

/// 16 bytes of up to 4 planes, as the weights of 32 channels of 4 outputs: those of place j (0...7) meet the transposed
/// codes 4j...4j + 3 of the tile.
private struct PlaneFields {
  /// A literal.
  let bits: Int
  /// 1 plane: itself. 2: fields of 2 bits of the even places. More: fields of 4 bits of places 0 and 4.
  private var first = vdupq_n_u8(0)
  /// Of the odd places; of places 1 and 5.
  private var second = vdupq_n_u8(0)
  /// Of places 2 and 6.
  private var third = vdupq_n_u8(0)
  /// Of places 3 and 7.
  private var fourth = vdupq_n_u8(0)

  /// `plane` is the most significant of `bits` planes, the others follow `stride` bytes apart.
  @inline(__always)
  init(_ bits: Int, _ plane: UnsafePointer<UInt8>, _ stride: Int) {
    self.bits = bits
    if bits == 1 {
      first = snq_load_u8(plane)
      return
    }
    (first, second) = Self.pairs(2, plane + (bits &- 2) &* stride, stride)
    if bits > 2 {
      let (even, odd) = Self.pairs(bits &- 2, plane, stride)
      let pairs = vdupq_n_u8(0x33)
      third = vbslq_u8(pairs, snq_right2_u8(first), even)
      fourth = vbslq_u8(pairs, snq_right2_u8(second), odd)
      first = vbslq_u8(pairs, first, snq_left2_u8(even))
      second = vbslq_u8(pairs, second, snq_left2_u8(odd))
    }
  }

  /// One or two planes as fields of 2 bits, those of the even places and those of the odd ones.
  @inline(__always)
  private static func pairs(
    _ bits: Int, _ plane: UnsafePointer<UInt8>, _ stride: Int
  ) -> (uint8x16_t, uint8x16_t) {
    let (mask, upper) = (vdupq_n_u8(0x55), snq_load_u8(plane))
    if bits == 1 { return (vandq_u8(upper, mask), vandq_u8(snq_right1_u8(upper), mask)) }
    let lower = snq_load_u8(plane + stride)
    return (vbslq_u8(mask, lower, snq_left1_u8(upper)), vbslq_u8(mask, snq_right1_u8(lower), upper))
  }

  /// The weights of a place, a literal.
  @inline(__always)
  func weights(_ place: Int) -> uint8x16_t {
    switch bits {
    case 1: return cut(first, place, 1)
    case 2: return cut(place & 1 == 0 ? first : second, place & 6, 3)
    default:
      let fields = place & 3 == 0 ? first : place & 3 == 1 ? second : place & 3 == 2 ? third : fourth
      return cut(fields, place & 4, 15)
    }
  }

  /// The field of `mask` that many bits up.
  @inline(__always)
  private func cut(_ fields: uint8x16_t, _ places: Int, _ mask: UInt8) -> uint8x16_t {
    let moved = moved(fields, places)
    // A shift to the end leaves nothing to be masked.
    return Int(mask) &<< places > 127 ? moved : vandq_u8(moved, vdupq_n_u8(mask))
  }

  /// A shift by a literal.
  @inline(__always)
  private func moved(_ bytes: uint8x16_t, _ places: Int) -> uint8x16_t {
    switch places {
    case 1: snq_right1_u8(bytes)
    case 2: snq_right2_u8(bytes)
    case 3: snq_right3_u8(bytes)
    case 4: snq_right4_u8(bytes)
    case 5: snq_right5_u8(bytes)
    case 6: snq_right6_u8(bytes)
    case 7: snq_right7_u8(bytes)
    default: bytes
    }
  }
}

/// 16 bytes of planes of a literal number of bits as bytes, 64 from place to place.
@inline(__always)
private func unpackQuarter(
  _ bits: Int, _ plane: UnsafePointer<UInt8>, _ stride: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let lowerBits = min(4, bits)
  let lower = PlaneFields(lowerBits, plane + (bits &- lowerBits) &* stride, stride)
  let upper = PlaneFields(max(1, bits &- lowerBits), plane, stride)
  func store(_ place: Int) {
    let weights = lower.weights(place)
    snq_store_u8(
      target + place &* 64, bits > 4 ? snq_above_nibbles_u8(weights, upper.weights(place)) : weights)
  }
  // Not a loop: places have to be literals.
  store(0)
  store(1)
  store(2)
  store(3)
  store(4)
  store(5)
  store(6)
  store(7)
}

@inline(__always)
private func unpack(
  _ bits: Int, _ planes: UnsafePointer<UInt8>, _ stride: Int, _ channels: Int,
  _ target: UnsafeMutablePointer<UInt8>
) {
  var (tile, place, rest) = (planes, target, channels)
  while rest > 0 {
    for quarter in 0..<4 { unpackQuarter(bits, tile + 16 &* quarter, stride, place + 16 &* quarter) }
    tile += 64
    place += 512
    rest &-= 32
  }
}

/// Planes of a block of channels: t, for transposed codes.
@inline(never)
func unpackPlanes(
  _ planes: UnsafePointer<UInt8>, _ stride: Int, _ bits: Int, _ channels: Int,
  _ target: UnsafeMutablePointer<UInt8>
) {
  switch bits {
  case 1: unpack(1, planes, stride, channels, target)
  case 2: unpack(2, planes, stride, channels, target)
  case 3: unpack(3, planes, stride, channels, target)
  case 4: unpack(4, planes, stride, channels, target)
  case 5: unpack(5, planes, stride, channels, target)
  case 6: unpack(6, planes, stride, channels, target)
  default: unpack(7, planes, stride, channels, target)
  }
}
