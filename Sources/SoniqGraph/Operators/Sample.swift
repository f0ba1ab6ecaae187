/// What is beyond the edges of an image.
package enum SamplePadding: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case zeros = 1, border, reflection
}

/// What the numbers of a grid count: the image from -1 to 1, from the edges of the outermost pixels or from their
/// centres; or pixels, of which the first is at 0.
package enum SampleCoordinates: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case edges = 1, centres, pixels
}

/// Image [B, spatial dimensions, C] and grid [B, dimensions of the output, n], float32, n spatial dimensions of 1 to 3 ->
/// [B, dimensions of the output, C]: the image at the places of the grid, the last spatial dimension first, as ONNX's
/// GridSample has it. A place that is not a number lies below all others. cubic is that of ONNX with -0.75.
package struct Sample: Operator {
  package static let schema = OperatorSchema(tensor: "sample", tag: 24, since: 3)
  package var method = ResizeMethod.linear
  package var padding = SamplePadding.zeros
  package var coordinates = SampleCoordinates.edges

  package init() {}
  package init(_ method: ResizeMethod, _ padding: SamplePadding, _ coordinates: SampleCoordinates) {
    (self.method, self.padding, self.coordinates) = (method, padding, coordinates)
  }
  package var operation: Operation { .sample(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("method", &method)
    try coder.tag("padding", &padding)
    try coder.tag("coordinates", &coordinates)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(2...2)
    try node.require(0, is: .float32)
    try node.require(1, is: .float32)
    let (image, grid) = (node.shape(0), node.shape(1))
    guard (3...5).contains(image.count) else { throw node.fault(.shapeMismatch, "inputs", 0) }
    guard grid.count >= 2, grid[0] == image[0], grid.last == .fixed(image.count - 2) else {
      throw node.fault(.shapeMismatch, "inputs", 1)
    }
    return node.floats(grid.dropLast() + [image[image.count - 1]])
  }
}

extension Operation {
  package static func sample(
    _ method: ResizeMethod, _ padding: SamplePadding, _ coordinates: SampleCoordinates
  ) -> Operation {
    .sample(Sample(method, padding, coordinates))
  }
}
