import SoniqCore

/// Codes that a tensor of real numbers was made of, with a scale for each block along one axis: number = scale * (code - zero).
struct StatedBlocks: Sendable {
  /// 2, 4 or 8.
  var bits: Int
  /// Neighbours along `axis` that share a scale; the last block may be shorter.
  var length: Int
  var axis: Int
  /// Unsigned, below 2^bits, in the order of the tensor's elements.
  var codes: [UInt8]
  /// Row-major, of the tensor's shape with blocks in the place of `axis`.
  var scales: [Float]
  /// Likewise, codes of 0.
  var zeros: [Float]

  func shape(of shape: [Int]) -> [Int] {
    var blocks = shape
    blocks[axis] = (shape[axis] + length - 1) / length
    return blocks
  }

  /// * shape: of the tensor before.
  func transposed(_ permutation: [Int], shape: [Int]) -> StatedBlocks {
    func moved<Element>(_ list: [Element], _ shape: [Int]) -> [Element] {
      let steps = rowMajorSteps(shape)
      let places = offsets(permutation.map { shape[$0] }, steps: permutation.map { steps[$0] })
      return places.map { list[$0] }
    }
    var result = self
    let blocks = self.shape(of: shape)
    result.codes = moved(codes, shape)
    result.scales = moved(scales, blocks)
    result.zeros = moved(zeros, blocks)
    result.axis = permutation.firstIndex(of: axis) ?? axis
    return result
  }

  /// The rows of a layer's matrix [outputs, inputs]; nil where blocks are none that a packed matrix has.
  func rows(inputs: Int) -> BlockCodes? {
    guard axis == 1, length >= 16, length & (length - 1) == 0 else { return nil }
    return BlockCodes(
      bits: bits, length: length, channels: inputs, codes: codes, scales: scales, zeros: zeros)
  }

  /// An embedding table [rows, channels]; nil where its zero points differ or its scales are not those of a packed table.
  func table(rows: Int, channels: Int) -> TrainedTable? {
    guard axis == 1, length % 8 == 0 || length >= channels, let first = zeros.first,
      let zero = Int(exactly: first), (0..<1 << bits).contains(zero), zeros.allSatisfy({ $0 == first })
    else { return nil }
    let halves = scales.map { Binary16.bits($0) }
    // As close as for tables of one scale.
    let isClose = zip(halves, scales).allSatisfy { half, scale in
      scale >= 0 && abs(Binary16.value(half) - scale) <= scale / 2048
    }
    guard isClose else { return nil }
    return TrainedTable(
      rows: rows, channels: channels, code: WeightCode(kind: .affine, bits: bits, zero: zero), codes: codes,
      scales: halves, blockLength: min(length, channels))
  }
}
