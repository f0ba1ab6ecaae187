/// Texts that are tokens of their own, wherever they stand: sorted, so that the longest that begins at a place is found by
/// halving the list at each byte.
struct SpecialPieces: Sendable {
  private var ids: [UInt32] = []
  /// Whether a piece begins with a byte.
  private var starts = [Bool](repeating: false, count: 256)

  init(_ pieces: PieceList, ids: [Int]) {
    let used = ids.filter { !pieces.range($0).isEmpty }
    let sorted = used.sorted { left, right in
      pieces[left].lexicographicallyPrecedes(pieces[right])
    }
    for id in sorted {
      self.ids.append(UInt32(truncatingIfNeeded: id))
      starts[Int(pieces.bytes[pieces.range(id).lowerBound])] = true
    }
  }

  var isEmpty: Bool { ids.isEmpty }

  /// The longest one that the text goes on with.
  func longest(_ text: [UInt8], at begin: Int, in pieces: PieceList) -> (id: UInt32, length: Int)? {
    guard begin < text.count, starts[Int(text[begin])] else { return nil }
    var (low, high) = (0, ids.count)
    var found: (id: UInt32, length: Int)?
    var depth = 0
    while low < high {
      let first = pieces.range(Int(ids[low]))
      if first.count == depth {
        found = (ids[low], depth)
        // Equal texts: the first counts.
        while low < high, pieces.range(Int(ids[low])).count == depth { low += 1 }
        continue
      }
      guard begin + depth < text.count else { break }
      let byte = Int(text[begin + depth])
      low = bound(low, high, depth, pieces) { $0 < byte }
      high = bound(low, high, depth, pieces) { $0 <= byte }
      depth += 1
    }
    return found
  }

  /// The first piece of a range whose byte at `depth` is not before what is looked for; all are longer.
  private func bound(
    _ low: Int, _ high: Int, _ depth: Int, _ pieces: PieceList, _ isBefore: (Int) -> Bool
  ) -> Int {
    var (low, high) = (low, high)
    while low < high {
      let middle = low + (high - low) / 2
      if isBefore(Int(pieces.bytes[pieces.range(Int(ids[middle])).lowerBound + depth])) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
