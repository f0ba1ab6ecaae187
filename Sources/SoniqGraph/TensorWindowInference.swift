import SoniqCore

/// Operations on images [B,H,W,C].
extension TensorInference {
  func require(_ window: Window) throws(GraphError) {
    guard window.isValid else { throw fault(.invalidAttribute, "window") }
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
