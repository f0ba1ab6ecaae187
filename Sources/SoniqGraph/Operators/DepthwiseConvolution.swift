/// x [B,H,W,C] -> [B,H',W',C], each channel with taps of its own.
package struct DepthwiseConvolution: Operator {
  package static let schema = OperatorSchema("depthwiseConvolution", tag: 11, since: 2)
  package var window = Window(height: 1, width: 1)
  /// Dense float32 [taps, C], or packed (`Constant.depthwise`).
  package var weights: ConstantID = 0
  /// Dense float32 [C].
  package var bias: ConstantID?

  package init() {}
  package init(_ window: Window, weights: ConstantID, bias: ConstantID?) {
    (self.window, self.weights, self.bias) = (window, weights, bias)
  }
  package var operation: Operation { .depthwiseConvolution(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.window(&window)
    try coder.constant("weights", &weights)
    try coder.optionalConstant("bias", &bias)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let image = try node.windowed(window)
    let hasShape: Bool
    switch try node.constant(weights, "weights") {
    case .dense(let dense):
      hasShape = dense.elementType == .float32 && dense.shape == [window.taps, image.channels]
    case .depthwise(let packed): hasShape = packed.channels == image.channels && packed.taps == window.taps
    default: throw node.fault(.wrongKind, "weights", constant: weights)
    }
    guard hasShape else { throw node.fault(.shapeMismatch, "weights", constant: weights) }
    if let bias {
      guard case .dense(let dense)? = try? node.constant(bias, "bias"), dense.elementType == .float32,
        dense.shape == [image.channels]
      else { throw node.fault(.shapeMismatch, "bias") }
    }
    return node.floats(image.outputs + [.fixed(image.channels)])
  }
}

extension Operation {
  package static func depthwiseConvolution(
    _ window: Window, weights: ConstantID, bias: ConstantID?
  ) -> Operation {
    .depthwiseConvolution(DepthwiseConvolution(window, weights: weights, bias: bias))
  }
}
