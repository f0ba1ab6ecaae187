import SoniqGraph

/// Hands every size and every constant among the attributes of an operation to a function, and puts its result in the place.
struct AttributeVisitor: AttributeCoder {
  // Nothing is thrown; a type that can be, for the closures of lists.
  typealias Failure = PackError
  var dimension: (Dimension) -> Dimension = { $0 }
  var constant: (ConstantID) -> ConstantID = { $0 }

  @discardableResult
  mutating func visit(_ operation: Operation) -> Operation {
    func visited(_ attributes: some Operator) -> Operation {
      var attributes = attributes
      try? attributes.code(&self)
      return attributes.operation
    }
    return visited(operation.attributes)
  }

  mutating func dimension(_ name: String, _ value: inout Dimension, from least: Int, symbolsSince: Int) {
    value = dimension(value)
  }
  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(PackError) -> Void
  ) throws(PackError) {
    for index in values.indices { try element(&self, &values[index]) }
  }

  mutating func reserved(_ count: Int) {}
  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) {}
  mutating func rank(_ value: inout Int) {}
  mutating func flag(_ name: String, _ value: inout Bool, since: Int) {}
  mutating func flags(_ names: [String], _ values: inout [Bool]) {}
  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) {}
  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) {}
  mutating func signed(_ name: String, _ value: inout Int) {}
  mutating func float(_ name: String, _ value: inout Float) {}
  mutating func constant(_ name: String, _ value: inout ConstantID) { value = constant(value) }
  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) { value = value.map(constant) }
  mutating func count(_ name: String, _ value: inout Int, limit: Int) {}
  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) {}
}
