import SoniqCore
import SoniqGraph

/// Constant tensors of codes with a scale for each block along an axis.
extension OnnxConversion {
  /// DequantizeLinear with block_size.
  mutating func dequantizedByBlock() throws(PackError) -> ValueID {
    let input = try input(0)
    let axis = try axis(node.integer("axis", default: 1), rank: onnxShape(input).count)
    let length = node.integer("block_size", default: 0)
    guard let codes = draft.known(input), draft.known(try self.input(1)) != nil else {
      let (scales, zeros) = try spreadParameters(input, axis: axis, length: length)
      let numbers = try zeros.map { zeros throws(PackError) in try binary(.subtract, input, zeros) } ?? input
      return try binary(.multiply, real(numbers), real(scales))
    }
    guard let scales = try knownInput(1, "scale") else { throw fault("its scales are missing") }
    return constant(
      try dequantized(codes, scales, zeros: knownInput(2, "zero point"), zero: 0, axis: axis, length: length))
  }

  /// QuantizeLinear with block_size: int32 codes.
  mutating func quantizedByBlock(_ input: ValueID) throws(PackError) -> ValueID {
    let axis = try axis(node.integer("axis", default: 1), rank: onnxShape(input).count)
    let length = node.integer("block_size", default: 0)
    let (scales, zeros) = try spreadParameters(input, axis: axis, length: length)
    let number = node.integer("output_dtype", default: 0)
    let stated = number == 0 ? nil : OnnxType(rawValue: Int32(truncatingIfNeeded: number))
    let type = try optionalInput(2).flatMap { draft.known($0)?.type } ?? stated ?? .uint8
    guard type.bitCount <= 16, !type.isFloat, type != .bool else {
      throw fault("codes of type \(type); whole numbers of 2, 4, 8 and 16 bits are supported")
    }
    var codes = try tensor(.unary(.round), binary(.divide, real(input), real(scales)))
    if let zeros { codes = try binary(.add, codes, real(zeros)) }
    return try widened(
      saturated(
        codes, CodeGrid(scales: [1], zeros: [0], isSigned: type.isSigned, bits: type.bitCount)),
      name: node.name)
  }

  /// Scales and zero points by block, each as often as its block is long: as they meet the value.
  private mutating func spreadParameters(
    _ value: ValueID, axis: Int, length: Int
  ) throws(PackError) -> (scales: ValueID, zeros: ValueID?) {
    guard case .fixed(let size) = onnxShape(value)[axis], size > 0, length > 0 else {
      throw fault("blocks of \(length) along a dynamic axis; fix it with --shape")
    }
    guard size <= maximumKnownElements else { throw fault("blocks of \(length) along an axis of \(size)") }
    func spread(_ value: ValueID, _ conversion: inout OnnxConversion) throws(PackError) -> ValueID {
      let shape = conversion.onnxShape(value)
      guard shape.count > axis, shape[axis] == .fixed((size - 1) / length + 1) else {
        throw conversion.fault("\(conversion.draft.words(shape)) scales for blocks of \(length) of \(size)")
      }
      let places = (0..<size).map { Int64($0 / length) }
      return try conversion.tensor(
        .gather(axis: axis), value, conversion.constant(KnownTensor(integers: places, shape: [size])))
    }
    let zeros = try optionalInput(2)
    return (
      try spread(input(1), &self), try zeros.map { zeros throws(PackError) in try spread(zeros, &self) }
    )
  }

