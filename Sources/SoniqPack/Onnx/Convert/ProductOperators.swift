import SoniqCore
import SoniqGraph

extension OnnxConversion {
  mutating func matmul() throws(PackError) -> [ValueID] {
    var left = try input(0)
    let right = try input(1)
    let leftRank = onnxShape(left).count
    guard leftRank > 0, !onnxShape(right).isEmpty else { throw fault("a scalar has no product of matrices") }
    if leftRank == 1 {
      left = try reshape(left, to: [Extent(1)] + draft.shape(left).map { draft.extent($0) })
    }
    var result: ValueID
    if let known = draft.known(right), known.shape.count == 2, draft.known(left) == nil {
      result = try linear(left, known.transposed([1, 0]), bias: nil)
    } else if onnxShape(right).count == 1 {
      let column = try reshape(right, to: draft.shape(right).map { draft.extent($0) } + [Extent(1)])
      result = try tensor(.matmul(transposesRight: false), left, column)
      result = try reshape(result, to: draft.shape(result).dropLast().map { draft.extent($0) })
    } else {
      result = try tensor(.matmul(transposesRight: false), left, right)
    }
    if leftRank == 1 {
      var extents = draft.shape(result).map { draft.extent($0) }
      extents.remove(at: max(0, extents.count - (onnxShape(right).count == 1 ? 1 : 2)))
      result = try reshape(result, to: extents)
    }
    return [result]
  }

  /// x [..., K] times the transposed weights [N][K].
  mutating func linear(
    _ input: ValueID, _ weights: KnownTensor, bias: [Float]?, name: String? = nil
  ) throws(PackError) -> ValueID {
    let shape = draft.shape(input)
    let (outputs, inputs) = (weights.shape[0], weights.shape[1])
    guard let values = weights.floats, outputs > 0, inputs > 0, draft.values[input].elementType == .float32
    else {
      throw fault("its operands are not of real numbers")
    }
    draft.requireEqual(shape[shape.count - 1], .fixed(inputs))
    guard shape[shape.count - 1] == .fixed(inputs) else {
      throw fault("\(draft.words(shape)) times a matrix of \(inputs) rows")
    }
    let grid = Self.rowGrid(weights.grid, axis: 0)
    let layer = DraftWeights(
      outputs: outputs, inputs: inputs, values: values, bias: bias, grid: grid,
      blocks: weights.blocks?.rows(inputs: inputs))
    if keepsCodes, weights.blocks != nil, layer.blocks == nil {
      draft.decoded.append("\(node.name): its blocks of codes are not of 16, 32, 64 ... inputs")
    }
    let results: [Dimension] = shape.dropLast() + [.fixed(outputs)]
    if keepsCodes, let grid, Set(grid.zeros).count > 1 {
      let (centred, terms) = Self.centred(layer, grid)
      let sums = try reduce(.sum, input, axes: [shape.count - 1], keeps: true)
      let moved = try binary(.multiply, sums, constant(KnownTensor(floats: terms, shape: [outputs])))
      return try binary(.add, draft.append(name ?? node.name, .linear(centred), [input], results), moved)
    }
    return draft.append(name ?? node.name, .linear(layer), [input], results)
  }

  /// A layer whose codes have one zero point, and what it lacks then for each output and unit of its inputs' sum: packed
  /// matrices have no zero points by output.
  private static func centred(_ layer: DraftWeights, _ grid: CodeGrid) -> (DraftWeights, terms: [Float]) {
    let zero = grid.isSigned ? 0 : 128
    var centred = layer
    var terms: [Float] = []
    for row in 0..<layer.outputs {
      let scale = grid.scales[grid.scales.count == 1 ? 0 : row]
      let shift = grid.zeros[row] - zero
      for place in row * layer.inputs..<(row + 1) * layer.inputs {
        let code = (layer.values[place] / scale).rounded(.toNearestOrEven) + Float(shift)
        centred.values[place] = code * scale
      }
      terms.append(Float(-shift) * scale)
    }
    centred.grid?.zeros = grid.zeros.map { _ in zero }
    return (centred, terms)
  }

  mutating func gemm() throws(PackError) -> [ValueID] {
    var left = try input(0)
    let right = try input(1)
    let alpha = node.real("alpha", default: 1)
    let beta = node.real("beta", default: 1)
    guard draft.rank(left) == 2, onnxShape(right).count == 2 else {
      throw fault("its operands are not matrices")
    }
    if node.flag("transA") { left = try transpose(left, [1, 0]) }
    var result: ValueID
    let isTransposed = node.flag("transB")
    if var known = draft.known(right), draft.known(left) == nil {
      if !isTransposed { known = known.transposed([1, 0]) }
      if alpha != 1 { known = Self.scaled(known, alpha) }
      if let bias = try gemmBias(outputs: known.shape[0], beta: beta) {
        return [try linear(left, known, bias: bias)]
      }
      result = try linear(left, known, bias: nil)
    } else {
      result = try tensor(.matmul(transposesRight: isTransposed), left, right)
      if alpha != 1 { result = try binary(.multiply, result, scalar(alpha)) }
    }
    guard var added = try optionalInput(2), beta != 0 else { return [result] }
    if beta != 1 { added = try binary(.multiply, added, scalar(beta)) }
    return [try binary(.add, result, added)]
  }

  private static func scaled(_ tensor: KnownTensor, _ factor: Float) -> KnownTensor {
    var result = tensor
    result.elements = .floats((tensor.floats ?? []).map { $0 * factor })
    result.blocks = nil
    result.grid = factor > 0 ? tensor.grid : nil
    result.grid?.scales = (tensor.grid?.scales ?? []).map { $0 * factor }
    return result
  }

  /// The third operand, when it is a constant row.
  private mutating func gemmBias(outputs: Int, beta: Float) throws(PackError) -> [Float]? {
    guard let value = try optionalInput(2), let known = draft.known(value), let floats = known.floats,
      floats.count == outputs, known.shape.last == outputs
    else { return nil }
    return floats.map { $0 * beta }
  }
}
