/// Symbols that become one another's neighbours as they are merged, and a heap of the pairs that can be: n log n for any
/// text.
struct MergeQueue {
  /// Part of a text, which has less than 2^32 bytes; a list that loses members.
  struct Symbol {
    var begin: UInt32
    var end: UInt32
    /// The token, where the rule for merges needs it.
    var id: UInt32
    var previous: Int32
    var next: Int32
    var isGone: Bool { begin == end }
    var range: Range<Int> { Int(begin)..<Int(end) }
  }
  struct Candidate {
    /// The least is merged first; of equal ones the one that stands first.
    var rank: Int64
    var left: UInt32
    var right: UInt32
    /// Where the symbols ended when the pair was found: they may have been merged since.
    var leftEnd: UInt32
    var rightEnd: UInt32
    var result: UInt32

    func isBefore(_ other: Candidate) -> Bool { rank != other.rank ? rank < other.rank : left < other.left }
  }

  private(set) var symbols: [Symbol] = []
  private var heap: [Candidate] = []
  private var capacity = 0

  /// Forgets all symbols; there is room for so many then.
  mutating func clear(room count: Int, _ room: inout ByteRoom) throws(ByteRoom.Exhausted) {
    symbols.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    guard count > capacity else { return }
    (symbols, heap) = ([], [])
    capacity = max(count, 2 * capacity, 256)
    // Each of n - 1 merges takes a pair from the n - 1 of the beginning and finds two at most.
    try room.need(capacity * (MemoryLayout<Symbol>.stride + 2 * MemoryLayout<Candidate>.stride))
    symbols.reserveCapacity(capacity)
    heap.reserveCapacity(2 * capacity)
  }

  mutating func append(_ range: Range<Int>, id: UInt32) {
    let index = symbols.count
    if index > 0 { symbols[index - 1].next = Int32(truncatingIfNeeded: index) }
    symbols.append(
      Symbol(
        begin: UInt32(truncatingIfNeeded: range.lowerBound),
        end: UInt32(truncatingIfNeeded: range.upperBound),
        id: id, previous: Int32(truncatingIfNeeded: index - 1), next: -1))
  }

  /// Lets the last symbol go on; its token is the same.
  mutating func extendLast(to end: Int) { symbols[symbols.count - 1].end = UInt32(truncatingIfNeeded: end) }

  /// Merges until no pair can be. `rule` says what two neighbours give.
  mutating func run(_ rule: (Symbol, Symbol) -> (rank: Int64, result: UInt32)?) {
    for index in symbols.indices.dropLast() { consider(index, index + 1, rule) }
    while let candidate = pop() {
      let (left, right) = (Int(candidate.left), Int(candidate.right))
      guard !symbols[left].isGone, !symbols[right].isGone, symbols[left].end == candidate.leftEnd,
        symbols[right].end == candidate.rightEnd
      else { continue }
      symbols[left].end = symbols[right].end
      symbols[left].id = candidate.result
      symbols[left].next = symbols[right].next
      symbols[right].begin = symbols[right].end
      let next = Int(symbols[left].next)
      if next >= 0 {
        symbols[next].previous = Int32(truncatingIfNeeded: left)
        consider(left, next, rule)
      }
      if symbols[left].previous >= 0 { consider(Int(symbols[left].previous), left, rule) }
    }
  }

  private mutating func consider(
    _ left: Int, _ right: Int, _ rule: (Symbol, Symbol) -> (rank: Int64, result: UInt32)?
  ) {
    guard let (rank, result) = rule(symbols[left], symbols[right]) else { return }
    push(
      Candidate(
        rank: rank, left: UInt32(truncatingIfNeeded: left), right: UInt32(truncatingIfNeeded: right),
        leftEnd: symbols[left].end, rightEnd: symbols[right].end, result: result))
  }

  private mutating func push(_ candidate: Candidate) {
    heap.append(candidate)
    var index = heap.count - 1
    while index > 0, candidate.isBefore(heap[(index - 1) / 2]) {
      heap[index] = heap[(index - 1) / 2]
      index = (index - 1) / 2
    }
    heap[index] = candidate
  }

  private mutating func pop() -> Candidate? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return first }
    var index = 0
    while 2 * index + 1 < heap.count {
      var child = 2 * index + 1
      if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
      guard heap[child].isBefore(last) else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = last
    return first
  }
}
