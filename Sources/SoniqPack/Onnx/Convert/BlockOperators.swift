import SoniqCore
import SoniqGraph

/// com.microsoft's operators whose weights are codes of 2, 4 or 8 bits with a scale for each block.
extension OnnxConversion {
  /// x [..., K] times a matrix [N, K] of codes. `accuracy_level` says how ONNX Runtime may round x; the packed layer rounds it
  /// to 8 bits by block, in float mode nothing is rounded.
  mutating func blockMatmul() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let blocks = try blockCodes()
    let outputs = blocks.codes.count / blocks.channels
    let bias = try optionalInput(5)
    guard draft.known(input) == nil, draft.rank(input) >= 2 else {
      let weights = KnownTensor(floats: blocks.values, shape: [outputs, blocks.channels])
      return try plus(apply("MatMul", [input, constant(weights.transposed([1, 0]))])[0], bias)
    }
    let shape = draft.shape(input)
    guard shape[shape.count - 1] == .fixed(blocks.channels) else {
      throw fault("\(draft.words(shape)) times a matrix of \(blocks.channels) columns")
    }
    let stated = bias.flatMap { draft.known($0) }
    if let stated, stated.floats?.count != outputs {
      throw fault("its bias of shape \(stated.shape) should be \(outputs) numbers")
    }
    let layer = DraftWeights(
      outputs: outputs, inputs: blocks.channels, values: keepsCodes ? [] : blocks.values,
      bias: stated?.floats, blocks: blocks)
    let result = append(.linear(layer), [input], shape.dropLast() + [.fixed(outputs)])
    release(1)
    return stated == nil ? try plus(result, bias) : [result]
  }

  private mutating func plus(_ value: ValueID, _ term: ValueID?) throws(PackError) -> [ValueID] {
    guard let term else { return [value] }
    return [try binary(.add, value, term)]
  }

  /// Frees the elements of a constant that only this node reads: 8 bytes for each byte of the file.
  private mutating func release(_ index: Int) {
    guard let uses = scopes.last?.uses, uses.onlyUser(of: node.inputs[index])?.name == node.name,
      let value = scopes.last?.named[node.inputs[index]]
    else { return }
    draft.values[value].known?.elements = .integers([])
    draft.values[value].known?.shape = [0]
  }

  /// The matrix of MatMulNBits, checked.
  private mutating func blockCodes() throws(PackError) -> BlockCodes {
    let (channels, outputs) = (node.integer("K", default: 0), node.integer("N", default: 0))
    let (bits, length) = (node.integer("bits", default: 4), node.integer("block_size", default: 0))
    guard [2, 4, 8].contains(bits) else { throw fault("\(bits) bits; 2, 4 and 8 are supported") }
    guard length >= 16, length & (length - 1) == 0 else {
      throw fault("block_size \(length), which is no power of two from 16 on")
    }
    guard (1...maximumDimension).contains(channels), (1...maximumDimension).contains(outputs),
      node.integer("weight_prepacked", default: 0) == 0
    else { throw fault("a matrix of N \(outputs) and K \(channels), or in the layout of one machine") }
    let count = (channels - 1) / length + 1
    guard let stored = try knownInput(1, "weights"), let bytes = stored.integers, stored.type == .uint8,
      let rowBytes = checkedProduct(count, length / 8 * bits),
      bytes.count == checkedProduct(rowBytes, outputs)
    else { throw fault("its codes are not [\(outputs), \(count), \(length / 8 * bits)] bytes") }
    guard let scales = try knownInput(2, "scales")?.floats, scales.count == checkedProduct(outputs, count),
      scales.allSatisfy(\.isFinite)
    else { throw fault("its scales are not [\(outputs), \(count)] finite numbers") }
    let order = try blockOrder(channels: channels, length: length)
    var codes = Self.unpacked(bytes, bits: bits, rows: outputs, rowBytes: rowBytes, count: channels)
    if let order {
      for output in 0..<outputs {
        let row = Array(codes[output * channels..<(output + 1) * channels])
        for (place, channel) in order.enumerated() { codes[output * channels + place] = row[channel] }
      }
    }
    return BlockCodes(
      bits: bits, length: length, channels: channels, codes: codes,
      scales: scales, zeros: try blockZeros(3, bits: bits, rows: outputs, count: count), order: order)
  }

  /// Zero points by block: numbers, or codes of so many bits with each row in whole bytes.
  private mutating func blockZeros(
    _ index: Int, bits: Int, rows: Int, count: Int
  ) throws(PackError) -> [Float]? {
    guard let known = try knownInput(index, "zero points") else { return nil }
    if let floats = known.floats {
      guard floats.count == rows * count, floats.allSatisfy(\.isFinite) else {
        throw fault("its zero points are not [\(rows), \(count)] finite numbers")
      }
      return floats
    }
    let rowBytes = (count * bits + 7) / 8
    guard let bytes = known.integers, known.type == .uint8, bytes.count == checkedProduct(rowBytes, rows)
    else { throw fault("its zero points are not [\(rows), \(rowBytes)] bytes") }
    return Self.unpacked(bytes, bits: bits, rows: rows, rowBytes: rowBytes, count: count).map { Float($0) }
  }

  /// Codes of rows that begin at whole bytes, the first one in the lowest bits.
  static func unpacked(_ bytes: [Int64], bits: Int, rows: Int, rowBytes: Int, count: Int) -> [UInt8] {
    var codes: [UInt8] = []
    codes.reserveCapacity(rows * count)
    for row in 0..<rows {
      for place in 0..<count {
        let byte = bytes[row * rowBytes + place * bits / 8] >> Int64(place * bits % 8)
        codes.append(UInt8(truncatingIfNeeded: byte) & UInt8(truncatingIfNeeded: (1 << bits) - 1))
      }
    }
    return codes
  }

  /// The channels sorted by the blocks that g_idx gives them; nil when they are in order.
  private mutating func blockOrder(channels: Int, length: Int) throws(PackError) -> [Int]? {
    guard let known = try knownInput(4, "g_idx") else { return nil }
    guard let blocks = known.integers, blocks.count == channels else {
      throw fault("its g_idx is not \(channels) whole numbers")
    }
    let order = blocks.indices.sorted { (blocks[$0], $0) < (blocks[$1], $1) }
    guard order.indices.allSatisfy({ blocks[order[$0]] == Int64($0 / length) }) else {
      throw fault("its g_idx does not put \(length) channels into each block")
    }
    return order == Array(0..<channels) ? nil : order
  }
}