  /// scale * (code - zero), and the codes for layers that can keep them.
  /// * zero: the code of 0 where there are no zero points.
  func dequantized(
    _ codes: KnownTensor, _ scales: KnownTensor, zeros: KnownTensor?, zero: Int64, axis: Int, length: Int
  ) throws(PackError) -> KnownTensor {
    guard let integers = codes.integers, !integers.isEmpty, let factors = scales.floats, length > 0,
      codes.type.bitCount <= 32, zeros?.type.bitCount ?? 0 <= 32
    else {
      throw fault("its codes, scales or block_size are not such")
    }
    var shape = codes.shape
    shape[axis] = (shape[axis] - 1) / length + 1
    guard scales.shape == shape, factors.allSatisfy(\.isFinite), zeros.map({ $0.shape == shape }) ?? true,
      zeros == nil || zeros?.integers != nil
    else {
      throw fault("its scales or zero points are not finite numbers of shape \(shape), one for each block")
    }
    let points = zeros?.integers ?? [Int64](repeating: zero, count: factors.count)
    let (steps, blockSteps) = (rowMajorSteps(codes.shape), rowMajorSteps(shape))
    let size = codes.shape[axis]
    let numbers = integers.indices.map { place -> Float in
      let outer = place / (steps[axis] * size)
      let block = place / steps[axis] % size / length
      let index = (outer * shape[axis] + block) * blockSteps[axis] + place % steps[axis]
      return Float(integers[place] - points[index]) * factors[index]
    }
    var result = KnownTensor(shape: codes.shape, type: .float32, elements: .floats(numbers))
    let bits = codes.type.bitCount
    guard [2, 4, 8].contains(bits), codes.type != .bool else { return result }
    let half: Int64 = codes.type.isSigned ? 1 << (bits - 1) : 0
    result.blocks = StatedBlocks(
      bits: bits, length: length, axis: axis, codes: integers.map { UInt8(truncatingIfNeeded: $0 + half) },
      scales: factors, zeros: points.map { Float($0 + half) })
    return result
  }

  /// Rows of a table of codes: com.microsoft's GatherBlockQuantized.
  mutating func blockGather() throws(PackError) -> [ValueID] {
    let ids = try input(1)
    guard var codes = try knownInput(0, "table"), let scales = try knownInput(2, "scale") else {
      throw fault("its table or scales are missing")
    }
    let rank = codes.shape.count
    let axis = try axis(node.integer("quantize_axis", default: 1), rank: rank)
    let (bits, length) = (node.integer("bits", default: 4), node.integer("block_size", default: 128))
    guard length >= 16, length & (length - 1) == 0 else {
      throw fault("block_size \(length), which is no power of two from 16 on")
    }
    var zeros = try knownInput(3, "zero points")
    let isBytes = codes.type == .uint8
    guard isBytes ? [2, 4, 8].contains(bits) : [.int4, .uint4].contains(codes.type) else {
      throw fault("\(bits) bits in elements of type \(codes.type)")
    }
    if isBytes, bits < 8 {
      guard axis == rank - 1, let blocks = scales.shape.last else {
        throw fault("several codes a byte that are quantised along axis \(axis)")
      }
      codes = try parts(codes, bits: bits, count: codes.shape[axis] * (8 / bits))
      zeros = try zeros.map { known throws(PackError) in try parts(known, bits: bits, count: blocks) }
    }
    let table = try dequantized(
      codes, scales, zeros: zeros, zero: isBytes ? 1 << Int64(bits - 1) : 0, axis: axis, length: length)
    let gatherAxis = try self.axis(node.integer("gather_axis", default: 0), rank: rank)
    return try apply("Gather", [constant(table), ids], [.integer("axis", gatherAxis)])
  }

  /// Bytes of several codes as the codes, with so many along the last axis, which begin at whole bytes.
  private func parts(_ known: KnownTensor, bits: Int, count: Int) throws(PackError) -> KnownTensor {
    let rowBytes = (count * bits + 7) / 8
    guard let bytes = known.integers, known.type == .uint8, known.shape.last == rowBytes else {
      throw fault("its codes or zero points of shape \(known.shape) have not \(rowBytes) bytes a row")
    }
    let type: OnnxType = bits == 2 ? .uint2 : .uint4
    let codes = Self.unpacked(
      bytes, bits: bits, rows: bytes.count / max(1, rowBytes), rowBytes: rowBytes, count: count)
    return KnownTensor(
      shape: known.shape.dropLast() + [count], type: type, elements: .integers(codes.map { Int64($0) }))
  }
}
