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
    var state = Self.seed
    for index in range { Self.mix(pieces.bytes[index], into: &state) }
    var slot = Self.place(state) & mask
    while slots[slot] != Self.empty { slot = (slot + 1) & mask }
    slots[slot] = UInt32(truncatingIfNeeded: id)
  }

  package func find(_ text: [UInt8], _ range: Range<Int>, in pieces: PieceList) -> Int? {
    var state = Self.seed
    for index in range { Self.mix(text[index], into: &state) }
    return find(text, range, state, in: pieces)
  }

  private func find(_ text: [UInt8], _ range: Range<Int>, _ state: UInt64, in pieces: PieceList) -> Int? {
    var slot = Self.place(state) & mask
    while slots[slot] != Self.empty {
      let id = Int(slots[slot])
      let piece = pieces.range(id)
      if piece.count == range.count, Self.areEqual(text, range, pieces.bytes, piece) { return id }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Calls `body` with each token that a text goes on with, the shortest first; they end behind a whole character.
  func forEachBeginning(
    _ text: [UInt8], _ range: Range<Int>, in pieces: PieceList, _ body: (_ id: Int, _ end: Int) -> Void
  ) {
    let end = min(range.upperBound, range.lowerBound + longest)
    var state = Self.seed
    var place = range.lowerBound
    while place < end {
      let next = place + TextScalar(text, at: place, end: range.upperBound).length
      guard next <= end else { return }
      for index in place..<next { Self.mix(text[index], into: &state) }
      place = next
      if let id = find(text, range.lowerBound..<next, state, in: pieces) { body(id, next) }
    }
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

  private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325

  @inline(__always)
  private static func mix(_ byte: UInt8, into state: inout UInt64) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
  }

  private static func place(_ state: UInt64) -> Int {
    Int(truncatingIfNeeded: (state ^ state >> 29) & 0x3fff_ffff)
  }
}
