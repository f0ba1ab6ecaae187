/// x -> element type, same shape. Real to whole numbers truncates and saturates, NaN is 0. Whole numbers to narrower
/// ones keep the low bits. Real numbers to float16 round to the nearest, ties to even; what is too large is infinite.
package struct Cast: Operator {
  package static let schema = OperatorSchema(tensor: "cast", tag: 5)
  package var elementType = ElementType.float32

  package init() {}
  package init(_ elementType: ElementType) { self.elementType = elementType }
  package var operation: Operation { .cast(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("elementType", &elementType)
    try coder.reserved(2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    InferredOutput(elementType: elementType, shape: try node.one(nil))
  }
}

extension Operation {
  package static func cast(_ elementType: ElementType) -> Operation {
    .cast(Cast(elementType))
  }
}
