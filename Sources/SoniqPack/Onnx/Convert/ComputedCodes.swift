import SoniqGraph

/// Codes that are computed in a run: those that a model takes from the host or puts out, and those with a scale for each
/// channel. Codes between two layers are marks, see `quantizeLinear`.
extension OnnxConversion {
  /// The codes that a mark stands for, in the type that an output states; nil for a value that is none.
  mutating func codesOfMark(_ value: ValueID, _ type: OnnxType) throws(PackError) -> ValueID? {
    guard let maker = draft.nodes.last(where: { $0.outputs.contains(value) }),
      case .quantized(let mark) = maker.operation
    else { return nil }
    let isSigned = type == .int8
    let grid = CodeGrid(scales: [mark.scale], zeros: [mark.zero - (isSigned ? 128 : 0)], isSigned: isSigned)
    return try computedCodes(of: maker.inputs[0], grid)
  }

  /// x / scale, rounded, + zero, saturated: elements of int8 or uint8, and int32 for codes of other widths.
  mutating func computedCodes(of value: ValueID, _ grid: CodeGrid) throws(PackError) -> ValueID {
    let scales = try parameters(grid.scales, grid, of: value)
    var codes = try tensor(.unary(.round), tensor(.binary(.divide), value, scales))
    if grid.zeros.contains(where: { $0 != 0 }) {
      codes = try tensor(.binary(.add), codes, parameters(grid.zeros.map { Float($0) }, grid, of: value))
    }
    return try saturated(codes, grid)
  }

  mutating func saturated(_ codes: ValueID, _ grid: CodeGrid) throws(PackError) -> ValueID {
    if grid.bits == 8 { return try tensor(.cast(grid.isSigned ? .int8 : .uint8), codes) }
    let range = grid.range
    let held = try tensor(.unary(.clip(low: range.lowerBound, high: range.upperBound)), codes)
    // NaN has the code 0.
    let isNumber = try binary(.equal, held, held)
    return try tensor(.cast(.int32), tensor(.select, isNumber, held, scalar(0)))
  }

  /// (code - zero) * scale of codes that are int32 here; the next layer takes a code of one scale over.
  mutating func dequantizedCodes(_ value: ValueID, _ grid: CodeGrid) throws(PackError) -> ValueID {
    let numbers = try numbersOfCodes(value, grid)
    guard grid.scales.count == 1 else { return numbers }
    let mark = ActivationGrid(scale: grid.scales[0], zero: grid.zeros[0] + (grid.isSigned ? 128 : 0))
    return append(.quantized(mark), [numbers], draft.shape(numbers))
  }

  /// (code - zero) * scale of codes that are int32 here.
  mutating func numbersOfCodes(_ value: ValueID, _ grid: CodeGrid) throws(PackError) -> ValueID {
    let scales = try parameters(grid.scales, grid, of: value)
    var numbers = try real(value)
    if grid.zeros.contains(where: { $0 != 0 }) {
      let zeros = try parameters(grid.zeros.map { Float($0) }, grid, of: value)
      numbers = try tensor(.binary(.subtract), numbers, zeros)
    }
    return try tensor(.binary(.multiply), numbers, scales)
  }

  /// A number, or one for each index of the axis, as it meets the value.
  private mutating func parameters(
    _ numbers: [Float], _ grid: CodeGrid, of value: ValueID
  ) throws(PackError) -> ValueID {
    guard let stated = grid.axis else { return scalar(numbers[0]) }
    let rank = draft.rank(value)
    let axis = try axis(stated, rank: rank)
    guard draft.shape(value)[axis] == .fixed(numbers.count) else {
      throw fault("\(numbers.count) scales for \(draft.words(draft.shape(value)))")
    }
    let shape = [numbers.count] + [Int](repeating: 1, count: rank - axis - 1)
    return constant(KnownTensor(floats: numbers, shape: shape))
  }
}

extension CodeGrid {
  /// The type of its codes.
  var codeType: OnnxType {
    switch (bits, isSigned) {
    case (2, false): .uint2
    case (2, true): .int2
    case (4, false): .uint4
    case (4, true): .int4
    case (16, false): .uint16
    case (16, true): .int16
    case (32, _): .int32
    case (_, false): .uint8
    case (_, true): .int8
    }
  }
}
