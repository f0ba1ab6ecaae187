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
    guard roles.count == pieces.count else {
      throw TokenizerError("roles", "\(roles.count) for \(pieces.count) pieces")
    }
    let usesScores = algorithm == .scoredMerges
    guard scores.count == (usesScores ? pieces.count : 0) else {
      throw TokenizerError("scores", "\(scores.count) for \(pieces.count) pieces")
    }
    guard algorithm == .byteMerges || merges.isEmpty else {
      throw TokenizerError("merges", "are for merges of bytes only")
    }
    guard algorithm == .byteMerges || split == .none else {
      throw TokenizerError("split", "is for merges of bytes only")
    }
    if let odd = scores.firstIndex(where: { !$0.isFinite }) {
      throw TokenizerError("scores[\(odd)]", "is not finite")
    }
    for (name, ids) in [("prefix", prefix), ("suffix", suffix)] {
      if let odd = ids.firstIndex(where: { $0 >= pieces.count }) {
        throw TokenizerError("\(name)[\(odd)]", "there is no token \(ids[odd])")
      }
    }
    for (index, merge) in merges.enumerated() where max(merge.left, merge.right) >= pieces.count {
      throw TokenizerError("merges[\(index)]", "there is no token \(max(merge.left, merge.right))")
    }
  }
}
