/// Memory that encoding asks for as it needs it: an allocation of Swift must not fail, so it is asked for first.
struct ByteRoom {
  /// There is no memory.
  struct Exhausted: Error {}

  private let reserve: (Int) -> Bool
  /// Of what was asked for.
  private var left: Int
  private static let step = 1 << 20

  /// * allowance: bytes that are there already.
  /// * reserve: asks for so many bytes more, for as long as the text is encoded.
  init(allowance: Int, reserve: @escaping (Int) -> Bool) { (left, self.reserve) = (allowance, reserve) }

  /// For an allocation of so many bytes.
  mutating func need(_ byteCount: Int) throws(Exhausted) {
    // What an allocation costs beside its bytes.
    let byteCount = byteCount + 64
    if byteCount > left {
      let more = max(byteCount, Self.step)
      // Blocks round up.
      guard reserve(more + more / 4) else { throw Exhausted() }
      left += more
    }
    left -= byteCount
  }

  /// An allocation of so many bytes has ended.
  mutating func giveBack(_ byteCount: Int) { left += byteCount + 64 }
}

/// Bytes one behind the other, in memory that was asked for.
struct GrowingBytes {
  private(set) var bytes: [UInt8] = []
  private var capacity = 0
  /// Places in a text have 32 bits elsewhere.
  static let limit = 1 << 30

  mutating func append(_ byte: UInt8, _ room: inout ByteRoom) throws(ByteRoom.Exhausted) {
    try grow(1, &room)
    bytes.append(byte)
  }

  mutating func append(
    contentsOf more: some Collection<UInt8>, _ room: inout ByteRoom
  ) throws(ByteRoom.Exhausted) {
    try grow(more.count, &room)
    bytes.append(contentsOf: more)
  }

  mutating func append(
    _ scalar: Unicode.Scalar, _ room: inout ByteRoom
  ) throws(ByteRoom.Exhausted) {
    for byte in scalar.utf8 { try append(byte, &room) }
  }

  private mutating func grow(_ count: Int, _ room: inout ByteRoom) throws(ByteRoom.Exhausted) {
    let needed = bytes.count + count
    guard needed > capacity else { return }
    guard needed <= Self.limit else { throw ByteRoom.Exhausted() }
    capacity = max(2 * capacity, needed, 256)
    try room.need(capacity)
    bytes.reserveCapacity(capacity)
  }
}

/// Where ids go: memory of the caller, as far as there is any. All are counted.
package struct TokenSink {
  private let target: UnsafeMutableBufferPointer<Int32>
  package private(set) var count = 0

  package init(_ target: UnsafeMutableBufferPointer<Int32>) { self.target = target }

  mutating func append(_ id: UInt32) {
    if count < target.count { target[count] = Int32(bitPattern: id) }
    count += 1
  }
}
