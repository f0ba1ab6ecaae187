import SoniqGraph

/// Fills the attributes of an operation from the table of nodes; indices are checked against the tables before it.
struct AttributeReader: AttributeCoder {
  var cursor: ByteCursor
  let version: Int
  let symbolCount: Int
  let constantCount: Int

  mutating func reserved(_ count: Int) throws(FormatError) { try cursor.reserved(count) }

  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) throws(FormatError) {
    value = try cursor.byte(name, in: range)
  }

  mutating func rank(_ value: inout Int) throws(FormatError) {
    value = try ModelReader.readRank(&cursor)
  }

  mutating func flag(_ name: String, _ value: inout Bool, since: Int) throws(FormatError) {
    if version < since {
      try cursor.reserved(1)
    } else {
      value = try cursor.flag(name)
    }
  }

  mutating func flags(_ names: [String], _ values: inout [Bool]) throws(FormatError) {
    let bits = try cursor.byte("flags", in: 0...(1 << names.count) - 1)
    for index in values.indices { values[index] = bits >> index & 1 == 1 }
  }

  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) throws(FormatError) {
    value = try cursor.tag(Tag.self, name, version: version)
  }

  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) throws(FormatError) {
    value = try cursor.word(name, in: range)
  }

  mutating func signed(_ name: String, _ value: inout Int) throws(FormatError) {
    value = Int(try cursor.int32(name))
  }

  mutating func float(_ name: String, _ value: inout Float) throws(FormatError) {
    value = try cursor.float(name)
  }

  mutating func constant(_ name: String, _ value: inout ConstantID) throws(FormatError) {
    value = try cursor.index(name, below: constantCount)
  }

  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) throws(FormatError) {
    let index = try cursor.index(name, below: constantCount + 1)
    value = index == 0 ? nil : index - 1
  }

  mutating func dimension(
    _ name: String, _ value: inout Dimension, from least: Int, symbolsSince: Int
  ) throws(FormatError) {
    value = try ModelReader.readDimension(
      &cursor, name, from: least, symbolCount: version < symbolsSince ? nil : symbolCount)
  }

  mutating func count(_ name: String, _ value: inout Int, limit: Int) throws(FormatError) {
    value = try cursor.count(name, limit: limit, size: 4)
  }

  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(FormatError) -> Void
  ) throws(FormatError) {
    values = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      var value = start
      try element(&self, &value)
      values.append(value)
    }
  }

  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) throws(FormatError) {
    guard isValid else { throw cursor.fault(.reservedNotZero, name, at: cursor.offset - bytes) }
  }
}

extension Operator {
  /// The operation with attributes from a file.
  static func read(_ reader: inout AttributeReader) throws(FormatError) -> Operation {
    var attributes = Self()
    try attributes.code(&reader)
    return attributes.operation
  }
}
