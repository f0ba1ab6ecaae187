/// Names of dynamic sizes that are one size, because an operation joins, adds or multiplies what has them.
struct EqualSizes: Sendable {
  /// Of every name but the first of its set, another one of the set.
  private var parents: [String: String] = [:]

  /// The name that stands for all names of a set.
  func first(of name: String) -> String {
    var name = name
    while let parent = parents[name] { name = parent }
    return name
  }

  /// Makes one set of two; the first name of `left` stays the first.
  mutating func join(_ left: String, _ right: String) {
    let (kept, joined) = (first(of: left), first(of: right))
    if kept != joined { parents[joined] = kept }
  }

  /// The smallest maximum that the user gave a name of the set.
  func maximum(of first: String, _ maximums: [String: Int]) -> Int? {
    maximums.filter { self.first(of: $0.key) == first }.map(\.value).min()
  }
}
