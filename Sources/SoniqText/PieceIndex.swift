/// Finds tokens by their bytes: a hash table of ids with open addressing.
package struct PieceIndex: Sendable {
  private static let empty = UInt32.max
  private var slots: [UInt32]
  private let mask: Int
  /// Of the longest piece.
  private(set) var longest = 0

  /// Of equal pieces the first is found.
  package init(_ pieces: PieceList, ids: some Sequence<Int>) {
    self.init(pieces, first: ids, then: EmptyCollection())
  }

  init(_ pieces: PieceList, first: some Sequence<Int>, then: some Sequence<Int>) {
    var size = 16
    while size < 2 * pieces.count { size *= 2 }
    slots = [UInt32](repeating: Self.empty, count: size)
    mask = size - 1
    for id in first { insert(id, pieces) }
    for id in then { insert(id, pieces) }
  }

  private mutating func insert(_ id: Int, _ pieces: PieceList) {
    let range = pieces.range(id)
    guard !range.isEmpty, find(pieces.bytes, range, in: pieces) == nil else { return }
    longest = max(longest, range.count)
    var slot = Self.hash(pieces.bytes, range) & mask
    while slots[slot] != Self.empty { slot = (slot + 1) & mask }
    slots[slot] = UInt32(truncatingIfNeeded: id)
  }

  package func find(_ text: [UInt8], _ range: Range<Int>, in pieces: PieceList) -> Int? {
    var slot = Self.hash(text, range) & mask
    while slots[slot] != Self.empty {
      let id = Int(slots[slot])
      let piece = pieces.range(id)
      if piece.count == range.count, Self.areEqual(text, range, pieces.bytes, piece) { return id }
      slot = (slot + 1) & mask
    }
    return nil
  }

  private static func areEqual(
    _ left: [UInt8], _ leftRange: Range<Int>, _ right: [UInt8], _ rightRange: Range<Int>
  ) -> Bool {
    var place = rightRange.lowerBound
    for index in leftRange {
      if left[index] != right[place] { return false }
      place += 1
    }
    return true
  }

  private static func hash(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
    var state: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in range { state = (state ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
    return Int(truncatingIfNeeded: (state ^ state >> 29) & 0x3fff_ffff)
  }
}
