/// A function of each float. Rows of floats -> same shape.
package struct Activation: Operator {
  package static let schema = OperatorSchema("activation", tag: 5)
  package var function = ElementFunction.geluErf

  package init() {}
  package init(_ function: ElementFunction) { self.function = function }
  package var operation: Operation { .activation(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.activation("function", &function)
    try coder.reserved(3)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireActivation(function, "function")
    return node.floats(try node.rows())
  }
}

/// The tag of a function in `activation` records, and wherever else one byte names a function without numbers.
struct ActivationTag: AttributeTag, CustomStringConvertible {
  let kind: ElementKind
  let rawValue: UInt8
  let since: Int

  /// nil for a function that no such record has.
  init?(_ kind: ElementKind) {
    guard let tag = kind.row.activation else { return nil }
    (self.kind, rawValue, since) = (kind, tag.value, tag.since)
  }

  init?(rawValue: UInt8) {
    guard let tag = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = tag
  }

  static let allCases = ElementKind.allCases.compactMap { ActivationTag($0) }.sorted {
    $0.rawValue < $1.rawValue
  }
  var description: String { "\(kind)" }
}

extension AttributeCoder {
  /// One byte: a function that `activation` records have; graphs with others are refused by their inference.
  package mutating func activation(_ name: String, _ function: inout ElementFunction) throws(Failure) {
    guard var tag = ActivationTag(function.kind) else { return try reserved(1) }
    try self.tag(name, &tag)
    function = ElementFunction(tag.kind)
  }
}

extension NodeInference {
  /// Refuses functions without a tag in `activation` records.
  func requireActivation(_ function: ElementFunction, _ field: String) throws(GraphError) {
    try require(function.kind.isActivation, field)
  }
}

extension Operation {
  package static func activation(_ function: ElementFunction) -> Operation {
    .activation(Activation(function))
  }
}
