import SoniqGraph

/// Tags of the tensor operations (docs/format.md). Those of functions and modes are the raw values of their types.
enum TensorTag: UInt8 {
  case constant = 1
  case unary, binary, select, cast, transpose, reshape, expand, concatenate, slice, pad, gather, reduce
  case softmax, argument, matmul, pool, resize, foldTaps, cumulate
}

enum UnaryTag: UInt8 {
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
