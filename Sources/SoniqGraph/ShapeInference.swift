import SoniqCore

/// The element type and shape that a node's output must have.
package struct InferredOutput: Sendable, Hashable {
  package var elementType: ElementType
  package var shape: [Dimension]
}

extension Graph {
  /// Checks the inputs and attributes of a node whose indices are in range, and infers its output.
  package func inferredOutput(ofNode index: Int) throws(GraphError) -> InferredOutput {
    let node = nodes[index]
    switch node.operation {
    case .embedding(let table):
      return try inferredEmbedding(index, table: table)
    case .positions:
      try requireInputs(index, counts: 1...1)
      try require(index, input: 0, is: .int32, rank: 2)
      return InferredOutput(elementType: .int32, shape: values[node.inputs[0]].shape)
    case .linear(let matrix):
      return try inferredLinear(index, matrix: matrix)
    case .layerNorm(let gamma, let beta, let epsilon):
      let shape = try floatInput(index)
      try requireNormParameter(index, gamma, field: "gamma", last: shape.last)
      try requireNormParameter(index, beta, field: "beta", last: shape.last)
      try requirePositive(index, epsilon, field: "epsilon")
      return InferredOutput(elementType: .float32, shape: shape)
    case .activation:
      return InferredOutput(elementType: .float32, shape: try floatInput(index))
    case .add:
      try requireInputs(index, counts: 2...2)
      try require(index, input: 0, is: .float32)
      try require(index, input: 1, is: .float32)
      let shape = values[node.inputs[0]].shape
      guard shape == values[node.inputs[1]].shape else {
        throw GraphError(.shapeMismatch, node: index, field: "inputs", element: 1)
      }
      _ = try fixedLast(index, shape)
      return InferredOutput(elementType: .float32, shape: shape)
    case .attention(let attention): return try inferredAttention(index, attention)
    case .meanPool:
      try requireInputs(index, counts: 1...2)
      try require(index, input: 0, is: .float32, rank: 3)
      let shape = values[node.inputs[0]].shape
      _ = try fixedLast(index, shape)
      if node.inputs.count == 2 { try requireMask(index, positions: Array(shape[..<2])) }
      return InferredOutput(elementType: .float32, shape: [shape[0], shape[2]])
    case .l2Normalize(let epsilon):
      try requirePositive(index, epsilon, field: "epsilon")
      return InferredOutput(elementType: .float32, shape: try floatInput(index))
    case .convolution(let window, let weights):
      return try inferredConvolution(index, window, weights: weights)
    case .depthwiseConvolution(let window, let weights, let bias):
      return try inferredDepthwise(index, window, weights: weights, bias: bias)
    case .tensor(let operation): return try inferredTensor(index, operation)
    }
  }

  private func inferredEmbedding(_ index: Int, table: ConstantID) throws(GraphError) -> InferredOutput {
    try requireInputs(index, counts: 1...1)
    try require(index, input: 0, is: .int32)
    guard constants.indices.contains(table) else {
      throw GraphError(.indexOutOfRange, node: index, field: "table")
    }
    let rows: Int
    let channels: Int
    switch constants[table] {
    case .table(let packed):
      rows = packed.rows
      channels = packed.channels
    case .dense(let dense):
      guard dense.elementType == .float32, dense.shape.count == 2 else {
        throw GraphError(.wrongKind, node: index, constant: table, field: "table")
      }
      rows = dense.shape[0]
      channels = dense.shape[1]
    default: throw GraphError(.wrongKind, node: index, constant: table, field: "table")
    }
    let ids = nodes[index].inputs[0]
    try requireIdsInRange(index, ids: ids, rows: rows)
    return InferredOutput(elementType: .float32, shape: values[ids].shape + [.fixed(channels)])
  }

  /// Ids of the host are checked by every run before anything is computed, those that the graph makes when they are
  /// looked up; but positions are known to be in range.
  private func requireIdsInRange(_ index: Int, ids: ValueID, rows: Int) throws(GraphError) {
    if let input = inputs.first(where: { $0.value == ids }) {
      guard let fill = input.fill else { return }
      guard (0..<rows).contains(Int(fill)) else {
        throw GraphError(.invalidAttribute, node: index, value: ids, field: "inputs.fill")
      }
      return
    }
    guard let maker = nodes.first(where: { $0.output == ids }), case .positions = maker.operation else {
      return
    }
    guard let last = values[ids].shape.last, maximum(last) <= rows else {
      throw GraphError(.invalidSize, node: index, value: ids, field: "positions")
    }
  }

