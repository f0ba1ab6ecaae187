/// Which two tokens make which third, and how early: a hash table of pairs.
struct MergeTable: Sendable {
  struct Entry: Sendable {
    var pair: UInt64
    var rank: UInt32
    var result: UInt32
  }
  private static let empty = UInt64.max
  private var entries: [Entry]
  private let mask: Int

  init(count: Int) {
    var size = 16
    while size < 2 * count { size *= 2 }
    entries = [Entry](repeating: Entry(pair: Self.empty, rank: 0, result: 0), count: size)
    mask = size - 1
  }

  /// Of a pair that is there twice the last rank counts, as everywhere.
  mutating func insert(_ left: UInt32, _ right: UInt32, rank: UInt32, result: UInt32) {
    let pair = UInt64(left) << 32 | UInt64(right)
    var slot = place(pair)
    while entries[slot].pair != Self.empty, entries[slot].pair != pair { slot = (slot + 1) & mask }
    entries[slot] = Entry(pair: pair, rank: rank, result: result)
  }

  func find(_ left: UInt32, _ right: UInt32) -> (rank: UInt32, result: UInt32)? {
    let pair = UInt64(left) << 32 | UInt64(right)
    var slot = place(pair)
    while entries[slot].pair != Self.empty {
      if entries[slot].pair == pair { return (entries[slot].rank, entries[slot].result) }
      slot = (slot + 1) & mask
    }
    return nil
  }

  private func place(_ pair: UInt64) -> Int {
    let mixed = pair &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed >> 33) & mask
  }

  /// - Throws: the first merge that gives no token.
  init(_ description: TokenizerDescription, _ index: PieceIndex) throws(TokenizerError) {
    self.init(count: description.merges.count)
    let pieces = description.pieces
    var joined: [UInt8] = []
    for (rank, merge) in description.merges.enumerated() {
      joined.removeAll(keepingCapacity: true)
      joined += pieces[Int(merge.left)]
      joined += pieces[Int(merge.right)]
      guard let result = index.find(joined, 0..<joined.count, in: pieces) else {
        throw TokenizerError("merges[\(rank)]", "what the two make together is no token")
      }
      insert(
        merge.left, merge.right, rank: UInt32(truncatingIfNeeded: rank),
        result: UInt32(truncatingIfNeeded: result))
    }
  }
}
