/// What is wrong with the description of a tokenizer.
package struct TokenizerError: Error, Sendable, Hashable {
  /// `merges[3]`, as the file's format names it.
  package var field: String
  package var message: String

  package init(_ field: String, _ message: String) { (self.field, self.message) = (field, message) }
}

extension TokenizerDescription {
  /// What the functions of a tokenizer rely on.
  func check() throws(TokenizerError) {
    try checkCounts()
    guard algorithm.hasMerges || merges.isEmpty else {
      throw TokenizerError("merges", "are for merges in the order of a list only")
    }
    guard algorithm.splits.contains(split) else {
      throw TokenizerError("split", "\(split) does not go with \(algorithm)")
    }
    if let odd = scores.firstIndex(where: { !$0.isFinite }) {
      throw TokenizerError("scores[\(odd)]", "is not finite")
    }
    if let odd = likelihoods.firstIndex(where: { !$0.isFinite }) {
      throw TokenizerError("likelihoods[\(odd)]", "is not finite")
    }
    for (name, ids) in [("prefix", prefix), ("suffix", suffix)] {
      if let odd = ids.firstIndex(where: { $0 >= pieces.count }) {
        throw TokenizerError("\(name)[\(odd)]", "there is no token \(ids[odd])")
      }
    }
    for (index, merge) in merges.enumerated() where max(merge.left, merge.right) >= pieces.count {
      throw TokenizerError("merges[\(index)]", "there is no token \(max(merge.left, merge.right))")
    }
    if let odd = rules.keys.filter({ !pieces.indices.contains($0) }).min() {
      throw TokenizerError("rules", "there is no token \(odd)")
    }
  }

  private func checkCounts() throws(TokenizerError) {
    for (name, count, isThere) in [
      ("roles", roles.count, true), ("scores", scores.count, algorithm == .scoredMerges),
      ("likelihoods", likelihoods.count, algorithm == .likelyPieces),
    ] where count != (isThere ? pieces.count : 0) {
      throw TokenizerError(name, "\(count) for \(pieces.count) pieces")
    }
  }
}
