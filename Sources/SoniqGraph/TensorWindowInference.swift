import SoniqCore

/// Operations on images [B,H,W,C].
extension TensorInference {
  /// Sizes that no arithmetic of a window can overflow with.
  func require(_ window: Window) throws(GraphError) {
    let sizes = 1...maximumDimension
    try require(window.height, in: sizes, "window.height")
    try require(window.width, in: sizes, "window.width")
    try require(window.strideHeight, in: sizes, "window.strideHeight")
    try require(window.strideWidth, in: sizes, "window.strideWidth")
    try require(window.dilationHeight, in: sizes, "window.dilationHeight")
    try require(window.dilationWidth, in: sizes, "window.dilationWidth")
    try require(window.top, in: 0...maximumDimension, "window.top")
    try require(window.left, in: 0...maximumDimension, "window.left")
    try require(window.bottom, in: 0...maximumDimension, "window.bottom")
    try require(window.right, in: 0...maximumDimension, "window.right")
  }

  func pool(_ window: Window) throws(GraphError) -> InferredOutput {
    let image = try image()
    try require(window)
    let height = try fixed(window.outputHeight(image.height), "window.height")
    let width = try fixed(window.outputWidth(image.width), "window.width")
    return InferredOutput(
      elementType: .float32, shape: [image.batch, height, width, .fixed(image.channels)])
  }

  func resize(
    _ height: Int, _ width: Int, _ scaleHeight: Float, _ scaleWidth: Float
  ) throws(GraphError) -> InferredOutput {
    let image = try image()
    for (scale, field) in [(scaleHeight, "scaleHeight"), (scaleWidth, "scaleWidth")] {
      guard scale.isNormal, scale > 0 else { throw fault(.invalidAttribute, field) }
    }
    return InferredOutput(
      elementType: .float32,
      shape: [
        image.batch, try fixed(height, "height"), try fixed(width, "width"), .fixed(image.channels),
      ])
  }

  func foldTaps(
    _ window: Window, _ height: Int, _ width: Int, bias: ConstantID?
  ) throws(GraphError) -> InferredOutput {
    let image = try image()
    try require(window)
    guard let taps = checkedProduct(window.height, window.width), image.channels % taps == 0 else {
      throw fault(.shapeMismatch, "inputs", 0)
    }
    let channels = image.channels / taps
    if let bias {
      let dense = try dense(bias, "bias")
      guard dense.elementType == .float32, dense.shape == [channels] else {
        throw GraphError(.shapeMismatch, node: index, constant: bias, field: "bias")
      }
    }
    return InferredOutput(
      elementType: .float32,
      shape: [image.batch, try fixed(height, "height"), try fixed(width, "width"), .fixed(channels)])
  }
}
