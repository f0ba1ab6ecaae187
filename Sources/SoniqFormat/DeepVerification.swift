import SoniqCore
import SoniqGraph

/// Checks that read every weight of a model: what `Graph.validate` leaves out because execution is safe
/// without them.
struct DeepVerification {
  private let reader: ModelReader

  init(_ reader: ModelReader) { self.reader = reader }

  func run() throws(FormatError) {
    var section = SectionKind.tables.count
    let plain = plainConstants
    for (index, constant) in reader.graph.constants.enumerated() {
      let fields = constant.fields
      var offsets: [String: Int] = [:]
      for (ordinal, field) in fields.enumerated() {
        offsets[field.name] = reader.directory.sections[section + ordinal].offset
      }
      section += fields.count
      try ConstantVerification(index: index, offsets: offsets, allowsInfinity: plain.contains(index))
        .run(constant)
    }
  }

  /// The values of `constant` nodes, which may be infinite, as those of masks are.
  private var plainConstants: Set<ConstantID> {
    var plain: Set<ConstantID> = []
    for node in reader.graph.nodes {
      if case .tensor(.constant(let constant)) = node.operation { plain.insert(constant) }
    }
    return plain
  }
}

/// The checks of one constant.
private struct ConstantVerification {
  let index: Int
  /// File offset of each field.
  let offsets: [String: Int]
  let allowsInfinity: Bool

  private func fault(
    _ code: FormatError.Code, _ field: String, at byte: Int, got: FormatError.Quantity,
    expected: FormatError.Quantity = .integer(0)
  ) -> FormatError {
    FormatError(
      code, offset: (offsets[field] ?? 0) + byte, field: "constants[\(index)].\(field)", got: got,
      expected: expected)
  }

  func run(_ constant: Constant) throws(FormatError) {
    switch constant {
    case .dense(let dense):
      if dense.elementType == .float32 { try requireFinite(dense.bytes, "bytes") }
    case .floatMatrix(let matrix): try floatMatrix(matrix)
    case .matrix(let matrix):
      for (position, level) in matrix.levels.enumerated() {
        try matrixLevel(level, outputs: matrix.outputs, "levels[\(position)]")
      }
    case .depthwise(let depthwise): try self.depthwise(depthwise)
    case .table(let table):
      for (position, level) in table.levels.enumerated() {
        try tableLevel(level, rows: table.rows, "levels[\(position)].codes")
      }
    }
  }

  private func requireFinite(_ bytes: ConstantBytes, _ field: String) throws(FormatError) {
    for (element, number) in bytes.bound(to: Float.self).enumerated()
    where allowsInfinity ? number.isNaN : !number.isFinite {
      throw fault(.outOfRange, field, at: element * 4, got: .real(Double(number)), expected: .none)
    }
  }

  /// Panels are [panel][input][16]: finite numbers, and 0 for the outputs that pad the last panel.
  private func floatMatrix(_ matrix: FloatMatrix) throws(FormatError) {
    try requireFinite(matrix.panels, "panels")
    let used = matrix.outputs % panelOutputs
    guard used != 0 else { return }
    let numbers = matrix.panels.bound(to: Float.self)
    let lastPanel = matrix.outputs / panelOutputs * matrix.inputs * panelOutputs
    for input in 0..<matrix.inputs {
      for lane in used..<panelOutputs {
        let element = lastPanel + input * panelOutputs + lane
        guard numbers[element].bitPattern == 0 else {
          throw fault(.paddingNotZero, "panels", at: element * 4, got: .real(Double(numbers[element])))
        }
      }
    }
  }

  /// Padding channels and outputs hold 0, and the stored sums are the sums of what is stored.
  private func matrixLevel(_ level: MatrixLevel, outputs: Int, _ place: String) throws(FormatError) {
    let lanes = LaneArithmetic(level)
    let words = level.weights.bound(to: UInt32.self)
    let sums = level.storedSums.bound(to: Int32.self)
    for output in 0..<sums.count {
      var sum = 0
      for plane in 0..<lanes.planes {
        for tile in 0..<lanes.tiles {
          let word = lanes.wordIndex(output: output, plane: plane, tile: tile)
          let lane = UInt32(littleEndian: words[word])
          let allowed = output < outputs ? lanes.mask(tile: tile) : 0
          guard lane & ~allowed == 0 else {
            throw fault(.paddingNotZero, "\(place).weights", at: word * 4, got: .bits(UInt64(lane)))
          }
          sum += lanes.sum(lane, plane: plane)
        }
      }
      guard sum == Int(Int32(littleEndian: sums[output])) else {
        throw fault(
          .inconsistentData, "\(place).storedSums", at: output * 4, got: .integer(Int(sums[output])),
          expected: .integer(sum))
      }
    }
  }

