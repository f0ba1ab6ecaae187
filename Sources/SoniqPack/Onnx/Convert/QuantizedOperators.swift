import SoniqGraph

extension OnnxConversion {
  /// Weights become the numbers of their codes; values that are computed keep a mark with the code's scale.
  mutating func quantizeLinear() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let grid = try codeGrid()
    if let known = draft.known(input) { return [constant(try codes(of: known, grid))] }
    guard grid.scales.count == 1 else { throw fault("scales by channel for a value that is computed") }
    let zero = grid.zeros[0] + (grid.isSigned ? 128 : 0)
    return [
      append(
        .quantized(ActivationGrid(scale: grid.scales[0], zero: zero)), [input], draft.shape(input))
    ]
  }

  mutating func dequantizeLinear() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let known = draft.known(input) else {
      guard draft.nodes.contains(where: { $0.output == input && $0.operation.isQuantized }) else {
        throw fault("codes that are not made by QuantizeLinear")
      }
      return [input]
    }
    var grid = try codeGrid(of: known)
    if let stated = grid.axis { grid.axis = try axis(stated, rank: known.shape.count) }
    guard let codes = known.integers else { throw fault("its codes are not whole numbers") }
    let channel = try self.channel(of: known, grid)
    let numbers = codes.indices.map { place -> Float in
      let index = channel(place)
      return Float(codes[place] - Int64(grid.zeros[index])) * grid.scales[index]
    }
    let isByte = [.int8, .uint8].contains(known.type)
    return [
      constant(
        KnownTensor(shape: known.shape, type: .float32, elements: .floats(numbers), grid: isByte ? grid : nil)
      )
    ]
  }

  private mutating func codes(of tensor: KnownTensor, _ grid: CodeGrid) throws(PackError) -> KnownTensor {
    guard let floats = tensor.floats else { throw fault("it quantises whole numbers") }
    let channel = try channel(of: tensor, grid)
    let range: ClosedRange<Float> = grid.isSigned ? -128...127 : 0...255
    let codes = floats.indices.map { place -> Int64 in
      let index = channel(place)
      let code = (floats[place] / grid.scales[index]).rounded(.toNearestOrEven) + Float(grid.zeros[index])
      return code.isNaN ? 0 : Int64(min(max(code, range.lowerBound), range.upperBound))
    }
    return KnownTensor(shape: tensor.shape, type: grid.isSigned ? .int8 : .uint8, elements: .integers(codes))
  }

  /// The scales and zeros of the node.
  private mutating func codeGrid(of codes: KnownTensor? = nil) throws(PackError) -> CodeGrid {
    guard let scale = try knownInput(1, "scale"), let scales = scale.floats, !scales.isEmpty else {
      throw fault("its scale is missing")
    }
    guard scales.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw fault("a scale is not above 0") }
    guard node.integer("block_size", default: 0) == 0 else { throw fault("scales by block") }
    let zero = try knownInput(2, "zero point")
    let type = zero?.type ?? codes?.type ?? .uint8
    guard type == .uint8 || type == .int8 || (codes != nil && type == .int32) else {
      throw fault("codes of type \(type); uint8 and int8 are supported")
    }
    let zeros = zero?.integers?.map { Int($0) } ?? scales.map { _ in 0 }
    guard zeros.count == scales.count, scale.shape.count <= 1 else {
      throw fault("its scales and zero points differ")
    }
    return CodeGrid(
      scales: scales, zeros: zeros, axis: scale.count == 1 ? nil : node.integer("axis", default: 1),
      isSigned: type == .int8)
  }

  /// Which scale an element has, by its place.
  private func channel(of tensor: KnownTensor, _ grid: CodeGrid) throws(PackError) -> (Int) -> Int {
    guard let stated = grid.axis else { return { _ in 0 } }
    let axis = try axis(stated, rank: tensor.shape.count)
    guard tensor.shape[axis] == grid.scales.count else {
      throw fault("\(grid.scales.count) scales for \(tensor.shape)")
    }
    let (step, size) = (rowMajorSteps(tensor.shape)[axis], tensor.shape[axis])
    return { $0 / step % size }
  }
}

extension DraftOperation {
  var isQuantized: Bool { if case .quantized = self { true } else { false } }
}
