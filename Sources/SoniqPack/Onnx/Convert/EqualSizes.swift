import SoniqGraph

/// Names of dynamic sizes that are one size, because an operation joins, adds or multiplies what has them.
struct EqualSizes: Sendable {
  /// Of every name but the first of its set, another one of the set.
  private var parents: [String: String] = [:]
  private var numbers: [String: Int] = [:]

  /// The name that stands for all names of a set.
  func first(of name: String) -> String {
    var name = name
    while let parent = parents[name] { name = parent }
    return name
  }

  /// Makes one set of two; the first name of `left` stays the first.
  ///
  /// - Returns: whether they were two.
  mutating func join(_ left: String, _ right: String) -> Bool {
    let (kept, joined) = (first(of: left), first(of: right))
    guard kept != joined else { return false }
    parents[joined] = kept
    return true
  }

  /// The symbol that a size called so must be, where it is another one; nil when it is not known yet.
  func other(than name: String, in symbols: [Symbol]) -> Int? {
    let first = first(of: name)
    return first == name ? nil : symbols.firstIndex { $0.name == first }
  }

  /// The number that a size called so must be; nil where it need be none.
  func number(of name: String) -> Int? { numbers[first(of: name)] }

  /// Notes that a size must be a number.
  ///
  /// - Returns: whether that is new.
  mutating func set(_ name: String, to number: Int) -> Bool {
    numbers.updateValue(number, forKey: first(of: name)) == nil
  }

  /// The smallest maximum that the user gave a name of the set.
  func maximum(of first: String, _ maximums: [String: Int]) -> Int? {
    maximums.filter { self.first(of: $0.key) == first }.map(\.value).min()
  }
}
