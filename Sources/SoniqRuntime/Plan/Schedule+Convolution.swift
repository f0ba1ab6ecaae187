import SoniqGraph

extension Schedule {
  /// Codes of the whole input image first, in the segment that makes it; then the convolution, which needs all of them.
  mutating func addConvolution(
    _ nodes: [Int], _ window: Window, weights: [ConstantID], function: ActivationFunction?
  ) {
    let input = graph.nodes[nodes[0]].inputs[0]
    let output = graph.nodes[nodes[nodes.count - 1]].output
    let shape = graph.values[input].shape
    let geometry = ImageGeometry(window, shape: shape)
    let floats = weights.compactMap { constant -> FloatMatrix? in
      if case .floatMatrix(let matrix) = graph.constants[constant] { matrix } else { nil }
    }
    if floats.count == weights.count {
      append(
        .floatConvolution(geometry, floats, function), nodes, reads: [input], writes: [output])
      return
    }
    let matrices = weights.compactMap { constant -> PackedMatrix? in
      if case .matrix(let matrix) = graph.constants[constant] { matrix } else { nil }
    }
    guard matrices.count == weights.count else { return }
    var convolution = ScheduledConvolution(geometry: geometry, matrices: matrices)
    for matrix in matrices {
      var images: [ScheduledConvolution.Image] = []
      for index in matrix.levels.indices {
        let size = imageBytes(matrix, index, geometry)
        let codes = addSlot("image codes", rowBytes: size.codes, space: [shape[0]])
        let sums = size.sums > 0 ? addSlot("image sums", rowBytes: size.sums, space: [shape[0]]) : nil
        images.append(ScheduledConvolution.Image(codes: codes, sums: sums))
      }
      convolution.images.append(images)
    }
    append(
      .image(convolution), [nodes[0]], reads: [input], writes: convolution.slots, space: slots[input].space)
    append(.convolution(convolution, function), nodes, reads: convolution.slots, writes: [output])
  }

  private mutating func addSlot(_ name: String, rowBytes: Int, space: [Dimension]) -> SlotID {
    slots.append(Slot(name: name, rowBytes: rowBytes, space: space))
    return slots.count - 1
  }

  mutating func addDepthwise(
    _ nodes: [Int], _ window: Window, weights: ConstantID, bias: ConstantID?, function: ActivationFunction?
  ) {
    let input = graph.nodes[nodes[0]].inputs[0]
    let output = graph.nodes[nodes[nodes.count - 1]].output
    let shape = graph.values[input].shape
    let geometry = ImageGeometry(window, shape: shape)
    let bias = bias.flatMap { constant -> DenseConstant? in
      if case .dense(let dense) = graph.constants[constant] { dense } else { nil }
    }
    switch graph.constants[weights] {
    case .dense(let dense):
      append(
        .floatDepthwise(geometry, weights: dense, bias: bias, function), nodes, reads: [input],
        writes: [output])
    case .depthwise(let packed):
      var depthwise = ScheduledDepthwise(geometry: geometry, weights: packed, bias: bias)
      let bytes = (geometry.pixels * packed.paddedChannels + 63) / 64 * 64 + 64
      depthwise.image = addSlot("image codes", rowBytes: bytes, space: [shape[0]])
      append(
        .depthwiseImage(depthwise), [nodes[0]], reads: [input], writes: [depthwise.image],
        space: slots[input].space)
      append(.depthwise(depthwise, function), nodes, reads: [depthwise.image], writes: [output])
    default: return
    }
  }
}
