import CKernelABI
import CSIMD

// One row: what takes time is reading weights, so they are multiplied as they come, two panels at a time.

/// What makes signed bytes of the weights as they lie, and how they are multiplied. Types: of values the optimiser learns
/// late, and works for a minute on all that they might be.
private protocol RowForm {
  /// 64 bytes hold 8 channels.
  static var isNibbles: Bool { get }
  /// Adds 4 channels; `table` holds what nibbles stand for.
  static func add(
    _ sum: inout OutputVectors, _ weights: TileVectors, _ table: uint8x16_t, _ codes: uint8x16_t, _ lane: Int)
}

/// The code of nibbles.
private enum Nibbles: RowForm {
  @inline(__always) static var isNibbles: Bool { true }
  @inline(__always)
  static func add(
    _ sum: inout OutputVectors, _ weights: TileVectors, _: uint8x16_t, _ codes: uint8x16_t, _ lane: Int
  ) {
    sum.addSigned(weights, codes, lane)
  }
}

/// Looked up.
private enum Entries: RowForm {
  @inline(__always) static var isNibbles: Bool { true }
  @inline(__always)
  static func add(
    _ sum: inout OutputVectors, _ weights: TileVectors, _ table: uint8x16_t, _ codes: uint8x16_t, _ lane: Int
  ) {
    sum.addSigned(weights.map { vqtbl1q_u8(table, $0) }, codes, lane)
  }
}

/// The code of bytes, less 128 where that is needed.
private enum Bytes: RowForm {
  @inline(__always) static var isNibbles: Bool { false }
  @inline(__always)
  static func add(
    _ sum: inout OutputVectors, _ weights: TileVectors, _: uint8x16_t, _ codes: uint8x16_t, _ lane: Int
  ) {
    DotProduct.addUnsigned(&sum, weights, codes, lane)
  }
}

/// The same, twice.
private enum TwiceBytes: RowForm {
  @inline(__always) static var isNibbles: Bool { false }
  @inline(__always)
  static func add(
    _ sum: inout OutputVectors, _ weights: TileVectors, _: uint8x16_t, _ codes: uint8x16_t, _ lane: Int
  ) {
    DotProduct.addUnsigned(&sum, weights.map { snq_left1_u8($0) }, codes, lane)
  }
}

/// One row, with what does not change from group to group.
private struct GroupRow {
  let level: GroupLevel
  let row: Int
  let table: uint8x16_t
  /// y of the panels, 16 floats each.
  let totals: UnsafeMutablePointer<Float>
}

/// I of one row against two panels, or the same one twice.
private struct RowDots<Form: RowForm> {
  let table: uint8x16_t
  var first: OutputVectors
  var second: OutputVectors

  @inline(__always)
  init(_ table: uint8x16_t, _ start: Int32) {
    self.table = table
    first = OutputVectors(repeating: start)
    second = first
  }

  @inline(__always)
  private func add(_ sum: inout OutputVectors, _ weights: TileVectors, _ codes: uint8x16_t, _ lane: Int) {
    Form.add(&sum, weights, table, codes, lane)
  }

  /// Adds 16 channels of one panel.
  @inline(__always)
  private func addSixteen(_ sum: inout OutputVectors, _ tile: UnsafePointer<UInt8>, _ codes: uint8x16_t) {
    if Form.isNibbles {
      let (early, late) = (TileVectors(tile), TileVectors(tile + 64))
      add(&sum, early.lowNibbles(), codes, 0)
      add(&sum, early.highNibbles(), codes, 1)
      add(&sum, late.lowNibbles(), codes, 2)
      add(&sum, late.highNibbles(), codes, 3)
    } else {
      add(&sum, TileVectors(tile), codes, 0)
      add(&sum, TileVectors(tile + 64), codes, 1)
      add(&sum, TileVectors(tile + 128), codes, 2)
      add(&sum, TileVectors(tile + 192), codes, 3)
    }
  }

