// The vocabulary of the shared row kernels in plain Swift: every lane by the definition.

/// Which of 16 lanes an operation touches.
struct LaneMask {
  let value: SIMDMask<SIMD16<Int32>>

  @inline(__always) init(_ value: SIMDMask<SIMD16<Int32>>) { self.value = value }
  /// The first `count` lanes, 0...16.
  @inline(__always) init(first count: Int) {
    let order = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    value = order .< SIMD16(repeating: Int32(truncatingIfNeeded: count))
  }
}

/// Sixteen binary32 lanes.
struct FloatLanes {
  var value: SIMD16<Float>

  @inline(__always) init(_ value: SIMD16<Float>) { self.value = value }
  @inline(__always) init(repeating value: Float) { self.value = SIMD16(repeating: value) }
  @inline(__always) init(load pointer: UnsafePointer<Float>) {
    value = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Float>.self)
  }
  /// The first `count` (0...16) elements, +0 in the other lanes.
  @inline(__always) init(load pointer: UnsafePointer<Float>, count: Int) {
    value = SIMD16(repeating: 0)
    for lane in 0..<count { value[lane] = pointer[lane] }
  }
  /// Sixteen binary16 numbers.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>) { self.init(halves: pointer, count: 16) }
  /// The first `count` of them, an even number in 0...16, +0 in the other lanes.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>, count: Int) {
    value = SIMD16(repeating: 0)
    for lane in 0..<count { value[lane] = floatFromHalf(pointer[lane]) }
  }
  @inline(__always) init(bits: IntegerLanes) { value = unsafeBitCast(bits.value, to: SIMD16<Float>.self) }
  /// source[indices[lane]], every index below `channels`; fast where the indices are runs of neighbours.
  @inline(__always) init(
    gather source: UnsafePointer<Float>, _ indices: UnsafePointer<UInt32>, channels: Int
  ) {
    value = SIMD16(repeating: 0)
    for lane in 0..<16 { value[lane] = source[Int(indices[lane])] }
  }
  /// Exact for |integer| <= 2^24, else rounded to nearest even.
  @inline(__always) init(_ integers: IntegerLanes) { value = SIMD16<Float>(integers.value) }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD16<Float>.self)
  }
  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
    for lane in 0..<count { pointer[lane] = value[lane] }
  }

  @inline(__always) static func + (a: Self, b: Self) -> Self { Self(a.value + b.value) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { Self(a.value - b.value) }
  @inline(__always) static func * (a: Self, b: Self) -> Self { Self(a.value * b.value) }
  @inline(__always) static func / (a: Self, b: Self) -> Self { Self(a.value / b.value) }
  @inline(__always) static func .< (a: Self, b: Self) -> LaneMask { LaneMask(a.value .< b.value) }

  @inline(__always) func squareRoot() -> Self { Self(value.squareRoot()) }
  @inline(__always) func floor() -> Self { Self(value.rounded(.down)) }
  @inline(__always) func nearest() -> Self { Self(value.rounded(.toNearestOrEven)) }
  @inline(__always) func magnitude() -> Self {
    let bits = unsafeBitCast(value, to: SIMD16<UInt32>.self) & SIMD16(repeating: 0x7fff_ffff)
    return Self(unsafeBitCast(bits, to: SIMD16<Float>.self))
  }
  /// cvtps2dq: round to nearest even; Int32.min out of range and for NaN.
  @inline(__always) func nearestInteger() -> IntegerLanes { nearest().truncatedInteger() }
  /// cvttps2dq: toward zero; Int32.min out of range and for NaN.
  @inline(__always) func truncatedInteger() -> IntegerLanes {
    var integers = SIMD16<Int32>(repeating: .min)
    for lane in 0..<16 {
      let element = value[lane]
      if element >= -0x1p31 && element < 0x1p31 { integers[lane] = Int32(element) }
    }
    return IntegerLanes(integers)
  }

  /// Lane r is the maximum of the sixteen numbers at rows + 16 * r; no NaN.
  @inline(__always) init(maximaOfRows rows: UnsafePointer<Float>) {
    value = SIMD16(repeating: 0)
    for row in 0..<16 { value[row] = Self(load: rows + 16 &* row).maximum() }
  }

  /// Lanes i and i+8, i+4, i+2, i+1, the lower first.
  @inline(__always) private func reduced(_ combine: (Float, Float) -> Float) -> Float {
    var lanes = value
    var width = 8
    while width > 0 {
      for lane in 0..<width { lanes[lane] = combine(lanes[lane], lanes[lane &+ width]) }
      width &>>= 1
    }
    return lanes[0]
  }
  @inline(__always) func sum() -> Float { reduced { $0 + $1 } }
  @inline(__always) func minimum() -> Float { reduced { $0 < $1 ? $0 : $1 } }
  @inline(__always) func maximum() -> Float { reduced { $0 > $1 ? $0 : $1 } }
}

