/// Texts that are tokens of their own, wherever they stand: sorted, so that the longest that begins at a place is found by
/// halving the list at each byte.
struct SpecialPieces: Sendable {
  struct Name {
    /// In a list of texts.
    var place: UInt32
    var id: UInt32
    var rule: NameRule
  }
  struct Match {
    var id: UInt32
    /// With the white space that is part of it.
    var range: Range<Int>
  }
  private var names = PieceList()
  /// Of each name.
  private var ids: [UInt32] = []
  private var rules: [NameRule] = []
  /// Whether a name begins with a byte.
  private var starts = [Bool](repeating: false, count: 256)

  init(_ texts: PieceList, _ names: [Name]) {
    var sorted = names.filter { !texts[Int($0.place)].isEmpty }
    sorted.sort { left, right in
      let (first, second) = (texts[Int(left.place)], texts[Int(right.place)])
      return first == second ? left.id < right.id : first.lexicographicallyPrecedes(second)
    }
    for name in sorted {
      let text = texts[Int(name.place)]
      self.names.append(text)
      ids.append(name.id)
      rules.append(name.rule)
      starts[Int(text[text.startIndex])] = true
    }
  }

  var isEmpty: Bool { ids.isEmpty }

  /// The first one behind a place, the longest of those that begin where it does.
  func next(_ text: [UInt8], from begin: Int) -> Match? {
    guard !isEmpty else { return nil }
    var place = begin
    while place < text.count {
      guard starts[Int(text[place])], let (name, length) = longest(text, at: place) else {
        place += 1
        continue
      }
      let end = place + length
      let rule = rules[name]
      if rule.contains(.wholeWord), Self.isOfWord(text, place, end) {
        place = end
        continue
      }
      let first = rule.contains(.takesSpaceBefore) ? Self.spaces(text, before: place, from: begin) : place
      let last = rule.contains(.takesSpaceBehind) ? Self.spaces(text, behind: end) : end
      return Match(id: ids[name], range: first..<last)
    }
    return nil
  }

  private static func isOfWord(_ text: [UInt8], _ begin: Int, _ end: Int) -> Bool {
    begin > 0 && TextScalar(text, before: begin).isOfWord
      || end < text.count && TextScalar(text, at: end, end: text.count).isOfWord
  }

  private static func spaces(_ text: [UInt8], before end: Int, from begin: Int) -> Int {
    var place = end
    while place > begin {
      let scalar = TextScalar(text, before: place)
      guard scalar.isSpace else { break }
      place -= scalar.length
    }
    return max(place, begin)
  }

  private static func spaces(_ text: [UInt8], behind begin: Int) -> Int {
    var place = begin
    while place < text.count {
      let scalar = TextScalar(text, at: place, end: text.count)
      guard scalar.isSpace else { break }
      place += scalar.length
    }
    return place
  }

  /// The longest one that the text goes on with.
  private func longest(_ text: [UInt8], at begin: Int) -> (name: Int, length: Int)? {
    var (low, high) = (0, ids.count)
    var found: (name: Int, length: Int)?
    var depth = 0
    while low < high {
      if names.range(low).count == depth {
        found = (low, depth)
        // Equal texts: the first counts.
        while low < high, names.range(low).count == depth { low += 1 }
        continue
      }
      guard begin + depth < text.count else { break }
      let byte = Int(text[begin + depth])
      low = bound(low, high, depth) { $0 < byte }
      high = bound(low, high, depth) { $0 <= byte }
      depth += 1
    }
    return found
  }

  /// The first name of a range whose byte at `depth` is not before what is looked for; all are longer.
  private func bound(_ low: Int, _ high: Int, _ depth: Int, _ isBefore: (Int) -> Bool) -> Int {
    var (low, high) = (low, high)
    while low < high {
      let middle = low + (high - low) / 2
      if isBefore(Int(names.bytes[names.range(middle).lowerBound + depth])) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
