import SoniqCore
import SoniqGraph
import SoniqQuantizers

extension OnnxConversion {
  /// Weights become the numbers of their codes; values that are computed keep a mark with the code's scale, or become codes
  /// where every channel has a scale.
  mutating func quantizeLinear() throws(PackError) -> [ValueID] {
    let input = try input(0)
    if try typeOfCodes()?.isTinyFloat == true, let type = try typeOfCodes() {
      return [try quantizedToFloats(input, type)]
    }
    if try isByBlock() { return [try quantizedByBlock(input)] }
    let stated = node.integer("output_dtype").flatMap { $0 == 0 ? nil : $0 }
    let grid = try codeGrid(of: stated.flatMap { OnnxType(rawValue: Int32(truncatingIfNeeded: $0)) })
    if let known = draft.known(input) { return [constant(try codes(of: known, grid))] }
    guard grid.scales.count == 1, grid.bits == 8 else {
      return [try widened(computedCodes(of: real(input), grid), name: node.name)]
    }
    let zero = grid.zeros[0] + (grid.isSigned ? 128 : 0)
    return [
      append(
        .quantized(ActivationGrid(scale: grid.scales[0], zero: zero)), [input], draft.shape(input))
    ]
  }

  mutating func dequantizeLinear() throws(PackError) -> [ValueID] {
    let input = try input(0)
    if try statedType(node.inputs[0])?.isTinyFloat == true { return [try dequantizedFloats(input)] }
    if try isByBlock() { return [try dequantizedByBlock()] }
    guard draft.known(try self.input(1)) != nil else { return [try dequantizedByComputedScale(input)] }
    guard let known = draft.known(input) else {
      if let mark = movedMark(input) {
        // What moved it has to be followed by its code again.
        let grid = try codeGrid(of: node.inputs.count > 2 ? nil : mark)
        guard grid.scales.count == 1 else { throw fault("codes of one scale as codes of several") }
        let zero = grid.zeros[0] + (grid.isSigned ? 128 : 0)
        return [
          append(.quantized(ActivationGrid(scale: grid.scales[0], zero: zero)), [input], draft.shape(input))
        ]
      }
      let maker = draft.nodes.last { $0.outputs.contains(input) }
      if maker?.operation.isQuantized == true { return [input] }
      if let type = narrowType(of: input), !type.isFloat {
        return [try dequantizedCodes(input, codeGrid(of: type))]
      }
      guard let maker, case .tensor(.gather(Gather(axis: 0))) = maker.operation,
        let table = draft.known(maker.inputs[0]), table.shape.count == 2
      else {
        guard draft.values[input].elementType == .int32 else {
          throw fault("its codes are not whole numbers")
        }
        return [try numbersOfCodes(input, codeGrid(of: .int32))]
      }
      return [try dequantizedRows(of: table, maker.inputs[1])]
    }
    var grid = try codeGrid(of: known.type)
    if let stated = grid.axis { grid.axis = try axis(stated, rank: known.shape.count) }
    return [constant(try dequantized(known, grid))]
  }

  private func isByBlock() throws(PackError) -> Bool {
    let length = node.integer("block_size", default: 0)
    guard length >= 0 else { throw fault("block_size \(length)") }
    return length > 0
  }

  /// The type that a QuantizeLinear states for its codes.
  mutating func typeOfCodes() throws(PackError) -> OnnxType? {
    if let zero = try knownInput(2, "zero point") { return zero.type }
    return node.integer("output_dtype").flatMap { OnnxType(rawValue: Int32(truncatingIfNeeded: $0)) }
  }

  /// (code - zero) * scale, where the scale is no constant.
  private mutating func dequantizedByComputedScale(_ codes: ValueID) throws(PackError) -> ValueID {
    guard draft.rank(try input(1)) == 1,
      draft.shape(try input(1))[0] == .fixed(1)
    else { throw fault("scales that are computed by channel or block") }
    var numbers = try real(codes)
    if let zero = try optionalInput(2) { numbers = try binary(.subtract, numbers, real(zero)) }
    return try binary(.multiply, numbers, input(1))
  }

  func dequantized(_ known: KnownTensor, _ grid: CodeGrid) throws(PackError) -> KnownTensor {
    guard let codes = known.integers else { throw fault("its codes are not whole numbers") }
    let channel = try self.channel(of: known, grid)
    let numbers = codes.indices.map { place -> Float in
      let index = channel(place)
      return Float(codes[place] - Int64(grid.zeros[index])) * grid.scales[index]
    }
    let isByte = [.int8, .uint8].contains(known.type)
    return KnownTensor(
      shape: known.shape, type: .float32, elements: .floats(numbers), grid: isByte ? grid : nil)
  }