  @inline(__always)
  mutating func addSixteen(_ tile: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>) {
    let sixteen = snq_load_u8(codes)
    addSixteen(&first, tile, sixteen)
    addSixteen(&second, tile + step, sixteen)
  }

  /// Adds 4 channels, or 8 of nibbles.
  @inline(__always)
  mutating func addTile(_ tile: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>) {
    let four = snq_load_word_u8(codes)
    let (one, other) = (TileVectors(tile), TileVectors(tile + step))
    guard Form.isNibbles else {
      add(&first, one, four, 0)
      return add(&second, other, four, 0)
    }
    let late = snq_load_word_u8(codes + 4)
    add(&first, one.lowNibbles(), four, 0)
    add(&first, one.highNibbles(), late, 0)
    add(&second, other.lowNibbles(), four, 0)
    add(&second, other.highNibbles(), late, 0)
  }
}

/// Where the next group of a row begins.
private struct RowCursor<Form: RowForm> {
  /// Scales are float16 and there are no offsets: a literal.
  let isHalves: Bool
  let row: GroupRow
  let panel: Int
  let second: Int
  let panelStep: Int
  let scaleStep: Int
  let constant: Int32
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  var sums: UnsafePointer<Int32>
  var scales: UnsafeRawPointer
  var offsets: UnsafeRawPointer?

  @inline(__always)
  init?(isHalves: Bool, _ row: GroupRow, _ panel: Int, _ panels: Int) {
    let (level, args) = (row.level, row.level.args)
    guard let weights = args.pointee.weights, let codes = args.pointee.codes,
      let sums = args.pointee.groupSums, let scales = args.pointee.groupScales
    else { return nil }
    (self.isHalves, self.row, self.panel) = (isHalves, row, panel)
    second = panel &+ panels &- 1
    scaleStep = panels > 1 ? level.scaleBytes &* level.groups : 0
    panelStep = panels > 1 ? args.pointee.panelStride : 0
    constant = level.constant &+ (Form.isNibbles ? 0 : DotProduct.keptOfUnsigned)
    self.weights = weights + panel &* args.pointee.panelStride
    let stride = args.pointee.codeStride
    self.codes = UnsafeRawPointer(codes).assumingMemoryBound(to: UInt8.self) + row.row &* stride
    self.sums = sums + row.row &* args.pointee.groupSumStride
    let numbers = panel &* level.groups &* level.scaleBytes
    self.scales = scales + numbers
    offsets = isHalves ? nil : args.pointee.groupOffsets.map { $0 + numbers }
  }

  /// z of one group, and on to the next.
  @inline(__always)
  mutating func addGroup(_ channels: Int, _ z0: inout PanelFloats, _ z1: inout PanelFloats) {
    let level = row.level
    var dots = RowDots<Form>(row.table, constant &* sums.pointee)
    var rest = channels
    while rest >= 16 {
      dots.addSixteen(weights, panelStep, codes)
      weights += Form.isNibbles ? 128 : 256
      codes += 16
      rest &-= 16
    }
    while rest > 0 {
      dots.addTile(weights, panelStep, codes)
      weights += 64
      codes += Form.isNibbles ? 8 : 4
      rest &-= Form.isNibbles ? 8 : 4
    }
    let factors = level.args.pointee.outputScale
    z0 = z0.adding(dots.first, level.numbers(isHalves: isHalves, scales, factors, panel))
    z1 = z1.adding(dots.second, level.numbers(isHalves: isHalves, scales + scaleStep, factors, second))
    if !isHalves, let place = offsets {
      let (sum, factors) = (Float(sums.pointee), level.args.pointee.outputOffset)
      z0 = z0.adding(level.numbers(place, factors, panel), sum)
      z1 = z1.adding(level.numbers(place + scaleStep, factors, second), sum)
      offsets = place + level.scaleBytes
    }
    sums += 1
    scales += isHalves ? 32 : level.scaleBytes
  }
}

