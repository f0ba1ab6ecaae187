import SoniqCore

extension Graph {
  func inferredConvolution(
    _ index: Int, _ window: Window, weights: [ConstantID]
  ) throws(GraphError) -> InferredOutput {
    let image = try requireImage(index, window)
    guard !weights.isEmpty, weights.count <= maximumGraphItems, image.channels % weights.count == 0 else {
      throw GraphError(.invalidAttribute, node: index, field: "weights")
    }
    let inputs = image.channels / weights.count
    var outputs: Int?
    for (group, constant) in weights.enumerated() {
      guard constants.indices.contains(constant) else {
        throw GraphError(.indexOutOfRange, node: index, field: "weights", element: group)
      }
      let count = try groupOutputs(index, constant, window, inputs: inputs)
      guard outputs == nil || outputs == count else {
        throw GraphError(.shapeMismatch, node: index, constant: constant, field: "weights", element: group)
      }
      outputs = count
    }
    guard let all = checkedProduct(outputs ?? 0, weights.count), all <= maximumDimension else {
      throw GraphError(.invalidSize, node: index, field: "weights")
    }
    return InferredOutput(elementType: .float32, shape: image.outputs + [.fixed(all)])
  }

  /// The outputs of one group, whose constant is in range.
  private func groupOutputs(
    _ index: Int, _ constant: ConstantID, _ window: Window, inputs: Int
  ) throws(GraphError) -> Int {
    switch constants[constant] {
    case .matrix(let matrix):
      guard matrix.inputs == inputs, matrix.taps == window.taps else { break }
      guard matrix.levels.count <= 2 else {
        throw GraphError(.invalidLevel, node: index, constant: constant, field: "levels")
      }
      for level in matrix.levels {
        guard case .fixed = level.level.activation.scaling, level.groups == nil else {
          throw GraphError(.invalidLevel, node: index, constant: constant, field: "levels.activation")
        }
      }
      return matrix.outputs
    case .floatMatrix(let matrix):
      guard matrix.inputs == checkedProduct(inputs, window.taps) else { break }
      return matrix.outputs
    default: throw GraphError(.wrongKind, node: index, constant: constant, field: "weights")
    }
    throw GraphError(.shapeMismatch, node: index, constant: constant, field: "weights")
  }

  func inferredDepthwise(
    _ index: Int, _ window: Window, weights: ConstantID, bias: ConstantID?
  ) throws(GraphError) -> InferredOutput {
    let image = try requireImage(index, window)
    guard constants.indices.contains(weights) else {
      throw GraphError(.indexOutOfRange, node: index, field: "weights")
    }
    switch constants[weights] {
    case .dense(let dense):
      guard dense.elementType == .float32, dense.shape == [window.taps, image.channels] else {
        throw GraphError(.shapeMismatch, node: index, constant: weights, field: "weights")
      }
    case .depthwise(let packed):
      guard packed.channels == image.channels, packed.taps == window.taps else {
        throw GraphError(.shapeMismatch, node: index, constant: weights, field: "weights")
      }
    default: throw GraphError(.wrongKind, node: index, constant: weights, field: "weights")
    }
    if let bias {
      guard constants.indices.contains(bias), case .dense(let dense) = constants[bias],
        dense.elementType == .float32, dense.shape == [image.channels]
      else { throw GraphError(.shapeMismatch, node: index, field: "bias") }
    }
    return InferredOutput(elementType: .float32, shape: image.outputs + [.fixed(image.channels)])
  }

  /// The sizes of an image operation on one input [B,H,W,C]: the channels, and [B,H',W'].
  private func requireImage(
    _ index: Int, _ window: Window
  ) throws(GraphError) -> (channels: Int, outputs: [Dimension]) {
    try requireInputs(index, counts: 1...1)
    try require(index, input: 0, is: .float32, rank: 4)
    let shape = values[nodes[index].inputs[0]].shape
    guard case .fixed(let height) = shape[1], case .fixed(let width) = shape[2],
      case .fixed(let channels) = shape[3]
    else { throw GraphError(.shapeMismatch, node: index, field: "inputs", element: 0) }
    guard window.isValid, height <= maximumImageSide, width <= maximumImageSide else {
      throw GraphError(.invalidAttribute, node: index, field: "window")
    }
    let (outputHeight, outputWidth) = (window.outputHeight(height), window.outputWidth(width))
    guard outputHeight > 0, outputWidth > 0 else {
      throw GraphError(.invalidSize, node: index, field: "window")
    }
    return (channels, [shape[0], .fixed(outputHeight), .fixed(outputWidth)])
  }
}

/// The longest side of an image that a window slides over: sums of positions stay far from overflow.
package let maximumImageSide = 1 << 20

extension Window {
  /// Sizes and strides of at least 1, padding of at least 0, all small enough to compute with.
  package var isValid: Bool {
    let lengths = [height, width, strideHeight, strideWidth, dilationHeight, dilationWidth]
    let padding = [top, left, bottom, right]
    return lengths.allSatisfy { (1...maximumTaps).contains($0) } && taps <= maximumTaps
      && padding.allSatisfy { (0...maximumTaps).contains($0) }
  }
}
