/// Functions of two numbers of one type. Comparisons give int32 0 or 1; so do the logical ones, which take int32
/// and read everything but 0 as true. int32 arithmetic wraps, a division by 0 gives 0, a negative power
/// truncates. minimum and maximum of a NaN and a number are NaN.
package enum BinaryFunction: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case add = 1, subtract, multiply, divide, minimum, maximum, power
  /// float32: x when x >= 0, else slope * x: inputs x, slope.
  case prelu
  case equal, less, lessOrEqual, greater, greaterOrEqual, and, or, xor
  /// x - y * the quotient without its fraction, exactly: of the sign of x, and of floats as C's fmod.
  case remainder
  /// int32, bit by bit. A shift by less than 0 or more than 31 leaves no bit: 0, and to the right, where the sign
  /// comes in, -1 of negative numbers.
  case bitAnd, bitOr, bitXor, shiftLeft, shiftRight

  package var since: Int { rawValue > Self.xor.rawValue ? 3 : 1 }
}

/// Two of float32 or two of int32, broadcast as in numpy.
package struct Binary: Operator {
  package static let schema = OperatorSchema(tensor: "binary", tag: 3)
  package var function = BinaryFunction.add

  package init() {}
  package init(_ function: BinaryFunction) { self.function = function }
  package var operation: Operation { .binary(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("function", &function)
    try coder.reserved(2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(2...2)
    try node.requireComputed(0)
    try node.requireSameType(0, 1)
    var type = node.value(0).elementType
    switch function {
    case .prelu: try node.require(0, is: .float32)
    case .and, .or, .xor, .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight:
      try node.require(0, is: .int32)
    case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: type = .int32
    default: break
    }
    return InferredOutput(
      elementType: type, shape: try node.broadcast(node.shape(0), node.shape(1), input: 1))
  }
}

extension Operation {
  package static func binary(_ function: BinaryFunction) -> Operation {
    .binary(Binary(function))
  }
}
