/// Functions of one number that `ActivationFunction` does not have. Parameters are those of the case.
package enum UnaryFunction: Sendable, Hashable {
  case leakyRelu(alpha: Float)
  /// min(max(x, low), high); infinite bounds leave that side open.
  case clip(low: Float, high: Float)
  /// min(max(alpha * x + beta, 0), 1)
  case hardSigmoid(alpha: Float, beta: Float)
  /// x * min(max(x / 6 + 0.5, 0), 1)
  case hardSwish
  case elu(alpha: Float)
  case softplus
  case mish
  case absolute, negative, reciprocal, squareRoot, exponential, logarithm, erf
  case floor, ceiling
  /// To nearest, ties to even.
  case round
  case sign
  /// int32 (truth value) -> int32
  case not
}

/// float32 -> same shape (`not`: int32).
package struct Unary: Operator {
  package static let schema = OperatorSchema(tensor: "unary", tag: 2)
  package var function = UnaryFunction.absolute

  package init() {}
  package init(_ function: UnaryFunction) { self.function = function }
  package var operation: Operation { .unary(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    var (tag, alpha, beta) = function.parts
    try coder.tag("function", &tag)
    try coder.reserved(2)
    try coder.float("alpha", &alpha)
    try coder.float("beta", &beta)
    let coded = UnaryFunction(tag, alpha, beta)
    try coder.require(coded != nil, "alpha", bytesBefore: 8)
    if let coded { function = coded }
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let type: ElementType = function == .not ? .int32 : .float32
    let shape = try node.one(type)
    switch function {
    case .leakyRelu(let alpha), .elu(let alpha): try node.require(alpha.isFinite, "alpha")
    case .hardSigmoid(let alpha, let beta):
      try node.require(alpha.isFinite, "alpha")
      try node.require(beta.isFinite, "beta")
    case .clip(let low, let high):
      try node.require(!low.isNaN, "low")
      try node.require(!high.isNaN, "high")
    default: break
    }
    return InferredOutput(elementType: type, shape: shape)
  }
}

/// The tag of a function in files.
enum UnaryTag: UInt8, AttributeTag {
  case leakyRelu = 1
  case clip, hardSigmoid, hardSwish, elu, softplus, mish, absolute, negative, reciprocal, squareRoot
  case exponential, logarithm, erf, floor, ceiling, round, sign, not
}

extension UnaryFunction {
  /// The function of a tag with its two numbers; nil when a number that the function does not have is not 0.
  init?(_ tag: UnaryTag, _ first: Float, _ second: Float) {
    switch tag {
    case .leakyRelu: self = .leakyRelu(alpha: first)
    case .elu: self = .elu(alpha: first)
    case .clip: self = .clip(low: first, high: second)
    case .hardSigmoid: self = .hardSigmoid(alpha: first, beta: second)
    case .hardSwish: self = .hardSwish
    case .softplus: self = .softplus
    case .mish: self = .mish
    case .absolute: self = .absolute
    case .negative: self = .negative
    case .reciprocal: self = .reciprocal
    case .squareRoot: self = .squareRoot
    case .exponential: self = .exponential
    case .logarithm: self = .logarithm
    case .erf: self = .erf
    case .floor: self = .floor
    case .ceiling: self = .ceiling
    case .round: self = .round
    case .sign: self = .sign
    case .not: self = .not
    }
    let own = parts
    guard own.first.bitPattern == first.bitPattern, own.second.bitPattern == second.bitPattern else {
      return nil
    }
  }

  /// The tag and the two numbers, 0 where there is none.
  var parts: (tag: UnaryTag, first: Float, second: Float) {
    switch self {
    case .leakyRelu(let alpha): (.leakyRelu, alpha, 0)
    case .elu(let alpha): (.elu, alpha, 0)
    case .clip(let low, let high): (.clip, low, high)
    case .hardSigmoid(let alpha, let beta): (.hardSigmoid, alpha, beta)
    case .hardSwish: (.hardSwish, 0, 0)
    case .softplus: (.softplus, 0, 0)
    case .mish: (.mish, 0, 0)
    case .absolute: (.absolute, 0, 0)
    case .negative: (.negative, 0, 0)
    case .reciprocal: (.reciprocal, 0, 0)
    case .squareRoot: (.squareRoot, 0, 0)
    case .exponential: (.exponential, 0, 0)
    case .logarithm: (.logarithm, 0, 0)
    case .erf: (.erf, 0, 0)
    case .floor: (.floor, 0, 0)
    case .ceiling: (.ceiling, 0, 0)
    case .round: (.round, 0, 0)
    case .sign: (.sign, 0, 0)
    case .not: (.not, 0, 0)
    }
  }
}

extension Operation {
  package static func unary(_ function: UnaryFunction) -> Operation {
    .unary(Unary(function))
  }
}
