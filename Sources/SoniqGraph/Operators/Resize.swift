package enum ResizeMethod: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case nearest = 1, linear, cubic
}

/// Where a sample of the output lies in the input, as ONNX names them.
package enum ResizeCoordinates: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case halfPixel = 1, pytorchHalfPixel, alignCorners, asymmetric, halfPixelSymmetric
}

package enum NearestRounding: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case roundPreferFloor = 1, roundPreferCeiling, floor, ceiling
}

/// [B,H,W,C] -> [B,height,width,C]. The scales (output / input length) may differ from the quotient of sizes; 0 stands
/// for the quotient in each run, where a size is a symbol. cubic is that of ONNX with -0.75.
package struct Resize: Operator {
  package static let schema = OperatorSchema(tensor: "resize", tag: 18)
  package var method = ResizeMethod.nearest
  package var coordinates = ResizeCoordinates.halfPixel
  package var rounding = NearestRounding.roundPreferFloor
  package var height = Dimension.fixed(1)
  package var width = Dimension.fixed(1)
  package var scaleHeight: Float = 1
  package var scaleWidth: Float = 1

  package init() {}
  package init(
    _ method: ResizeMethod, _ coordinates: ResizeCoordinates, _ rounding: NearestRounding, height: Dimension,
    width: Dimension, scaleHeight: Float, scaleWidth: Float
  ) {
    (self.method, self.coordinates, self.rounding) = (method, coordinates, rounding)
    (self.height, self.width) = (height, width)
    (self.scaleHeight, self.scaleWidth) = (scaleHeight, scaleWidth)
  }
  package var operation: Operation { .resize(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("method", &method)
    try coder.tag("coordinates", &coordinates)
    try coder.tag("rounding", &rounding)
    try coder.dimension("height", &height, symbolsSince: 3)
    try coder.dimension("width", &width, symbolsSince: 3)
    try coder.float("scaleHeight", &scaleHeight)
    try coder.float("scaleWidth", &scaleWidth)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let image = try node.image()
    for (scale, field, sizes) in [
      (scaleHeight, "scaleHeight", [height, image.height]), (scaleWidth, "scaleWidth", [width, image.width]),
    ] {
      let isQuotient = scale == 0 && scale.sign == .plus && sizes.contains { $0.isDynamic }
      try node.require(isQuotient || (scale.isNormal && scale > 0), field)
    }
    return node.floats([
      image.batch, try node.bound(height, "height"), try node.bound(width, "width"), .fixed(image.channels),
    ])
  }
}

extension Operation {
  package static func resize(
    _ method: ResizeMethod, _ coordinates: ResizeCoordinates, _ rounding: NearestRounding, height: Dimension,
    width: Dimension, scaleHeight: Float, scaleWidth: Float
  ) -> Operation {
    .resize(
      Resize(
        method, coordinates, rounding, height: height, width: width, scaleHeight: scaleHeight,
        scaleWidth: scaleWidth))
  }
}
