/// Two of one shape, rows of floats -> same shape: function(gate) * up.
package struct GatedProduct: Operator {
  package static let schema = OperatorSchema("gatedProduct", tag: 16, since: 3)
  package var function = ElementFunction.silu

  package init() {}
  package init(_ function: ElementFunction) { self.function = function }
  package var operation: Operation { .gatedProduct(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.activation("function", &function)
    try coder.reserved(3)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireActivation(function, "function")
    try node.requireInputs(2...2)
    try node.require(0, is: .float32)
    try node.require(1, is: .float32)
    let shape = node.shape(0)
    try node.require(1, hasShape: shape)
    _ = try node.channels(shape)
    return node.floats(shape)
  }
}