/// Asks for the cache line of an address that will be read; here it does nothing.
@inline(__always) func prefetch(_ address: UnsafeRawPointer) {}

/// Sixteen rows of sixteen numbers, to their columns; the two places do not overlap.
@inline(__always) func transpose(_ rows: UnsafePointer<Float>, to columns: UnsafeMutablePointer<Float>) {
  for row in 0..<16 { for column in 0..<16 { columns[16 &* column &+ row] = rows[16 &* row &+ column] } }
}

/// a * b + c, rounded once. A call: without the instruction each lane is one anyway, and a body at every place where
/// it is used is 150 kB of code.
@inline(never) func fma(_ a: FloatLanes, _ b: FloatLanes, _ c: FloatLanes) -> FloatLanes {
  var result = c.value
  for lane in 0..<16 { result[lane] = result[lane].addingProduct(a.value[lane], b.value[lane]) }
  return FloatLanes(result)
}
/// a < b ? a : b.
@inline(__always) func minimum(_ a: FloatLanes, _ b: FloatLanes) -> FloatLanes {
  FloatLanes(b.value.replacing(with: a.value, where: a.value .< b.value))
}
/// a > b ? a : b.
@inline(__always) func maximum(_ a: FloatLanes, _ b: FloatLanes) -> FloatLanes {
  FloatLanes(b.value.replacing(with: a.value, where: a.value .> b.value))
}
@inline(__always) func select(_ mask: LaneMask, _ yes: FloatLanes, _ no: FloatLanes) -> FloatLanes {
  FloatLanes(no.value.replacing(with: yes.value, where: mask.value))
}

/// Sixteen int32 lanes; arithmetic wraps.
struct IntegerLanes {
  var value: SIMD16<Int32>

  @inline(__always) init(_ value: SIMD16<Int32>) { self.value = value }
  @inline(__always) init(repeating value: Int32) { self.value = SIMD16(repeating: value) }
  @inline(__always) init(load pointer: UnsafePointer<Int32>) {
    value = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD16<Int32>.self)
  }
  /// Sixteen unsigned bytes, one a lane.
  @inline(__always) init(bytes pointer: UnsafePointer<UInt8>) {
    value = SIMD16(repeating: 0)
    for lane in 0..<16 { value[lane] = Int32(pointer[lane]) }
  }
  /// Sixteen signed bytes, one a lane.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    value = SIMD16(repeating: 0)
    for lane in 0..<16 { value[lane] = Int32(pointer[lane]) }
  }
  /// Eight bytes: low nibble in the even lanes, high nibble in the odd lanes.
  @inline(__always) init(nibbles pointer: UnsafePointer<UInt8>) {
    value = SIMD16(repeating: 0)
    for pair in 0..<8 {
      value[2 &* pair] = Int32(pointer[pair] & 15)
      value[2 &* pair &+ 1] = Int32(pointer[pair] &>> 4)
    }
  }
  @inline(__always) init(bits: FloatLanes) { value = unsafeBitCast(bits.value, to: SIMD16<Int32>.self) }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Int32>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD16<Int32>.self)
  }
  /// The low byte of every lane; the lanes hold 0...255 or -128...127.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>) {
    for lane in 0..<16 { pointer[lane] = UInt8(truncatingIfNeeded: value[lane]) }
  }
  /// The first `count` (0...16) of them.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>, count: Int) {
    for lane in 0..<count { pointer[lane] = UInt8(truncatingIfNeeded: value[lane]) }
  }
  /// The same of 32 lanes.
  @inline(__always) static func storeBytes(_ low: Self, _ high: Self, _ pointer: UnsafeMutablePointer<UInt8>)
  {
    low.storeBytes(pointer)
    high.storeBytes(pointer + 16)
  }
  @inline(__always) static func & (a: Self, b: Self) -> Self { Self(a.value & b.value) }
  @inline(__always) static func | (a: Self, b: Self) -> Self { Self(a.value | b.value) }
  @inline(__always) static func &+ (a: Self, b: Self) -> Self { Self(a.value &+ b.value) }
  @inline(__always) static func &- (a: Self, b: Self) -> Self { Self(a.value &- b.value) }
  @inline(__always) static func &* (a: Self, b: Self) -> Self { Self(a.value &* b.value) }
  @inline(__always) func shiftedLeft(_ count: UInt32) -> Self {
    Self(value &<< SIMD16(repeating: Int32(truncatingIfNeeded: count)))
  }
  @inline(__always) func arithmeticallyShiftedRight(_ count: UInt32) -> Self {
    Self(value &>> SIMD16(repeating: Int32(truncatingIfNeeded: count)))
  }
  /// The lanes outside the mask become 0.
  @inline(__always) func kept(_ mask: LaneMask) -> Self {
    Self(SIMD16<Int32>(repeating: 0).replacing(with: value, where: mask.value))
  }
  @inline(__always) func sum() -> Int32 { value.wrappedSum() }
}

