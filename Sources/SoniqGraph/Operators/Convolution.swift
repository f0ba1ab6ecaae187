import SoniqCore

/// x [B,H,W,C] -> [B,H',W',O].
package struct Convolution: Operator {
  package static let schema = OperatorSchema("convolution", tag: 10, since: 2)
  package var window = Window(height: 1, width: 1)
  /// One for each group: a matrix or a floatMatrix of O / groups outputs whose inputs are ordered [tap row][tap
  /// column][channel of the group]. A matrix has its activations' scales fixed (a pixel serves many outputs).
  package var weights: [ConstantID] = []

  package init() {}
  package init(_ window: Window, weights: [ConstantID]) { (self.window, self.weights) = (window, weights) }
  package var operation: Operation { .convolution(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.window(&window)
    var count = weights.count
    try coder.count("weights.count", &count, limit: maximumGraphItems)
    try coder.list(&weights, count: count, of: "weights.count", start: 0) {
      (coder, constant) throws(Coder.Failure) in
      try coder.constant("weights", &constant)
    }
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let image = try node.windowed(window)
    let groups = 1...maximumGraphItems
    try node.require(groups.contains(weights.count) && image.channels % max(1, weights.count) == 0, "weights")
    let inputs = image.channels / weights.count
    var outputs: Int?
    for (group, constant) in weights.enumerated() {
      let count = try groupOutputs(node, constant, group, inputs: inputs)
      guard outputs == nil || outputs == count else {
        throw node.fault(.shapeMismatch, "weights", group, constant: constant)
      }
      outputs = count
    }
    guard let all = checkedProduct(outputs ?? 0, weights.count), all <= maximumDimension else {
      throw node.fault(.invalidSize, "weights")
    }
    return node.floats(image.outputs + [.fixed(all)])
  }

  private func groupOutputs(
    _ node: NodeInference, _ constant: ConstantID, _ group: Int, inputs: Int
  ) throws(GraphError) -> Int {
    switch try node.constant(constant, "weights", group) {
    case .matrix(let matrix):
      guard matrix.inputs == inputs, matrix.taps == window.taps else { break }
      guard matrix.levels.count <= 2 else { throw node.fault(.invalidLevel, "levels", constant: constant) }
      for level in matrix.levels {
        guard case .fixed = level.level.activation.scaling, level.level.activation.kind != .symmetric else {
          throw node.fault(.invalidLevel, "levels.activation", constant: constant)
        }
      }
      return matrix.outputs
    case .floatMatrix(let matrix):
      guard matrix.inputs == checkedProduct(inputs, window.taps) else { break }
      return matrix.outputs
    default: throw node.fault(.wrongKind, "weights", constant: constant)
    }
    throw node.fault(.shapeMismatch, "weights", constant: constant)
  }
}

extension NodeInference {
  /// The sizes of an operation that slides a window over its one input [B,H,W,C]: the channels, and [B,H',W'].
  func windowed(_ window: Window) throws(GraphError) -> (channels: Int, outputs: [Dimension]) {
    try requireInputs(1...1)
    try require(0, is: .float32, rank: 4)
    let image = try image()
    let sides = 0...maximumImageSide
    try require(sides.contains(maximum(image.height)) && sides.contains(maximum(image.width)), "window")
    return (
      image.channels, [image.batch] + (try outputs(of: window, height: image.height, width: image.width))
    )
  }
}

extension Operation {
  package static func convolution(_ window: Window, weights: [ConstantID]) -> Operation {
    .convolution(Convolution(window, weights: weights))
  }
}
