import CKernelABI
import CSIMD

// The blocks of MatmulBlocksNEON.swift, whose sums end with every group. How a tile reads codes and weights, says the
// module with its `GroupTiles`.

/// Groups of a block, at most.
let blockGroups = blockChannels / 16
/// Panels that share the codes of a block.
private let groupPanels = 4

/// Scratch memory, SNQ_GROUP_SCRATCH_NEON bytes.
private struct GroupScratch {
  /// y, and behind it z: [panel][row][16].
  let totals: UnsafeMutablePointer<Float>
  let parts: UnsafeMutablePointer<Float>
  /// Of the groups of a block and panel: [group][16].
  let scales: UnsafeMutablePointer<Float>
  let offsets: UnsafeMutablePointer<Float>
  /// [row][group].
  let starts: UnsafeMutablePointer<Int32>
  let sums: UnsafeMutablePointer<Float>
  let weights: UnsafeMutablePointer<UInt8>
  let arranged: UnsafeMutablePointer<UInt8>
  let codes: UnsafeMutablePointer<UInt8>

  @inline(__always)
  init(_ memory: UnsafeMutablePointer<UInt8>) {
    let floats = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
    let panelFloats = 16 &* GroupTiles.blockRows
    totals = floats
    parts = totals + groupPanels &* panelFloats
    scales = parts + groupPanels &* panelFloats
    offsets = scales + 16 &* blockGroups
    sums = offsets + 16 &* blockGroups
    let rest = UnsafeMutableRawPointer(sums + GroupTiles.blockRows &* blockGroups)
    starts = rest.assumingMemoryBound(to: Int32.self)
    weights = (rest + 4 &* GroupTiles.blockRows &* blockGroups).assumingMemoryBound(to: UInt8.self)
    arranged = weights + 16 &* blockChannels
    codes = arranged + 16 &* blockChannels
  }
}

/// A block of channels of some rows and panels.
private struct GroupBlock {
  let level: GroupLevel
  let tiles: GroupTiles
  let scratch: GroupScratch
  let row: Int
  let rows: Int
  let channel: Int
  let channels: Int

  var firstGroup: Int { channel / level.groupLength }
  /// Padding channels belong to the last group, and end with the last block.
  var groups: Int {
    min((channels &+ level.groupLength &- 1) / level.groupLength, level.groups &- firstGroup)
  }

  /// Brings the codes into order, with what belongs to their groups.
  func prepareCodes() {
    let args = level.args
    guard let allCodes = args.pointee.codes, let allSums = args.pointee.groupSums else { return }
    let bytes = UnsafeRawPointer(allCodes).assumingMemoryBound(to: UInt8.self)
    let stride = args.pointee.codeStride
    let codes = BlockCodes(
      start: bytes + (row &* stride &+ channel), stride: stride, rows: rows, channels: channels,
      isTransposed: false, isSigned: true)
    tiles.prepare(codes, scratch.codes)
    let hasOffsets = args.pointee.groupOffsets != nil
    for r in 0..<rows {
      let sums = allSums + ((row &+ r) &* args.pointee.groupSumStride &+ firstGroup)
      let (starts, floats) = (scratch.starts + r &* blockGroups, scratch.sums + r &* blockGroups)
      for group in 0..<groups { starts[group] = level.constant &* sums[group] }
      if hasOffsets { for group in 0..<groups { floats[group] = Float(sums[group]) } }
    }
  }

  /// All groups of one panel, number `index` of those that share the codes.
  func multiply(_ panel: Int, _ index: Int) {
    let args = level.args
    guard let weights = args.pointee.weights, let scales = args.pointee.groupScales else { return }
    for group in 0..<groups {
      let place = level.scaleBytes &* (panel &* level.groups &+ firstGroup &+ group)
      level.numbers(scales + place, args.pointee.outputScale, panel).store(scratch.scales + 16 &* group)
      if let offsets = args.pointee.groupOffsets {
        level.numbers(offsets + place, args.pointee.outputOffset, panel).store(scratch.offsets + 16 &* group)
      }
    }
    let source = weights + (panel &* args.pointee.panelStride &+ channel &* level.channelBytes)
    level.unpack(source, channels, scratch.weights)
    let arranged = tiles.arrange(scratch.weights, channels, scratch.arranged)
    var done = 0
    while done < rows {
      let count = tiles.tileRows(rows &- done)
      tiles.multiply(run(arranged, index, done), count, isDirect: level.groupsOfScale == 1)
      done &+= count
    }
  }

  @inline(__always)
  private func run(_ weights: UnsafePointer<UInt8>, _ index: Int, _ done: Int) -> GroupRun {
    let args = level.args
    let place = 16 &* (index &* GroupTiles.blockRows &+ done)
    return GroupRun(
      weights: weights, codes: UnsafePointer(scratch.codes) + tiles.place(done), scales: scratch.scales,
      offsets: args.pointee.groupOffsets == nil ? nil : UnsafePointer(scratch.offsets),
      starts: scratch.starts + done &* blockGroups, sums: scratch.sums + done &* blockGroups,
      totals: scratch.totals + place, parts: scratch.parts + place, groups: groups,
      groupLength: level.groupLength, lastChannels: channels &- (groups &- 1) &* level.groupLength,
      rowScales: args.pointee.rowScales
        + ((row &+ done) &* args.pointee.rowScaleStride &+ firstGroup / level.groupsOfScale),
      rowScaleStride: args.pointee.rowScaleStride, lastRow: rows &- 1 &- done,
      groupsOfScale: level.groupsOfScale,
      restOfScale: level.groupsOfScale &- firstGroup % level.groupsOfScale,
      endsLevel: firstGroup &+ groups == level.groups)
  }
}

/// All channels of some rows and panels.
private func multiply(
  _ level: GroupLevel, _ row: Int, _ rows: Int, _ panel: Int, _ panels: Int, _ scratch: GroupScratch
) {
  let panelFloats = 16 &* GroupTiles.blockRows
  for p in 0..<panels {
    for r in 0..<rows {
      let place = p &* panelFloats &+ 16 &* r
      startRow(level.args, row &+ r, panel &+ p, scratch.totals + place, scratch.parts + place)
    }
  }
  let padded = Int(level.args.pointee.paddedChannels)
  var channel = 0
  while channel < padded {
    let block = GroupBlock(
      level: level, tiles: GroupTiles(level, rows: rows), scratch: scratch, row: row, rows: rows,
      channel: channel,
      channels: min(blockChannels, padded &- channel))
    block.prepareCodes()
    for p in 0..<panels { block.multiply(panel &+ p, p) }
    channel &+= block.channels
  }
  for p in 0..<panels {
    for r in 0..<rows {
      storeRow(level.args, row &+ r, panel &+ p, scratch.totals + (p &* panelFloats &+ 16 &* r))
    }
  }
}

/// Any level with scales per group, any part of the rows and panels.
@inline(never)
func multiplyGroupBlocks(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  let scratch = GroupScratch(memory)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(groupPanels, part.panelEnd &- panel)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(GroupTiles.blockRows, part.rowEnd &- row)
      multiply(level, row, rows, panel, panels, scratch)
      row &+= rows
    }
    panel &+= panels
  }
}
