import SoniqCore
package import SoniqGraph
import SoniqQuantizers

/// Cuts a packed model down to fewer weight bits, without training: a bipolar code of p bits holds the
/// nearest code of r bits in its top bits, and the real value of one integer grows by 2^(p - r).
package enum Slice {
  /// Every level with more than `bits` weight bits gets `bits`; the others stay.
  /// - Throws: `usage` when no level has more, or one that has uses affine codes.
  package static func cut(_ model: ModelDescription, bits: Int) throws(PackError) -> ModelDescription {
    guard (1...6).contains(bits) else {
      throw PackError(.usage, place: "--bits", "must be 1 to 6, not \(bits)")
    }
    let store = ConstantStore()
    var cut = model
    cut.owner.append(store)
    var changes = 0
    for index in cut.graph.constants.indices {
      let name = model.graph.constantNames[index]
      switch model.graph.constants[index] {
      case .matrix(var matrix):
        for level in matrix.levels.indices {
          changes += try cutLevel(&matrix.levels[level], outputs: matrix.outputs, bits, name, store)
        }
        cut.graph.constants[index] = .matrix(matrix)
      case .table(var table):
        for level in table.levels.indices {
          changes += try cutLevel(&table.levels[level], rows: table.rows, bits, name, store)
        }
        cut.graph.constants[index] = .table(table)
      case .dense, .floatMatrix, .depthwise: continue
      }
    }
    guard changes > 0 else {
      throw PackError(.usage, place: "--bits", "no level has more than \(bits) weight bits")
    }
    return cut
  }

  private static func shift(_ code: WeightCode, to bits: Int, _ name: String) throws(PackError) -> Int? {
    guard code.bits > bits else { return nil }
    guard code.kind == .bipolar else {
      throw PackError(
        .usage, place: name,
        "a level of \(code.bits) bits has \(code.kind) codes, which hold no shorter ones; pack it again instead"
      )
    }
    return code.bits - bits
  }

  private static func cutLevel(
    _ level: inout MatrixLevel, outputs: Int, _ bits: Int, _ name: String, _ store: ConstantStore
  ) throws(PackError) -> Int {
    let code = level.level.weight
    guard let shift = try shift(code, to: bits, name) else { return 0 }
    let tile = WeightCode.bipolar(bits).layout.tileChannels
    let (sourceStride, targetStride) =
      level.taps == 1
      ? (level.channels, level.channels)
      : (level.paddedChannels, (level.channels + tile - 1) / tile * tile)
    guard let source = WeightPacking(code: code, outputs: outputs, channels: sourceStride * level.taps),
      let target = WeightPacking(code: .bipolar(bits), outputs: outputs, channels: targetStride * level.taps)
    else { throw PackError(.software, place: name, "sizes do not fit") }
    let stored = source.unpack(level.weights.raw)
    var codes = [UInt8](repeating: 0, count: outputs * level.taps * targetStride)
    for row in 0..<outputs * level.taps {
      for channel in 0..<level.channels {
        codes[row * targetStride + channel] = stored[row * sourceStride + channel] >> UInt8(shift)
      }
    }
    let weights = AlignedBuffer(byteCount: target.byteCount)
    let sums = codes.withUnsafeBufferPointer { codes in
      target.pack(codes, into: UnsafeMutableRawBufferPointer(start: weights.start, count: weights.count))
      return target.storedSums(codes)
    }
    try widen(&level, by: Float(1 << shift), name, store)
    level.level.weight = .bipolar(bits)
    level.weights = store.keep(weights)
    level.storedSums = store.store(sums)
    return 1
  }

  /// Multiplies the scales: those of outputs where there are some, else those of groups.
  private static func widen(
    _ level: inout MatrixLevel, by factor: Float, _ name: String, _ store: ConstantStore
  ) throws(PackError) {
    if let scales = level.scales {
      level.scales = store.store(try widened(scales.bound(to: Float.self), by: factor, name))
      return
    }
    guard let groups = level.groups else { return }
    switch groups.numbers {
    case .float32:
      level.groups?.scales = store.store(try widened(groups.scales.bound(to: Float.self), by: factor, name))
    case .float16:
      let halves = groups.scales.bound(to: UInt16.self).map { Binary16.bits(Binary16.value($0) * factor) }
      guard halves.allSatisfy({ $0 & 0x7fff < 0x7c00 }) else {
        throw PackError(.data, place: name, "a scale leaves binary16 when its codes are cut")
      }
      level.groups?.scales = store.store(halves)
    case .uint8: return
    }
  }

  private static func widened(
    _ scales: UnsafeBufferPointer<Float>, by factor: Float, _ name: String
  ) throws(PackError) -> [Float] {
    let scales = scales.map { $0 * factor }
    guard scales.allSatisfy(\.isFinite) else {
      throw PackError(.data, place: name, "a scale leaves float32 when its codes are cut")
    }
    return scales
  }

  private static func cutLevel(
    _ level: inout TableLevel, rows: Int, _ bits: Int, _ name: String, _ store: ConstantStore
  ) throws(PackError) -> Int {
    guard let shift = try shift(level.code, to: bits, name) else { return 0 }
    let source = level
    let scales = source.scales.bound(to: UInt16.self).map { half in
      Binary16.bits(Binary16.value(half) * Float(1 << shift))
    }
    guard scales.allSatisfy({ $0 < 0x7c00 }) else {
      throw PackError(.data, place: name, "a scale leaves binary16 when its codes are cut")
    }
    level.code = .bipolar(bits)
    var stream = CodeStream(rows: rows, channels: source.channels, bits: bits)
    for row in 0..<rows {
      for channel in 0..<source.channels {
        let code = CodeStream.code(source, row: row, channel: channel)
        stream.insert(code >> UInt8(shift), row: row, channel: channel)
      }
    }
    level.codes = store.store(stream.bytes)
    level.scales = store.store(scales)
    return 1
  }
}

/// The little-endian bit stream of table rows.
struct CodeStream {
  private(set) var bytes: [UInt8]
  private let rowStride: Int
  private let bits: Int

  init(rows: Int, channels: Int, bits: Int) {
    rowStride = (channels * bits + 7) / 8
    self.bits = bits
    bytes = [UInt8](repeating: 0, count: rows * rowStride)
  }

  mutating func insert(_ code: UInt8, row: Int, channel: Int) {
    let bit = channel * bits
    let wide = UInt16(code) << UInt16(bit % 8)
    bytes[row * rowStride + bit / 8] |= UInt8(truncatingIfNeeded: wide)
    if wide > 0xff { bytes[row * rowStride + bit / 8 + 1] |= UInt8(truncatingIfNeeded: wide >> 8) }
  }

  static func code(_ level: TableLevel, row: Int, channel: Int) -> UInt8 {
    let bytes = level.codes.raw
    let place = row * level.rowStride + channel * level.code.bits / 8
    let shift = channel * level.code.bits % 8
    var wide = UInt16(bytes[place])
    if shift + level.code.bits > 8 { wide |= UInt16(bytes[place + 1]) << 8 }
    return UInt8(truncatingIfNeeded: wide >> UInt16(shift)) & UInt8((1 << level.code.bits) - 1)
  }
}