  /// Integers within their code, padding channels 0.
  private func depthwise(_ depthwise: PackedDepthwise) throws(FormatError) {
    let largest = depthwise.level.weight.maximumMagnitude
    for (element, weight) in depthwise.weights.bound(to: Int8.self).enumerated() {
      let isPadding = element % depthwise.paddedChannels >= depthwise.channels
      guard Int(weight.magnitude) <= (isPadding ? 0 : largest) else {
        throw fault(
          isPadding ? .paddingNotZero : .outOfRange, "weights", at: element, got: .integer(Int(weight)),
          expected: .range(-largest...largest))
      }
    }
  }

  /// Rows end on a whole byte; the bits after the last code are 0.
  private func tableLevel(_ level: TableLevel, rows: Int, _ field: String) throws(FormatError) {
    let usedBits = level.channels * level.code.bits % 8
    guard usedBits != 0 else { return }
    for row in 0..<rows {
      let position = (row + 1) * level.rowStride - 1
      let byte = level.codes.raw[position]
      guard byte >> usedBits == 0 else {
        throw fault(.paddingNotZero, field, at: position, got: .bits(UInt64(byte)))
      }
    }
  }
}

/// The 32-bit lanes of weight tiles: one output, as many channels as the layout puts into 32 bits.
private struct LaneArithmetic {
  private let layout: WeightLayout
  private let bits: Int
  private let panelStride: Int
  private let planeStride: Int
  private let lastTileMask: UInt32
  private let tapTiles: Int
  let planes: Int
  let tiles: Int

  init(_ level: MatrixLevel) {
    layout = level.level.weight.layout
    bits = level.level.weight.bits
    panelStride = level.panelStride / 4
    planeStride = level.planeStride / 4
    planes = layout == .planes ? bits : 1
    tiles = level.storedChannels / layout.tileChannels
    tapTiles = level.paddedChannels / layout.tileChannels
    lastTileMask = Self.mask(layout, channels: level.channels - (tapTiles - 1) * layout.tileChannels)
  }

  /// Index of a lane among the 32-bit words of the level.
  func wordIndex(output: Int, plane: Int, tile: Int) -> Int {
    output / panelOutputs * panelStride + plane * planeStride + tile * panelOutputs + output % panelOutputs
  }

  /// The bits of a lane that belong to true channels.
  func mask(tile: Int) -> UInt32 { tile % tapTiles == tapTiles - 1 ? lastTileMask : .max }

  private static func mask(_ layout: WeightLayout, channels: Int) -> UInt32 {
    var mask: UInt32 = 0
    for channel in 0..<channels {
      switch layout {
      case .bytes: mask |= 0xff << UInt32(8 * channel)
      case .nibbles: mask |= 0xf << UInt32(8 * (channel % 4) + 4 * (channel / 4))
      case .planes: mask |= 1 << UInt32(8 * (channel % 16 / 4) + channel % 4 + 4 * (channel / 16))
      }
    }
    return mask
  }

  /// The sum of the stored integers of a lane; for planes, the part of one plane.
  func sum(_ lane: UInt32, plane: Int) -> Int {
    switch layout {
    case .bytes:
      return Int(Int8(truncatingIfNeeded: lane)) + Int(Int8(truncatingIfNeeded: lane >> 8))
        + Int(Int8(truncatingIfNeeded: lane >> 16)) + Int(Int8(truncatingIfNeeded: lane >> 24))
    case .nibbles:
      let pairs = Int(lane & 0x0f0f_0f0f) + Int(lane >> 4 & 0x0f0f_0f0f)
      return (pairs & 0xff) + (pairs >> 8 & 0xff) + (pairs >> 16 & 0xff) + (pairs >> 24 & 0xff)
    case .planes: return lane.nonzeroBitCount << (bits - 1 - plane)
    }
  }
}
