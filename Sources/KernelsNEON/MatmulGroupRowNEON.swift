import CKernelABI
import CSIMD

// One row with scales per group, a panel at a time: no code is -128, so two products always fit in 16 bits, and four
// with the codes of nibbles.

/// What makes signed bytes of the weights as they lie: a literal.
private enum RowForm {
  /// The code of nibbles.
  case nibbles
  /// Looked up.
  case entries
  /// The code of bytes, or twice the code, less 128.
  case bytes, twice

  @inline(__always) var isNibbles: Bool { self == .nibbles || self == .entries }
}

/// One row against one panel.
private struct GroupRow {
  let level: GroupLevel
  let row: Int
  let panel: Int
  let table: uint8x16_t
  /// y, 16 floats.
  let totals: UnsafeMutablePointer<Float>
}

/// I of one group.
@inline(__always)
private func dots(
  _ form: RowForm, _ row: GroupRow, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
  _ channels: Int, _ start: Int32
) -> OutputVectors {
  let (table, flip) = (row.table, vdupq_n_u8(128))
  let quads: QuadForm = form == .nibbles ? .four : .two
  var sums = PairedSums()
  sums.add(quads, isNibbles: form.isNibbles, weights, channels) { tile in
    switch form {
    case .nibbles: tile
    case .entries: tile.map { vqtbl1q_u8(table, $0) }
    case .bytes: tile.map { veorq_u8($0, flip) }
    case .twice: tile.map { veorq_u8(snq_left1_u8($0), flip) }
    }
  } _: { channel, words in
    words == 4 ? snq_load_u8(codes + channel) : snq_load_words_u8(codes + channel, words)
  }
  return sums.total(quads, OutputVectors(repeating: start))
}

/// All groups of one row and panel; y is in `totals` before and after.
@inline(__always)
private func multiply(_ form: RowForm, _ row: GroupRow) {
  let (level, args, panel) = (row.level, row.level.args, row.panel)
  guard var weights = args.pointee.weights, let allCodes = args.pointee.codes,
    let allSums = args.pointee.groupSums, var scales = args.pointee.groupScales,
    let allScales = args.pointee.rowScales
  else { return }
  var offsets = args.pointee.groupOffsets
  weights += panel &* args.pointee.panelStride
  var codes =
    UnsafeRawPointer(allCodes).assumingMemoryBound(to: UInt8.self) + row.row &* args.pointee.codeStride
  let sums = allSums + row.row &* args.pointee.groupSumStride
  let numbers = panel &* level.groups &* level.scaleBytes
  scales += numbers
  offsets = offsets.map { $0 + numbers }
  var rowScale = allScales + row.row &* args.pointee.rowScaleStride
  let lastChannels = Int(args.pointee.paddedChannels) &- (level.groups &- 1) &* level.groupLength
  var (y, z) = (PanelFloats(row.totals), PanelFloats())
  var restOfScale = level.groupsOfScale
  for group in 0..<level.groups {
    let isLast = group &+ 1 == level.groups
    let channels = isLast ? lastChannels : level.groupLength
    let sum = dots(form, row, weights, codes, channels, level.constant &* sums[group])
    z = z.adding(sum, level.numbers(scales, args.pointee.outputScale, panel))
    if let place = offsets {
      z = z.adding(level.numbers(place, args.pointee.outputOffset, panel), Float(sums[group]))
      offsets = place + level.scaleBytes
    }
    restOfScale &-= 1
    if restOfScale == 0 || isLast {
      y = y.adding(z, rowScale.pointee)
      z = PanelFloats()
      rowScale += 1
      restOfScale = level.groupsOfScale
    }
    weights += channels &* level.channelBytes
    codes += channels
    scales += level.scaleBytes
  }
  y.store(row.totals)
}

// One function a form, because the optimiser stops inlining when a caller grows.

@inline(never) private func nibblesRow(_ row: GroupRow) { multiply(.nibbles, row) }
@inline(never) private func entriesRow(_ row: GroupRow) { multiply(.entries, row) }
@inline(never) private func bytesRow(_ row: GroupRow) { multiply(.bytes, row) }
@inline(never) private func twiceRow(_ row: GroupRow) { multiply(.twice, row) }

/// Rows up to which unpacking weights takes longer than it saves.
private let fewRows = 2

/// Any level and part.
func multiplyGroups(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  if part.rows > fewRows { return multiplyGroupBlocks(level, part, memory) }
  let totals = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
  for panel in part.panelBegin..<part.panelEnd {
    for index in part.rowBegin..<part.rowEnd {
      let row = GroupRow(level: level, row: index, panel: panel, table: level.entries(), totals: totals)
      startRow(level.args, index, panel, totals, totals + 16)
      switch (level.isNibbles, level.isPlain) {
      case (true, true): nibblesRow(row)
      case (true, false): entriesRow(row)
      case (false, true): bytesRow(row)
      case (false, false): twiceRow(row)
      }
      storeRow(level.args, index, panel, totals)
    }
  }
}