  private func inferredLinear(_ index: Int, matrix: ConstantID) throws(GraphError) -> InferredOutput {
    let shape = try floatInput(index)
    guard constants.indices.contains(matrix) else {
      throw GraphError(.indexOutOfRange, node: index, field: "matrix")
    }
    let sizes: (inputs: Int, outputs: Int)
    switch constants[matrix] {
    case .matrix(let packed) where packed.taps == 1: sizes = (packed.inputs, packed.outputs)
    case .floatMatrix(let float): sizes = (float.inputs, float.outputs)
    default: throw GraphError(.wrongKind, node: index, constant: matrix, field: "matrix")
    }
    guard shape.last == .fixed(sizes.inputs) else {
      throw GraphError(.shapeMismatch, node: index, constant: matrix, field: "matrix.inputs")
    }
    return InferredOutput(elementType: .float32, shape: shape.dropLast() + [.fixed(sizes.outputs)])
  }

  private func inferredAttention(
    _ index: Int, _ attention: Attention
  ) throws(GraphError) -> InferredOutput {
    let heads = attention.heads
    try requireInputs(index, counts: attention.hasBias ? 2...3 : 1...2)
    try require(index, input: 0, is: .float32, rank: 3)
    let shape = values[nodes[index].inputs[0]].shape
    let channels = try fixedLast(index, shape)
    guard heads >= 1, channels % 3 == 0, (channels / 3) % heads == 0 else {
      throw GraphError(.invalidAttribute, node: index, field: "heads")
    }
    try requirePositive(index, attention.scale, field: "scale")
    let inputCount = nodes[index].inputs.count
    if inputCount == (attention.hasBias ? 3 : 2) { try requireMask(index, positions: Array(shape[..<2])) }
    if attention.hasBias {
      try require(index, input: inputCount - 1, is: .float32)
      let bias = values[nodes[index].inputs[inputCount - 1]].shape
      guard attention.takesBias(bias, batch: shape[0], positions: shape[1]) else {
        throw GraphError(.shapeMismatch, node: index, field: "inputs", element: inputCount - 1)
      }
    }
    // The limits of the attention kernels; within them both integer products stay in int32.
    let headLength = channels / 3 / heads
    guard headLength % 4 == 0, (4...256).contains(headLength) else {
      throw GraphError(.invalidAttribute, node: index, field: "heads")
    }
    let longest = attention.precision == .int8 ? Int(Int32.max) / (255 * 127) : 1 << 20
    guard maximum(shape[1]) <= longest else {
      throw GraphError(.invalidSize, node: index, field: "inputs", element: 0)
    }
    guard let units = checkedProduct(maximum(shape[0]), heads), units <= maximumDimension else {
      throw GraphError(.invalidSize, node: index, field: "heads")
    }
    return InferredOutput(elementType: .float32, shape: [shape[0], shape[1], .fixed(channels / 3)])
  }
}

// MARK: Checks of one node

extension Graph {
  func requireInputs(_ index: Int, counts: ClosedRange<Int>) throws(GraphError) {
    guard counts.contains(nodes[index].inputs.count) else {
      throw GraphError(.wrongInputCount, node: index, field: "inputs")
    }
  }

  func require(
    _ index: Int, input: Int, is type: ElementType, rank: Int? = nil
  ) throws(GraphError) {
    let value = values[nodes[index].inputs[input]]
    guard value.elementType == type else {
      throw GraphError(.elementTypeMismatch, node: index, field: "inputs", element: input)
    }
    guard rank == nil || value.shape.count == rank else {
      throw GraphError(.shapeMismatch, node: index, field: "inputs", element: input)
    }
  }

  /// The shape of the one float32 input, whose last dimension is fixed.
  private func floatInput(_ index: Int) throws(GraphError) -> [Dimension] {
    try requireInputs(index, counts: 1...1)
    try require(index, input: 0, is: .float32)
    let shape = values[nodes[index].inputs[0]].shape
    _ = try fixedLast(index, shape)
    return shape
  }

  private func fixedLast(_ index: Int, _ shape: [Dimension]) throws(GraphError) -> Int {
    guard shape.count >= 2, case .fixed(let size) = shape[shape.count - 1] else {
      throw GraphError(.shapeMismatch, node: index, field: "inputs", element: 0)
    }
    return size
  }

  private func requirePositive(_ index: Int, _ number: Float, field: String) throws(GraphError) {
    guard number.isFinite, number > 0 else {
      throw GraphError(.invalidAttribute, node: index, field: field)
    }
  }

  private func requireMask(_ index: Int, positions: [Dimension]) throws(GraphError) {
    try require(index, input: 1, is: .int32, rank: 2)
    guard values[nodes[index].inputs[1]].shape == positions else {
      throw GraphError(.shapeMismatch, node: index, field: "inputs", element: 1)
    }
  }

  private func requireNormParameter(
    _ index: Int, _ constant: ConstantID, field: String, last: Dimension?
  ) throws(GraphError) {
    guard constants.indices.contains(constant) else {
      throw GraphError(.indexOutOfRange, node: index, field: field)
    }
    guard case .dense(let dense) = constants[constant], dense.elementType == .float32 else {
      throw GraphError(.wrongKind, node: index, constant: constant, field: field)
    }
    guard dense.shape.count == 1, last == .fixed(dense.shape[0]) else {
      throw GraphError(.shapeMismatch, node: index, constant: constant, field: field)
    }
  }
}
