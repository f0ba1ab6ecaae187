import SoniqCore
import SoniqGraph

extension Schedule {
  /// Codes of the whole input image first, in the segment that makes it; then the convolution, which needs all of them.
  mutating func addConvolution(
    _ nodes: [Int], _ window: Window, weights: [ConstantID], function: ElementFunction?
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
    var convolution = ScheduledConvolution(geometry, matrices, kernels)
    let sumBytes = (geometry.pixels * 4 + 63) / 64 * 64
    for group in convolution.groups.indices {
      for level in convolution.groups[group].levels {
        let codes = addSlot("image codes", rowBytes: level.imageBytes, space: [shape[0]])
        let sums = level.needsSums ? addSlot("image sums", rowBytes: sumBytes, space: [shape[0]]) : nil
        convolution.groups[group].images.append(ScheduledConvolution.Image(codes: codes, sums: sums))
      }
    }
    let planes = planes(of: input, convolution)
    append(
      .image(convolution), (planes.map { [$0.node] } ?? []) + [nodes[0]], reads: [planes?.source ?? input],
      writes: convolution.slots, space: slots[input].space)
    steps[steps.count - 1].isPlanar = planes != nil
    append(.convolution(convolution, function), nodes, reads: convolution.slots, writes: [output])
  }

  /// The planes that a transposition just before, for this convolution alone, makes an image with few channels of: its
  /// codes are made of the planes themselves, and there is no transposition.
  private mutating func planes(
    of input: SlotID, _ convolution: ScheduledConvolution
  ) -> (source: SlotID, node: Int)? {
    guard let last = steps.last, last.writes == [input], case .tensor(.transpose([0, 2, 3, 1])) = last.work,
      onlyReader(of: input) != nil, !slots[input].isExternal, slots[input].aliasOf == nil,
      let matrix = convolution.onlyMatrix, matrix.inputs <= 4,
      matrix.levels.count == 1, matrix.gather == nil, matrix.levels[0].level.weight.layout == .bytes
    else { return nil }
    steps.removeLast()
    slots[input].writer = nil
    slots[last.reads[0]].readers.removeLast()
    return (last.reads[0], last.nodes[0])
  }

  private mutating func addSlot(_ name: String, rowBytes: Int, space: [Dimension]) -> SlotID {
    slots.append(Slot(name: name, rowBytes: rowBytes, space: space))
    return slots.count - 1
  }

  mutating func addDepthwise(
    _ nodes: [Int], _ window: Window, weights: ConstantID, bias: ConstantID?, function: ElementFunction?
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
      var depthwise = ScheduledDepthwise(geometry, packed, bias: bias, kernels)
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
