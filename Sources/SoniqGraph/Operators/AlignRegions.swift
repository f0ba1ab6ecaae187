package enum RegionFunction: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  /// Of the samples; the greatest weighted neighbour of a sample.
  case average = 1, maximum
}

/// Images [B,H,W,C], float32 regions [N,4] (left, top, right, bottom) and int32 [N], of which image each is ->
/// [N,height,width,C]: each region in height x width parts, of which each is made of samples of the image between its
/// pixels, as ONNX's RoiAlign has it. An image that there is not is an error of the run.
package struct AlignRegions: Operator, BitwiseCopyable {
  package static let schema = OperatorSchema(tensor: "alignRegions", tag: 25, since: 3)
  package var function = RegionFunction.average
  /// Pixels are squares around their places; otherwise regions have one pixel at least.
  package var isHalfPixel = true
  package var height = 1
  package var width = 1
  /// Of each part in each direction; 0: as many as it has pixels, at most 1024.
  package var samples = 0
  /// From regions to pixels.
  package var scale: Float = 1

  package static let maximumSamples = 1024

  package init() {}
  package init(
    _ function: RegionFunction, isHalfPixel: Bool, height: Int, width: Int, samples: Int, scale: Float
  ) {
    (self.function, self.isHalfPixel) = (function, isHalfPixel)
    (self.height, self.width) = (height, width)
    (self.samples, self.scale) = (samples, scale)
  }
  package var operation: Operation { .alignRegions(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("function", &function)
    try coder.flag("isHalfPixel", &isHalfPixel)
    try coder.reserved(1)
    try coder.word("height", &height, in: 1...maximumDimension)
    try coder.word("width", &width, in: 1...maximumDimension)
    try coder.word("samples", &samples, in: 0...Self.maximumSamples)
    try coder.float("scale", &scale)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(3...3)
    for input in 0...1 { try node.require(input, is: .float32) }
    let image = node.shape(0)
    guard image.count == 4 else { throw node.fault(.shapeMismatch, "inputs", 0) }
    let regions = node.shape(1)
    guard regions.count == 2, regions[1] == .fixed(4) else { throw node.fault(.shapeMismatch, "inputs", 1) }
    try node.require(2, is: .int32, rank: 1)
    try node.require(2, hasShape: [regions[0]])
    try node.require(positive: scale, "scale")
    return node.floats([
      regions[0], try node.fixed(height, "height"), try node.fixed(width, "width"), image[3],
    ])
  }
}