/// sum + four exact products per lane of the unsigned bytes at `codes` (the same four for all lanes) and
/// the signed bytes of a 64-byte aligned tile.
@inline(__always) func dot(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes {
  let bytes = UnsafeRawPointer(tile).loadUnaligned(as: SIMD16<Int32>.self)
  var result = sum.value
  for byte in 0..<4 {
    let shift = Int32(truncatingIfNeeded: 8 &* byte)
    let code = (codes &>> shift) & 255
    let signed = (bytes &<< SIMD16(repeating: 24 &- shift)) &>> SIMD16(repeating: 24)
    result = result &+ signed &* SIMD16(repeating: code)
  }
  return IntegerLanes(result)
}

/// The same less a multiple of the tile; here 0 times.
@inline(__always) func dotOfMoved(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes { dot(sum, codes, tile) }
/// sum + what `dotOfMoved` takes.
@inline(__always) func addTaken(_ sum: IntegerLanes, _ tile: UnsafePointer<Int8>) -> IntegerLanes { sum }

/// Whether four rows take two blocks of sixteen keys or channels at a time.
let takesTwoBlocks = true
/// How many channels of three or four rows of sums the registers hold, 16 or 32.
let channelsOfFourRows = 16
/// Whether rows that read the same do so together. Here each lane is a call or more, and reading is nothing beside them.
let rowsShareReads = false

/// Two words of 16 bits in each of 16 lanes.
struct WordPairs {
  let low: SIMD16<Int32>
  let high: SIMD16<Int32>

  /// 32 signed bytes.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    let bytes = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD32<Int8>.self)
    low = SIMD16(truncatingIfNeeded: bytes.evenHalf)
    high = SIMD16(truncatingIfNeeded: bytes.oddHalf)
  }
  @inline(__always) init(_ bytes: ByteBlock) {
    low = SIMD16<Int32>(truncatingIfNeeded: bytes.value.evenHalf)
    high = SIMD16<Int32>(truncatingIfNeeded: bytes.value.oddHalf)
  }
}

/// 32 unsigned bytes.
struct ByteBlock {
  let value: SIMD32<UInt8>

  @inline(__always) init(_ value: SIMD32<UInt8>) { self.value = value }
  @inline(__always) init(repeating byte: Int8) { value = SIMD32(repeating: UInt8(bitPattern: byte)) }
  @inline(__always) init(load pointer: UnsafePointer<UInt8>) {
    value = UnsafeRawPointer(pointer).loadUnaligned(as: SIMD32<UInt8>.self)
  }
  @inline(__always) static func & (a: Self, b: Self) -> Self { Self(a.value & b.value) }
  @inline(__always) static func | (a: Self, b: Self) -> Self { Self(a.value | b.value) }
  /// What comes into a byte from above is not defined.
  @inline(__always) func shiftedRight(_ count: Int32) -> Self {
    Self(value &>> SIMD32(repeating: UInt8(truncatingIfNeeded: count)))
  }
}

/// sum + the exact products of the two words of each lane and those of `words`, the low one first.
@inline(__always) func dot(_ sum: IntegerLanes, _ words: Int32, _ pairs: WordPairs) -> IntegerLanes {
  let first = (words &<< 16) &>> 16
  return IntegerLanes(
    sum.value &+ pairs.low &* SIMD16(repeating: first) &+ pairs.high &* SIMD16(repeating: words &>> 16))
}

/// Stores the codes of 64 integers: max(integer + zero, 0), at most 255 by the caller's care; zero in 0...255. Returns
/// `sum` with the codes added, spread over its lanes.
@inline(__always) func storeCodes(
  _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, zero: Int32,
  _ target: UnsafeMutablePointer<UInt8>, addingTo sum: IntegerLanes
) -> IntegerLanes {
  @inline(__always) func codes(_ integers: IntegerLanes) -> IntegerLanes {
    let moved = integers.value &+ SIMD16(repeating: zero)
    return IntegerLanes(moved.replacing(with: 0, where: moved .< 0))
  }
  let first = (codes(a), codes(b))
  let second = (codes(c), codes(d))
  IntegerLanes.storeBytes(first.0, first.1, target)
  IntegerLanes.storeBytes(second.0, second.1, target + 32)
  return sum &+ first.0 &+ first.1 &+ (second.0 &+ second.1)
}
