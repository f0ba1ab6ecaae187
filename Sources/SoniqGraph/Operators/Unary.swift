/// A function of each element. float32 -> same shape; `not`: int32 (truth value) -> int32.
package struct Unary: Operator {
  package static let schema = OperatorSchema(tensor: "unary", tag: 2)
  /// nil for `not`, the only one of integers.
  package var function: ElementFunction? = ElementFunction(.absolute)

  package init() {}
  package init(_ function: ElementFunction?) { self.function = function }
  package var operation: Operation { .unary(self) }

  package static let not = Unary(nil)

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    guard var tag = UnaryTag(function?.kind) else { return try coder.reserved(12) }
    var (alpha, beta) = (function?.alpha ?? 0, function?.beta ?? 0)
    try coder.tag("function", &tag)
    try coder.reserved(2)
    try coder.float("alpha", &alpha)
    try coder.float("beta", &beta)
    let coded: Unary? =
      if let kind = tag.kind {
        ElementFunction(coded: kind, alpha, beta).map { Unary($0) }
      } else {
        alpha.bitPattern == 0 && beta.bitPattern == 0 ? Unary.not : nil
      }
    try coder.require(coded != nil, "alpha", bytesBefore: 8)
    if let coded { self = coded }
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let type: ElementType = function == nil ? .int32 : .float32
    let shape = try node.one(type)
    if let function {
      try node.require(function.kind.row.unary != nil, "function")
      try function.requireNumbers(node)
    }
    return InferredOutput(elementType: type, shape: shape)
  }
}

/// The tag of a function in `unary` records.
struct UnaryTag: AttributeTag, CustomStringConvertible {
  /// nil for `not`.
  let kind: ElementKind?
  let rawValue: UInt8
  let since: Int

  /// nil for a function that no such record has.
  init?(_ kind: ElementKind?) {
    let tag = if let kind { kind.row.unary } else { RecordTag(value: 19) }
    guard let tag else { return nil }
    (self.kind, rawValue, since) = (kind, tag.value, tag.since)
  }

  init?(rawValue: UInt8) {
    guard let tag = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = tag
  }

  static let allCases = (ElementKind.allCases + [nil]).compactMap { UnaryTag($0) }.sorted {
    $0.rawValue < $1.rawValue
  }
  var description: String { kind.map { "\($0)" } ?? "not" }
}

extension Operation {
  package static func unary(_ function: ElementFunction) -> Operation { .unary(Unary(function)) }
  /// A function of a kind that has no numbers.
  package static func unary(_ kind: ElementKind) -> Operation { .unary(ElementFunction(kind)) }
}
