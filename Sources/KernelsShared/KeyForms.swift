// How codes of keys lie in tiles of sixteen positions: blocks of 32 bytes, two of each position, for two channels.

/// Sums of up to four rows over sixteen keys.
struct KeySums {
  var a, b, c, d: IntegerLanes

  /// They start from what the constant of unsigned codes adds, of `rows` rows, a constant of the caller.
  @inline(__always) init(_ rows: Int, _ starts: UnsafePointer<Int32>) {
    let zero = IntegerLanes(repeating: 0)
    a = IntegerLanes(repeating: starts[0])
    b = rows > 1 ? IntegerLanes(repeating: starts[1]) : zero
    c = rows > 2 ? IntegerLanes(repeating: starts[2]) : zero
    d = rows > 3 ? IntegerLanes(repeating: starts[3]) : zero
  }

  /// Two channels of the rows, whose words are `stride` apart.
  @inline(__always) mutating func add(
    _ rows: Int, _ keys: WordPairs, _ query: UnsafePointer<Int32>, _ stride: Int
  ) {
    a = dot(a, query[0], keys)
    if rows > 1 { b = dot(b, query[stride], keys) }
    if rows > 2 { c = dot(c, query[2 &* stride], keys) }
    if rows > 3 { d = dot(d, query[3 &* stride], keys) }
  }
}

/// Codes of some bits.
protocol KeyForm {
  static var bits: Int { get }
  /// Channels of a group, and blocks that it takes.
  static var channels: Int { get }
  static var blocks: Int { get }
  /// The byte of a block for even (0) or odd (1) channels of a group's codes, which are moved by `offset`.
  static func byte(_ codes: UnsafePointer<UInt8>, _ block: Int, _ parity: Int) -> UInt8
  /// Adds all channels of a tile.
  static func add(
    _ sums: inout KeySums, _ rows: Int, _ tile: UnsafePointer<UInt8>, _ headDim: Int,
    _ queries: UnsafePointer<Int32>)
}

extension KeyForm {
  @inline(__always) static func tileBytes(_ headDim: Int) -> Int { 2 &* bits &* headDim }

  /// What makes codes unsigned; those of 8 bits are not.
  @inline(__always) static var offset: Int32 { bits == 8 ? 0 : Int32(truncatingIfNeeded: 1 &<< (bits &- 1)) }

  /// Puts `count` of up to 16 codes of a position into its place.
  @inline(__always) static func store(
    _ codes: UnsafePointer<UInt8>, _ count: Int, _ place: UnsafeMutablePointer<UInt8>
  ) {
    var (group, target) = (0, place)
    while group < count {
      for block in 0..<blocks {
        target[0] = byte(codes + group, block, 0)
        target[1] = byte(codes + group, block, 1)
        target += 32
      }
      group &+= channels
    }
  }
}

/// Signed bytes.
enum ByteKeys: KeyForm {
  @inline(__always) static var bits: Int { 8 }
  @inline(__always) static var channels: Int { 2 }
  @inline(__always) static var blocks: Int { 1 }

  @inline(__always) static func byte(_ codes: UnsafePointer<UInt8>, _ block: Int, _ parity: Int) -> UInt8 {
    codes[parity]
  }

  @inline(__always) static func add(
    _ sums: inout KeySums, _ rows: Int, _ tile: UnsafePointer<UInt8>, _ headDim: Int,
    _ queries: UnsafePointer<Int32>
  ) {
    let codes = UnsafeRawPointer(tile).assumingMemoryBound(to: Int8.self)
    for pair in 0..<headDim / 2 {
      sums.add(rows, WordPairs(signedBytes: codes + 32 &* pair), queries + pair, headDim / 2)
    }
  }
}

/// The second two of four channels are the high nibbles.
enum NibbleKeys: KeyForm {
  @inline(__always) static var bits: Int { 4 }
  @inline(__always) static var channels: Int { 4 }
  @inline(__always) static var blocks: Int { 1 }

  @inline(__always) static func byte(_ codes: UnsafePointer<UInt8>, _ block: Int, _ parity: Int) -> UInt8 {
    codes[parity] | codes[2 &+ parity] &<< 4
  }

  @inline(__always) static func add(
    _ sums: inout KeySums, _ rows: Int, _ tile: UnsafePointer<UInt8>, _ headDim: Int,
    _ queries: UnsafePointer<Int32>
  ) {
    let mask = ByteBlock(repeating: 15)
    for group in 0..<headDim / 4 {
      let (bytes, query) = (ByteBlock(load: tile + 32 &* group), queries + 2 &* group)
      sums.add(rows, WordPairs(bytes & mask), query, headDim / 2)
      sums.add(rows, WordPairs(bytes.shiftedRight(4) & mask), query + 1, headDim / 2)
    }
  }
}

/// The last two of eight channels are the upper two bits of the three blocks of the others, the lowest first.
enum SixBitKeys: KeyForm {
  @inline(__always) static var bits: Int { 6 }
  @inline(__always) static var channels: Int { 8 }
  @inline(__always) static var blocks: Int { 3 }

  @inline(__always) static func byte(_ codes: UnsafePointer<UInt8>, _ block: Int, _ parity: Int) -> UInt8 {
    let last = codes[6 &+ parity] &>> UInt8(truncatingIfNeeded: 2 &* block)
    return codes[2 &* block &+ parity] | last &<< 6
  }

  @inline(__always) static func add(
    _ sums: inout KeySums, _ rows: Int, _ tile: UnsafePointer<UInt8>, _ headDim: Int,
    _ queries: UnsafePointer<Int32>
  ) {
    let (mask, lowest) = (ByteBlock(repeating: 63), ByteBlock(repeating: 3))
    let (middle, highest) = (ByteBlock(repeating: 12), ByteBlock(repeating: 48))
    for group in 0..<headDim / 8 {
      let (place, query) = (tile + 96 &* group, queries + 4 &* group)
      let (a, b, c) = (ByteBlock(load: place), ByteBlock(load: place + 32), ByteBlock(load: place + 64))
      sums.add(rows, WordPairs(a & mask), query, headDim / 2)
      sums.add(rows, WordPairs(b & mask), query + 1, headDim / 2)
      sums.add(rows, WordPairs(c & mask), query + 2, headDim / 2)
      let last = a.shiftedRight(6) & lowest | b.shiftedRight(4) & middle | c.shiftedRight(2) & highest
      sums.add(rows, WordPairs(last), query + 3, headDim / 2)
    }
  }
}
