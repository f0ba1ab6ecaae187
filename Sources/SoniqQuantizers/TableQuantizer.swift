package import SoniqCore
package import SoniqGraph

/// Codes of the channels of a table that share a code.
package struct QuantizedTableRun: Sendable, Hashable {
  package var code: WeightCode
  package var channels: Int
  /// Channels that share a scale within a row.
  package var blockLength: Int
  /// [rows][rowStride] bytes, little-endian bit stream.
  package var codes: [UInt8]
  /// binary16 [rows][blockCount].
  package var scales: [UInt16]

  package init(code: WeightCode, channels: Int, blockLength: Int, codes: [UInt8], scales: [UInt16]) {
    self.code = code
    self.channels = channels
    self.blockLength = blockLength
    self.codes = codes
    self.scales = scales
  }
}

/// Rounds the rows of an embedding table: one binary16 scale per row and block, found by error.
package struct TableQuantizer: Sendable {
  package let code: WeightCode
  package let blockLength: Int
  private let search: ScaleSearch

  /// * blockLength: a multiple of 8, or 0 for one scale a row.
  package init(code: WeightCode, blockLength: Int) throws(QuantizationError) {
    guard code.isValid else { throw .invalidLevel(index: 0) }
    guard blockLength >= 0, blockLength % 8 == 0 else {
      throw .size(.blockLength, got: blockLength, expected: 8)
    }
    self.code = code
    self.blockLength = blockLength
    search = ScaleSearch(code: code)
  }

  /// * weights: row-major [rows][channels], finite.
  package func quantize(
    weights: UnsafeBufferPointer<Float>, rows: Int, channels: Int
  ) throws(QuantizationError) -> QuantizedTableRun {
    guard rows > 0, channels > 0, let count = checkedProduct(rows, channels),
      let bitCount = checkedProduct(channels, code.bits), let paddedBits = roundedUp(bitCount, to: 8),
      let byteCount = checkedProduct(rows, paddedBits / 8)
    else { throw .tooLarge }
    guard weights.count == count else { throw .size(.weights, got: weights.count, expected: count) }
    if let index = weights.firstIndex(where: { !$0.isFinite }) {
      throw .invalidNumber(.weights, index: index)
    }
    let block = blockLength == 0 ? channels : min(blockLength, channels)
    let blockCount = (channels + block - 1) / block
    var run = QuantizedTableRun(
      code: code, channels: channels, blockLength: block,
      codes: [UInt8](repeating: 0, count: byteCount),
      scales: [UInt16](repeating: 0, count: rows * blockCount))
    for row in 0..<rows {
      let values = UnsafeBufferPointer(rebasing: weights[row * channels..<(row + 1) * channels])
      quantizeRow(values, row, blockCount, &run)
    }
    return run
  }

  private func quantizeRow(
    _ values: UnsafeBufferPointer<Float>, _ row: Int, _ blockCount: Int, _ run: inout QuantizedTableRun
  ) {
    var padded = PaddedRow(capacity: run.blockLength)
    var ones = PaddedRow(capacity: run.blockLength)
    let rowStart = row * ((run.channels * code.bits + 7) / 8)
    for block in 0..<blockCount {
      let begin = block * run.blockLength
      let end = min(begin + run.blockLength, run.channels)
      padded.load(UnsafeBufferPointer(rebasing: values[begin..<end]))
      ones.fill(1, count: end - begin)
      let scale = storableScale(padded, ones)
      run.scales[row * blockCount + block] = scale
      for channel in begin..<end {
        let code = nearestCode(values[channel], scale: scale)
        insert(code, at: channel, of: rowStart, into: &run.codes)
      }
    }
  }

  /// The best scale that binary16 can hold; 0 for an empty bipolar block.
  private func storableScale(_ row: PaddedRow, _ importance: PaddedRow) -> UInt16 {
    let found = row.withPointer { values in
      importance.withPointer { search.scale(row: values, importance: $0, count: row.count) }
    }
    guard case .some(.some(let scale)) = found else { return 0 }
    let largest = Float(65504)
    return Binary16.bits(min(scale, largest))
  }

  private func nearestCode(_ value: Float, scale: UInt16) -> UInt8 {
    let real = Binary16.value(scale)
    guard real > 0 else { return UInt8(truncatingIfNeeded: code.kind == .affine ? code.zero : 0) }
    return search.grid.nearestCode(value, scale: real)
  }

  private func insert(_ value: UInt8, at channel: Int, of rowStart: Int, into codes: inout [UInt8]) {
    let bit = channel * code.bits
    let wide = UInt16(value) << UInt16(bit % 8)
    codes[rowStart + bit / 8] |= UInt8(truncatingIfNeeded: wide)
    if wide > 0xff { codes[rowStart + bit / 8 + 1] |= UInt8(truncatingIfNeeded: wide >> 8) }
  }
}

extension PackedMatrixBuilder {
  /// A table of one or two runs.
  /// * scatter: sorted position -> output channel, or nil when already sorted.
  package func table(
    rows: Int, runs: [QuantizedTableRun], scatter: [UInt32]? = nil
  ) throws(QuantizationError) -> PackedTable {
    guard (1...2).contains(runs.count) else { throw .size(.levels, got: runs.count, expected: 1) }
    var levels: [TableLevel] = []
    var channels = 0
    for (index, run) in runs.enumerated() {
      guard run.code.isValid, run.channels > 0, run.blockLength > 0 else { throw .invalidLevel(index: index) }
      let level = TableLevel(
        code: run.code, channels: run.channels, blockLength: run.blockLength,
        codes: store.store(run.codes), scales: store.store(run.scales))
      guard let codeCount = checkedProduct(rows, level.rowStride),
        let scaleCount = checkedProduct(rows, level.blockCount)
      else { throw .tooLarge }
      guard run.codes.count == codeCount else {
        throw .size(.codes, got: run.codes.count, expected: codeCount)
      }
      guard run.scales.count == scaleCount else {
        throw .size(.scales, got: run.scales.count, expected: scaleCount)
      }
      levels.append(level)
      channels += run.channels
    }
    if let scatter, let position = firstPermutationFault(scatter, count: channels) {
      throw .notAPermutation(.scatter, position: position)
    }
    return PackedTable(
      rows: rows, channels: channels, levels: levels, scatter: scatter.map { store.store($0) })
  }
}
