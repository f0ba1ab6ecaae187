package import SoniqGraph

/// One field of the attributes of an operation, as docs/format.md lists them.
package struct AttributeField: Sendable {
  package var name: String
  /// "u8", "i32", "reserved", ...; what it stands for beside a number is in the properties below.
  package var type: String
  /// Reserved bytes.
  package var count: Int?
  /// The numbers that it may have.
  package var range: ClosedRange<Int>?
  /// Of a tag: its raw values with their names and the first version that has each.
  package var values: [(value: Int, name: String, since: Int)] = []
  /// Of a byte of flags: the name of each bit.
  package var flags: [String] = []
  /// The first version that has it, else reserved.
  package var since = 1
  /// Of a list: what each of its elements is made of, and the field that says how many there are.
  package var fields: [AttributeField] = []
  package var counter: String?
}

/// What a kind of operation looks like in a file.
package struct OperationDescription: Sendable {
  package let schema: OperatorSchema
  package let fields: [AttributeField]

  /// Every kind, in the order of the tags.
  package static var all: [OperationDescription] { Operation.kinds.map { OperationDescription($0) } }

  private init<Kind: Operator>(_ kind: Kind.Type) {
    var (attributes, lister) = (Kind(), AttributeLister())
    try? attributes.code(&lister)
    schema = kind.schema
    fields = lister.fields
  }
}

/// Lists the fields that an operator hands out.
private struct AttributeLister: AttributeCoder {
  typealias Failure = FormatError
  private(set) var fields: [AttributeField] = []

  private mutating func add(
    _ name: String, _ type: String, _ change: (inout AttributeField) -> Void = { _ in }
  ) {
    var field = AttributeField(name: name, type: type)
    change(&field)
    fields.append(field)
  }

  mutating func reserved(_ count: Int) { add("reserved", "reserved") { $0.count = count } }
  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) {
    add(name, "u8") { $0.range = range }
  }
  mutating func rank(_ value: inout Int) { add("rank", "u8") { $0.range = 1...maximumRank } }
  mutating func flag(_ name: String, _ value: inout Bool, since: Int) {
    add(name, "u8") { ($0.range, $0.since) = (0...1, since) }
  }
  mutating func flags(_ names: [String], _ values: inout [Bool]) {
    add("flags", "flags") { $0.flags = names }
  }
  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) {
    add(name, "tag") { $0.values = Tag.allCases.map { (Int($0.rawValue), "\($0)", $0.since) } }
  }
  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) {
    add(name, "u32") { $0.range = range }
  }
  mutating func signed(_ name: String, _ value: inout Int) { add(name, "i32") }
  mutating func float(_ name: String, _ value: inout Float) { add(name, "f32") }
  mutating func constant(_ name: String, _ value: inout ConstantID) { add(name, "constant") }
  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) {
    add(name, "optional constant")
  }
  mutating func dimension(_ name: String, _ value: inout Dimension, from least: Int, symbolsSince: Int) {
    add(name, "dimension") { ($0.range, $0.since) = (least...maximumDimension, symbolsSince) }
  }
  mutating func count(_ name: String, _ value: inout Int, limit: Int) {
    add(name, "u32") { $0.range = 0...limit }
  }
  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(FormatError) -> Void
  ) throws(FormatError) {
    var (inner, value) = (AttributeLister(), start)
    try element(&inner, &value)
    let parts = inner.fields
    add("", "list") { ($0.fields, $0.counter) = (parts, counter) }
  }
  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) {}
}
