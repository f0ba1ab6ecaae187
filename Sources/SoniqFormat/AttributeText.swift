package import SoniqGraph

/// Attributes in words: "heads=12 scale=0.125 ...". Tags are their raw values; a list is written by its fields.
struct AttributeText: AttributeCoder {
  typealias Failure = FormatError
  private(set) var words: [String] = []
  /// In a list: the fields of its elements in their order, and their values.
  private var columns: [(name: String, values: [String])]?

  private mutating func put(_ name: String, _ value: String) {
    guard columns != nil else {
      words.append("\(name)=\(value)")
      return
    }
    if let index = columns?.firstIndex(where: { $0.name == name }) {
      columns?[index].values.append(value)
    } else {
      columns?.append((name, [value]))
    }
  }

  mutating func reserved(_ count: Int) {}
  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) { put(name, "\(value)") }
  mutating func rank(_ value: inout Int) { put("rank", "\(value)") }
  mutating func flag(_ name: String, _ value: inout Bool, since: Int) { put(name, value ? "1" : "0") }
  mutating func flags(_ names: [String], _ values: inout [Bool]) {
    for (name, value) in zip(names, values) { put(name, value ? "1" : "0") }
  }
  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) { put(name, "\(value.rawValue)") }
  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) { put(name, "\(value)") }
  mutating func signed(_ name: String, _ value: inout Int) { put(name, "\(value)") }
  mutating func float(_ name: String, _ value: inout Float) { put(name, "\(value)") }
  mutating func constant(_ name: String, _ value: inout ConstantID) { put(name, "\(value)") }
  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) {
    put(name, value.map { "\($0)" } ?? "none")
  }
  mutating func dimension(_ name: String, _ value: inout Dimension, from least: Int, symbolsSince: Int) {
    switch value {
    case .fixed(let size): put(name, "\(size)")
    case .symbol(let symbol): put(name, "symbol \(symbol)")
    }
  }
  mutating func count(_ name: String, _ value: inout Int, limit: Int) { put(name, "\(value)") }

  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(FormatError) -> Void
  ) throws(FormatError) {
    columns = []
    for index in values.indices { try element(&self, &values[index]) }
    let made = columns ?? []
    columns = nil
    for column in made { put(column.name, "[" + column.values.joined(separator: ", ") + "]") }
  }

  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) {}
}

extension Operation {
  /// Name and attributes.
  package var words: String {
    func text(_ attributes: some Operator) -> [String] {
      var (attributes, text) = (attributes, AttributeText())
      try? attributes.code(&text)
      return text.words
    }
    return ([schema.name] + text(attributes)).joined(separator: " ")
  }
}
