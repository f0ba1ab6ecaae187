import SoniqCore
import SoniqGraph

/// Checks that read every weight of a model: what `Graph.validate` leaves out because execution is safe
/// without them.
struct DeepVerification {
  private let reader: ModelReader

  init(_ reader: ModelReader) { self.reader = reader }

  func run() throws(FormatError) {
    var section = reader.directory.tableCount
    let plain = plainConstants
    for (index, constant) in reader.graph.constants.enumerated() {
      let fields = constant.fields
      var offsets: [String: Int] = [:]
      for (ordinal, field) in fields.enumerated() {
        offsets[field.name] = reader.directory.sections[section + ordinal].offset
      }
      section += fields.count
      try ConstantVerification(index: index, offsets: offsets, isPlain: plain.contains(index))
        .run(constant)
    }
  }

  /// The values of `constant` nodes, which may be any numbers: those of masks are infinite, and NaN marks what is missing.
  private var plainConstants: Set<ConstantID> {
    var plain: Set<ConstantID> = []
    for node in reader.graph.nodes {
      if case .constant(let tensor) = node.operation { plain.insert(tensor.constant) }
    }
    return plain
  }
}

/// The checks of one constant.
struct ConstantVerification {
  let index: Int
  /// File offset of each field.
  let offsets: [String: Int]
  /// Whether it may hold any number.
  let isPlain: Bool

  func fault(
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
      switch dense.elementType {
      case .float32: try requireFinite(dense.bytes, "bytes")
      // Only nodes of kind constant have binary16.
      case .float16, .int32, .int8, .uint8: break
      }
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
    guard !isPlain else { return }
    for (element, number) in bytes.bound(to: Float.self).enumerated() where !number.isFinite {
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
