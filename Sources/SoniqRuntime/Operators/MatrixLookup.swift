import CKernelABI
import SoniqCore
import SoniqGraph

/// Rows of a packed matrix, so that a table that is also the output matrix is stored once: its outputs' weights.
struct MatrixLookupWork: ScheduledWork {
  let matrix: PackedMatrix

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    var first = 0
    var levels: [MatrixRowLevel] = []
    for level in matrix.levels {
      if let row = MatrixRowLevel(level, outputs: matrix.outputs, first: first) { levels.append(row) }
      first += level.channels
    }
    let lookup = MatrixLookupStep(
      levels: try emitter.memory.store(levels), levelCount: levels.count,
      gather: matrix.gather?.bound(to: UInt32.self).baseAddress, ids: step.reads[0], output: step.writes[0],
      check: IdentifierCheck(step, emitter.graph, rows: matrix.outputs))
    var description = emitter.describe(step, "embedding", "decode")
    description.level = levelText(matrix)
    return (try emitter.step(lookup), description)
  }
}

/// The weights of one level of a matrix, by output.
struct MatrixRowLevel: BitwiseCopyable {
  private let packing: WeightPacking
  private let weights: UnsafeRawBufferPointer
  /// The first sorted channel.
  private let first: Int
  private let groupLength: Int
  private let groupCount: Int
  private let numbers: GroupNumber
  private let groupScales: UnsafeRawPointer?
  private let groupOffsets: UnsafeRawPointer?
  private let scales: UnsafePointer<Float>?
  private let offsets: UnsafePointer<Float>?

  /// nil only for a level that is not valid.
  init?(_ level: MatrixLevel, outputs: Int, first: Int) {
    guard
      let packing = WeightPacking(code: level.level.weight, outputs: outputs, channels: level.channels)
    else { return nil }
    self.packing = packing
    self.first = first
    weights = level.weights.raw
    groupLength = level.groups?.length ?? level.channels
    groupCount = level.groups?.count(channels: level.channels) ?? 1
    numbers = level.groups?.numbers ?? .float32
    groupScales = level.groups?.scales.start
    groupOffsets = level.groups?.offsets?.start
    scales = level.scales?.bound(to: Float.self).baseAddress
    offsets = level.offsets?.bound(to: Float.self).baseAddress
  }

  /// A number of a group, or of the output where there are no groups; nil where there is none at all.
  private func number(
    _ ofGroups: UnsafeRawPointer?, _ ofOutputs: UnsafePointer<Float>?, _ output: Int, _ group: Int
  ) -> Float? {
    guard let ofGroups else { return ofOutputs?[output] }
    let place = (output / panelOutputs * groupCount + group) * panelOutputs + output % panelOutputs
    switch numbers {
    case .float32: return ofGroups.load(fromByteOffset: place * 4, as: Float.self)
    case .float16: return float(half: ofGroups.load(fromByteOffset: place * 2, as: UInt16.self))
    case .uint8:
      return (ofOutputs?[output] ?? 0) * Float(ofGroups.load(fromByteOffset: place, as: UInt8.self))
    }
  }

  /// Exact, subnormals and infinities too.
  private func float(half: UInt16) -> Float {
    let magnitude = UInt32(half & 0x7fff)
    let sign = UInt32(half & 0x8000) << 16
    if magnitude >= 0x7c00 { return Float(bitPattern: sign | 0x7f80_0000 | (magnitude & 0x3ff) << 13) }
    // The exponents differ by 112.
    let scaled = Float(bitPattern: magnitude << 13) * Float(bitPattern: 0x7780_0000)
    return Float(bitPattern: scaled.bitPattern | sign)
  }

  /// Writes the weights of an output, each to the place of its channel.
  func write(_ output: Int, to target: UnsafeMutablePointer<Float>, _ gather: UnsafePointer<UInt32>?) {
    var channel = 0
    for group in 0..<groupCount {
      let scale = number(groupScales, scales, output, group) ?? 0
      let offset = number(groupOffsets, offsets, output, group)
      let end = min(packing.channels, channel + groupLength)
      while channel < end {
        let code = Int(packing.code(output: output, channel: channel, in: weights))
        let integer = Float(packing.code.integer(code))
        let place = gather.map { Int($0[first + channel]) } ?? first + channel
        target[place] = offset.map { $0.addingProduct(integer, scale) } ?? integer * scale
        channel += 1
      }
    }
  }
}

/// Rows of a packed matrix by ids that the session has checked, or else `check` does.
struct MatrixLookupStep: RowStep {
  static var entry: StepEntry { { MatrixLookupStep.answer($0, $1) } }
  var levels: UnsafePointer<MatrixRowLevel>
  var levelCount: Int
  var gather: UnsafePointer<UInt32>?
  var ids: StorageID
  var output: StorageID
  var check: IdentifierCheck?

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let ids = frame.storages[ids].integers(window)
    let target = frame.storages[output]
    let start = target.floats(window)
    for row in rows {
      let position = window.firstRow + row
      let id = check?.row(ids[row], position: position, frame.faults + window.lane) ?? ids[row]
      for level in 0..<levelCount { levels[level].write(Int(id), to: start + row * target.stride, gather) }
    }
  }
}
