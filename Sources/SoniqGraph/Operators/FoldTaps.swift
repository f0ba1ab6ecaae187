import SoniqCore

/// Second half of a transposed convolution: [B,H,W,taps * C] -> [B,H',W',C]: tap (y, x) of pixel (i, j) is added to
/// output pixel (i * strideHeight + y * dilationHeight - top, j * strideWidth + x * dilationWidth - left).
package struct FoldTaps: Operator {
  package static let schema = OperatorSchema(tensor: "foldTaps", tag: 19)
  package var window = Window(height: 1, width: 1)
  package var height = Dimension.fixed(1)
  package var width = Dimension.fixed(1)
  /// Dense float32 [C]: starts the sums.
  package var bias: ConstantID?

  package init() {}
  package init(_ window: Window, height: Dimension, width: Dimension, bias: ConstantID?) {
    (self.window, self.height, self.width, self.bias) = (window, height, width, bias)
  }
  package var operation: Operation { .foldTaps(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.reserved(3)
    try coder.window(&window)
    try coder.dimension("height", &height, symbolsSince: 3)
    try coder.dimension("width", &width, symbolsSince: 3)
    try coder.optionalConstant("bias", &bias)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let image = try node.image()
    try node.require(window.isValid, "window")
    guard let taps = checkedProduct(window.height, window.width), image.channels % taps == 0 else {
      throw node.fault(.shapeMismatch, "inputs", 0)
    }
    let channels = image.channels / taps
    if let bias {
      let dense = try node.dense(bias, "bias")
      guard dense.elementType == .float32, dense.shape == [channels] else {
        throw node.fault(.shapeMismatch, "bias", constant: bias)
      }
    }
    return node.floats([
      image.batch, try node.bound(height, "height"), try node.bound(width, "width"), .fixed(channels),
    ])
  }
}

extension Operation {
  package static func foldTaps(_ window: Window, height: Dimension, width: Dimension, bias: ConstantID?)
    -> Operation
  {
    .foldTaps(FoldTaps(window, height: height, width: width, bias: bias))
  }
}
