/// Operations that treat every element alike.
extension TensorInference {
  func constant(_ constant: ConstantID) throws(GraphError) -> InferredOutput {
    try requireInputs(0...0)
    let dense = try dense(constant, "constant")
    return InferredOutput(elementType: dense.elementType, shape: dense.shape.map(Dimension.fixed))
  }

  /// The dense constant of a field.
  func dense(_ constant: ConstantID, _ field: String) throws(GraphError) -> DenseConstant {
    guard graph.constants.indices.contains(constant) else { throw fault(.indexOutOfRange, field) }
    guard case .dense(let dense) = graph.constants[constant] else {
      throw GraphError(.wrongKind, node: index, constant: constant, field: field)
    }
    return dense
  }

  func unary(_ function: UnaryFunction) throws(GraphError) -> InferredOutput {
    let type: ElementType = function == .not ? .int32 : .float32
    let shape = try one(type)
    switch function {
    case .leakyRelu(let alpha), .elu(let alpha):
      guard alpha.isFinite else { throw fault(.invalidAttribute, "alpha") }
    case .hardSigmoid(let alpha, let beta):
      guard alpha.isFinite else { throw fault(.invalidAttribute, "alpha") }
      guard beta.isFinite else { throw fault(.invalidAttribute, "beta") }
    case .clip(let low, let high):
      guard !low.isNaN else { throw fault(.invalidAttribute, "low") }
      guard !high.isNaN else { throw fault(.invalidAttribute, "high") }
    default: break
    }
    return InferredOutput(elementType: type, shape: shape)
  }

  func binary(_ function: BinaryFunction) throws(GraphError) -> InferredOutput {
    try requireInputs(2...2)
    try requireSameType(0, 1)
    var type = value(0).elementType
    switch function {
    case .prelu: try require(0, is: .float32)
    case .and, .or, .xor: try require(0, is: .int32)
    case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: type = .int32
    default: break
    }
    return InferredOutput(elementType: type, shape: try broadcast(shape(0), shape(1), input: 1))
  }

  func select() throws(GraphError) -> InferredOutput {
    try requireInputs(3...3)
    try require(0, is: .int32)
    try requireSameType(1, 2)
    let choices = try broadcast(shape(1), shape(2), input: 2)
    return InferredOutput(
      elementType: value(1).elementType, shape: try broadcast(shape(0), choices, input: 0))
  }

  func cast(_ type: ElementType) throws(GraphError) -> InferredOutput {
    InferredOutput(elementType: type, shape: try one(nil))
  }
}