  /// Rows of a table of codes. A table of one scale keeps its codes where scales of binary16 are exact enough.
  private mutating func dequantizedRows(
    of table: KnownTensor, _ ids: ValueID
  ) throws(PackError) -> ValueID {
    var grid = try codeGrid(of: table.type)
    let (rows, channels) = (table.shape[0], table.shape[1])
    guard rows > 0, channels > 0 else { throw fault("its table is empty") }
    if let stated = grid.axis {
      guard try axis(stated, rank: draft.rank(ids) + 1) == draft.rank(ids) else {
        throw fault("scales by position of rows that are looked up")
      }
      grid.axis = 1
    }
    let shape = draft.shape(ids) + [.fixed(channels)]
    if keepsCodes, let trained = stated(table, grid) {
      return append(.trainedEmbedding(trained), [ids], shape)
    }
    let numbers = try dequantized(table, grid).floats ?? []
    return append(.embedding(table: numbers, rows: rows, channels: channels), [ids], shape)
  }

  private func stated(_ table: KnownTensor, _ grid: CodeGrid) -> TrainedTable? {
    let offset = table.type == .int8 ? 128 : 0
    let scale = Binary16.bits(grid.scales[0])
    guard grid.axis == nil, [.int8, .uint8].contains(table.type), let codes = table.integers,
      (0...255).contains(grid.zeros[0] + offset),
      abs(Binary16.value(scale) - grid.scales[0]) <= grid.scales[0] / 2048
    else { return nil }
    return TrainedTable(
      rows: table.shape[0], channels: table.shape[1],
      code: WeightCode(kind: .affine, bits: 8, zero: grid.zeros[0] + offset),
      codes: codes.map { UInt8(truncatingIfNeeded: $0 + Int64(offset)) },
      scales: [UInt16](repeating: scale, count: table.shape[0]), blockLength: table.shape[1])
  }

  private mutating func codes(of tensor: KnownTensor, _ grid: CodeGrid) throws(PackError) -> KnownTensor {
    guard let floats = tensor.floats else { throw fault("it quantises whole numbers") }
    let channel = try channel(of: tensor, grid)
    let range = grid.range
    let codes = floats.indices.map { place -> Int64 in
      let index = channel(place)
      let code = (floats[place] / grid.scales[index]).rounded(.toNearestOrEven) + Float(grid.zeros[index])
      return code.isNaN ? 0 : Int64(min(max(code, range.lowerBound), range.upperBound))
    }
    return KnownTensor(shape: tensor.shape, type: grid.codeType, elements: .integers(codes))
  }

  /// The scales and zeros of the node.
  private mutating func codeGrid(of codes: OnnxType? = nil) throws(PackError) -> CodeGrid {
    guard let scale = try knownInput(1, "scale"), let scales = scale.floats, !scales.isEmpty else {
      throw fault("its scale is missing")
    }
    guard scales.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw fault("a scale is not above 0") }
    let zero = try knownInput(2, "zero point")
    let type = zero?.type ?? codes ?? .uint8
    guard type.bitCount <= 16 && !type.isFloat && type != .bool || (codes != nil && type == .int32) else {
      throw fault("codes of type \(type); whole numbers of 2, 4, 8 and 16 bits are supported")
    }
    let zeros = zero?.integers?.map { Int($0) } ?? scales.map { _ in 0 }
    guard zeros.count == scales.count, scale.shape.count <= 1 else {
      throw fault("its scales and zero points differ")
    }
    return CodeGrid(
      scales: scales, zeros: zeros, axis: scale.count == 1 ? nil : node.integer("axis", default: 1),
      isSigned: type.isSigned, bits: type.bitCount)
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

extension OnnxConversion {
  /// Whether a value is a mark behind operations that only move or choose elements; the type of its codes then.
  private func movedMark(_ value: ValueID) -> OnnxType? {
    var value = value
    var isMoved = false
    while let maker = draft.nodes.last(where: { $0.outputs.contains(value) }) {
      switch maker.operation {
      case .quantized: return isMoved ? .uint8 : nil
      case .tensor(.transpose), .tensor(.reshape), .tensor(.slice), .tensor(.expand):
        (value, isMoved) = (maker.inputs[0], true)
      case .tensor(.pool(let pool)) where pool.function == .maximum:
        (value, isMoved) = (maker.inputs[0], true)
      default: return nil
      }
    }
    return nil
  }
}

extension DraftOperation {
  var isQuantized: Bool { if case .quantized = self { true } else { false } }
}
