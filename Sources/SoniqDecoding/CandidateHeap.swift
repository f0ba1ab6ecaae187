/// Tokens with the best on top: that with the greatest score, of equal ones the lowest.
struct CandidateHeap {
  let tokens: UnsafeMutablePointer<Int32>
  /// By token.
  let scores: UnsafeMutablePointer<Double>
  private(set) var count: Int

  /// Orders the first `count` tokens.
  init(_ tokens: UnsafeMutablePointer<Int32>, scores: UnsafeMutablePointer<Double>, count: Int) {
    self.tokens = tokens
    self.scores = scores
    self.count = count
    var parent = count / 2
    while parent > 0 {
      parent -= 1
      sink(parent)
    }
  }

  private func isBetter(_ a: Int32, _ b: Int32) -> Bool {
    let (first, second) = (scores[Int(a)], scores[Int(b)])
    return first > second || (first == second && a < b)
  }

  private func sink(_ start: Int) {
    var parent = start
    while 2 * parent + 1 < count {
      var child = 2 * parent + 1
      if child + 1 < count, isBetter(tokens[child + 1], tokens[child]) { child += 1 }
      guard isBetter(tokens[child], tokens[parent]) else { return }
      swap(parent, child)
      parent = child
    }
  }

  private func swap(_ a: Int, _ b: Int) { (tokens[a], tokens[b]) = (tokens[b], tokens[a]) }

  /// Moves the best behind those that remain; there is one.
  ///
  /// - Returns: it.
  mutating func takeBest() -> Int32 {
    count -= 1
    swap(0, count)
    sink(0)
    return tokens[count]
  }
}
