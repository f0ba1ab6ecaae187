/// Symbols that become one another's neighbours as they are merged, and a heap of the pairs that can be: n log n for any
/// text.
struct MergeQueue {
  /// Part of a text; a list that loses members.
  struct Symbol {
    var begin: Int
    var end: Int
    /// The token, where the rule for merges needs it.
    var id: UInt32
    var previous: Int
    var next: Int
    var isGone: Bool { begin == end }
  }
  struct Candidate {
    /// The least is merged first; of equal ones the one that stands first.
    var rank: Int64
    var left: Int
    var right: Int
    /// Where the right symbol ended when the pair was found: it may have been merged since.
    var leftEnd: Int
    var rightEnd: Int
    var result: UInt32

    func isBefore(_ other: Candidate) -> Bool { rank != other.rank ? rank < other.rank : left < other.left }
  }

  private(set) var symbols: [Symbol] = []
  private var heap: [Candidate] = []

  mutating func clear() {
    symbols.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
  }

  mutating func append(_ range: Range<Int>, id: UInt32) {
    let index = symbols.count
    if index > 0 { symbols[index - 1].next = index }
    symbols.append(
      Symbol(begin: range.lowerBound, end: range.upperBound, id: id, previous: index - 1, next: -1))
  }

  /// Merges until no pair can be. `rule` says what two neighbours give.
  mutating func run(_ rule: (Symbol, Symbol) -> (rank: Int64, result: UInt32)?) {
    for index in symbols.indices.dropLast() { consider(index, index + 1, rule) }
    while let candidate = pop() {
      let (left, right) = (candidate.left, candidate.right)
      guard !symbols[left].isGone, !symbols[right].isGone, symbols[left].end == candidate.leftEnd,
        symbols[right].end == candidate.rightEnd
      else { continue }
      symbols[left].end = symbols[right].end
      symbols[left].id = candidate.result
      symbols[left].next = symbols[right].next
      symbols[right].begin = symbols[right].end
      let next = symbols[left].next
      if next >= 0 {
        symbols[next].previous = left
        consider(left, next, rule)
      }
      if symbols[left].previous >= 0 { consider(symbols[left].previous, left, rule) }
    }
  }

  private mutating func consider(
    _ left: Int, _ right: Int, _ rule: (Symbol, Symbol) -> (rank: Int64, result: UInt32)?
  ) {
    guard let (rank, result) = rule(symbols[left], symbols[right]) else { return }
    push(
      Candidate(
        rank: rank, left: left, right: right, leftEnd: symbols[left].end, rightEnd: symbols[right].end,
        result: result))
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
