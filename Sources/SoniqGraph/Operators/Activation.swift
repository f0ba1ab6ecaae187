/// Elementwise functions. Raw values are those of the file format and of the kernel contract.
package enum ActivationFunction: UInt8, AttributeTag, Hashable {
  case geluErf = 1
  case geluTanh = 2
  case relu = 3
  case silu = 4
  case sigmoid = 5
  case tanh = 6
  /// min(max(x, 0), 6)
  case relu6 = 7
  /// x * min(max(x / 6 + 0.5, 0), 1)
  case hardSwish = 8

  package var since: Int { rawValue > Self.tanh.rawValue ? 2 : 1 }
}

/// Rows of floats -> same shape.
package struct Activation: Operator {
  package static let schema = OperatorSchema("activation", tag: 5)
  package var function = ActivationFunction.geluErf

  package init() {}
  package init(_ function: ActivationFunction) { self.function = function }
  package var operation: Operation { .activation(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("function", &function)
    try coder.reserved(3)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    node.floats(try node.rows())
  }
}

extension Operation {
  package static func activation(_ function: ActivationFunction) -> Operation {
    .activation(Activation(function))
  }
}
