import SoniqGraph

/// Appends the attributes of operations, which were validated.
struct AttributeWriter: AttributeCoder {
  var sink: ByteSink
  // Nothing is thrown; a type that can be, for the closures of lists.
  typealias Failure = FormatError
  /// The first version of the format that has everything written.
  private(set) var version = 1

  init(_ sink: ByteSink) { self.sink = sink }

  mutating func reserved(_ count: Int) { sink.zeros(count) }
  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) { sink.byte(value) }
  mutating func rank(_ value: inout Int) { sink.byte(value) }

  mutating func flag(_ name: String, _ value: inout Bool, since: Int) {
    sink.byte(value ? 1 : 0)
    if value { version = max(version, since) }
  }

  mutating func flags(_ names: [String], _ values: inout [Bool]) {
    sink.byte(values.enumerated().reduce(0) { $0 | ($1.element ? 1 << $1.offset : 0) })
  }

  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) {
    sink.byte(Int(value.rawValue))
    version = max(version, value.since)
  }

  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) { sink.word(value) }
  mutating func signed(_ name: String, _ value: inout Int) { sink.int32(Int32(truncatingIfNeeded: value)) }
  mutating func float(_ name: String, _ value: inout Float) { sink.float(value) }
  mutating func constant(_ name: String, _ value: inout ConstantID) { sink.word(value) }
  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) {
    sink.word(value.map { $0 + 1 } ?? 0)
  }
  mutating func dimension(_ name: String, _ value: inout Dimension, from least: Int, symbolsSince: Int) {
    ModelSerializer.write(value, to: &sink)
    if value.isDynamic { version = max(version, symbolsSince) }
  }
  mutating func count(_ name: String, _ value: inout Int, limit: Int) { sink.word(value) }

  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(FormatError) -> Void
  ) throws(FormatError) {
    for index in values.indices { try element(&self, &values[index]) }
  }

  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) {}
}

extension Operation {
  /// Appends the tag of a tensor operation, and the attributes.
  /// - Returns: the first version of the format that has them.
  func write(to sink: inout ByteSink) throws(FormatError) -> Int {
    let schema = schema
    if let tag = schema.tensorTag { sink.byte(Int(tag)) }
    func write(_ attributes: some Operator) throws(FormatError) -> AttributeWriter {
      var attributes = attributes
      var writer = AttributeWriter(sink)
      try attributes.code(&writer)
      return writer
    }
    let writer = try write(attributes)
    sink = writer.sink
    return max(schema.since, writer.version)
  }

  /// The first version of the format that has it.
  func formatVersion() throws(FormatError) -> Int {
    var sink = ByteSink()
    return try write(to: &sink)
  }
}