/// All groups of one row and two panels, or one; y is in `totals` before and after.
@inline(__always)
private func multiply<Form: RowForm>(
  _: Form.Type, isHalves: Bool, _ row: GroupRow, _ panel: Int, _ panels: Int
) {
  let (level, args) = (row.level, row.level.args)
  guard var cursor = RowCursor<Form>(isHalves: isHalves, row, panel, panels),
    var rowScale = args.pointee.rowScales
  else { return }
  rowScale += row.row &* args.pointee.rowScaleStride
  var (y0, y1) = (PanelFloats(row.totals), PanelFloats(row.totals + 16))
  let lastChannels = Int(args.pointee.paddedChannels) &- (level.groups &- 1) &* level.groupLength
  var rest = level.groups
  repeat {
    var (z0, z1) = (PanelFloats(), PanelFloats())
    var count = min(rest, level.groupsOfScale)
    rest &-= count
    repeat {
      count &-= 1
      cursor.addGroup(rest &+ count == 0 ? lastChannels : level.groupLength, &z0, &z1)
    } while count > 0
    y0 = y0.adding(z0, rowScale.pointee)
    y1 = y1.adding(z1, rowScale.pointee)
    rowScale += 1
  } while rest > 0
  y0.store(row.totals)
  y1.store(row.totals + 16)
}

// One function a form and type of scales, because the optimiser stops inlining when a caller grows.

@inline(never)
private func nibblesRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(Nibbles.self, isHalves: false, row, panel, panels)
}
@inline(never)
private func halfNibblesRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(Nibbles.self, isHalves: true, row, panel, panels)
}
@inline(never)
private func entriesRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(Entries.self, isHalves: false, row, panel, panels)
}
@inline(never)
private func halfEntriesRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(Entries.self, isHalves: true, row, panel, panels)
}
@inline(never)
private func bytesRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(Bytes.self, isHalves: false, row, panel, panels)
}
@inline(never)
private func halfBytesRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(Bytes.self, isHalves: true, row, panel, panels)
}
@inline(never)
private func twiceRow(_ row: GroupRow, _ panel: Int, _ panels: Int) {
  multiply(TwiceBytes.self, isHalves: false, row, panel, panels)
}

/// Some rows against two panels, or one.
private func multiplyRows(
  _ level: GroupLevel, _ part: MatmulPart, _ panel: Int, _ panels: Int, _ totals: UnsafeMutablePointer<Float>
) {
  let args = level.args
  let isHalves = args.pointee.scaleType == UInt32(SNQ_GROUP_FLOAT16) && args.pointee.groupOffsets == nil
  for index in part.rowBegin..<part.rowEnd {
    let row = GroupRow(level: level, row: index, table: level.entries(), totals: totals)
    for p in 0..<panels { startRow(args, index, panel &+ p, totals + 16 &* p, totals + 64) }
    switch (level.isNibbles, level.isPlain, isHalves) {
    case (true, true, true): halfNibblesRow(row, panel, panels)
    case (true, true, false): nibblesRow(row, panel, panels)
    case (true, false, true): halfEntriesRow(row, panel, panels)
    case (true, false, false): entriesRow(row, panel, panels)
    case (false, true, true): halfBytesRow(row, panel, panels)
    case (false, true, false): bytesRow(row, panel, panels)
    case (false, false, _): twiceRow(row, panel, panels)
    }
    for p in 0..<panels { storeRow(args, index, panel &+ p, totals + 16 &* p) }
  }
}

/// Rows up to which unpacking weights takes longer than it saves.
private let fewRows = 3

/// Any level and part.
func multiplyGroups(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  if part.rows > fewRows { return multiplyGroupBlocks(level, part, memory) }
  let totals = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(2, part.panelEnd &- panel)
    multiplyRows(level, part, panel, panels, totals)
    panel &+= panels
  }
}
