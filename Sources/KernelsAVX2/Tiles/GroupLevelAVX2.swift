import CKernelABI
import CSIMD

// Weights with scales per group: the block of channels of MatmulBlocksAVX2.swift, whose sums end with every group. How a
// block is unpacked and multiplied, says the `GroupForm` of the module, with its `unpackGroups` and `multiplyTile`.

/// Rows that share an unpacked block.
private let groupRows = 48
/// Groups of a block, at most.
let blockGroups = blockChannels / 16

/// One level with scales per group.
struct GroupLevel {
  let args: UnsafePointer<snq_group_matmul_args>
  let groupLength: Int
  let groups: Int
  /// Groups of weights that share a scale of the row.
  let groupsOfScale: Int
  /// Of the scales of a group and panel.
  let scaleBytes: Int

  @inline(__always)
  init(_ args: UnsafePointer<snq_group_matmul_args>) {
    self.args = args
    groupLength = max(16, Int(args.pointee.groupLength))
    groups = (Int(args.pointee.channels) &+ groupLength &- 1) / groupLength
    let rowGroupLength = Int(args.pointee.rowGroupLength)
    groupsOfScale = rowGroupLength == 0 ? groups : rowGroupLength / groupLength
    let type = args.pointee.scaleType
    scaleBytes = type == UInt32(SNQ_GROUP_FLOAT32) ? 64 : type == UInt32(SNQ_GROUP_FLOAT16) ? 32 : 16
  }

  @inline(__always) var isNibbles: Bool { args.pointee.layout == UInt32(SNQ_NIBBLES) }
  /// Bytes of a panel for one channel.
  @inline(__always) var channelBytes: Int { isNibbles ? 8 : 16 }
  /// Weights are their codes less a constant.
  @inline(__always) var isPlain: Bool { args.pointee.codebook == nil && args.pointee.weightMultiplier == 1 }

  /// 16 scales or offsets of a group. `isHalves`: they are float16; else the type is looked at.
  @inline(__always)
  func numbers(
    isHalves: Bool = false, _ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?, _ panel: Int
  ) -> GroupFloats {
    let type = args.pointee.scaleType
    if isHalves || type == UInt32(SNQ_GROUP_FLOAT16) {
      return GroupFloats(low: snq_256_from_halves(source), high: snq_256_from_halves(source + 16))
    }
    if type == UInt32(SNQ_GROUP_FLOAT32) { return GroupFloats(source.assumingMemoryBound(to: Float.self)) }
    guard let factors else { return GroupFloats(low: _mm256_setzero_ps(), high: _mm256_setzero_ps()) }
    let scales = GroupFloats(factors + 16 &* panel)
    return GroupFloats(
      low: _mm256_mul_ps(scales.low, _mm256_cvtepi32_ps(snq_256_from_bytes(source))),
      high: _mm256_mul_ps(scales.high, _mm256_cvtepi32_ps(snq_256_from_bytes(source + 8))))
  }
}

/// Scratch memory, SNQ_GROUP_SCRATCH_AVX2 bytes.
struct GroupScratch {
  /// y, and behind it z: [panel][row][16].
  let totals: UnsafeMutablePointer<Float>
  let parts: UnsafeMutablePointer<Float>
  /// sum(t * q) of a tile: [row][half].
  let sums: UnsafeMutablePointer<__m256i>
  /// Of the groups of a block: [panel][group][16].
  let scales: UnsafeMutablePointer<Float>
  let offsets: UnsafeMutablePointer<Float>
  /// Codes of a tile as words.
  let words: UnsafeMutablePointer<UInt8>
  /// What the constant of the weights adds to every group of a block: [row][group].
  let starts: UnsafeMutablePointer<Int32>
  /// Q of the same.
  let groupSums: UnsafeMutablePointer<Float>
  /// Unpacked weights: `blockPanelBytes` a panel.
  let weights: UnsafeMutablePointer<UInt8>

  static let panelFloats = 16 * groupRows
  static let scaleFloats = 16 * blockGroups

  @inline(__always)
  init(_ scratch: UnsafeMutablePointer<UInt8>) {
    let floats = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Float.self)
    totals = floats
    parts = floats + 2 &* Self.panelFloats
    scales = floats + 4 &* Self.panelFloats
    offsets = scales + 2 &* Self.scaleFloats
    let rest = UnsafeMutableRawPointer(offsets + 2 &* Self.scaleFloats)
    sums = rest.assumingMemoryBound(to: __m256i.self)
    words = (rest + 12 &* 32).assumingMemoryBound(to: UInt8.self)
    starts = UnsafeMutableRawPointer(words + 6 &* 2 &* blockChannels).assumingMemoryBound(to: Int32.self)
    let numbers = groupRows &* blockGroups
    groupSums = UnsafeMutableRawPointer(starts + numbers).assumingMemoryBound(to: Float.self)
    weights = UnsafeMutableRawPointer(groupSums + numbers).assumingMemoryBound(to: UInt8.self)
  }
}

/// y = 0, the bias or the outputs so far, and z = 0; one row.
@inline(__always)
func startRow(
  _ args: UnsafePointer<snq_group_matmul_args>, _ row: Int, _ panel: Int,
  _ totals: UnsafeMutablePointer<Float>, _ parts: UnsafeMutablePointer<Float>
) {
  let accumulates = args.pointee.mode == UInt32(SNQ_ACCUMULATE)
  for half in 0..<2 {
    let first = panel &* 16 &+ 8 &* half
    var begin = _mm256_setzero_ps()
    if accumulates {
      let place = args.pointee.output + (row &* Int(args.pointee.outputStride) &+ first)
      begin = _mm256_maskload_ps(place, laneMask(Int(args.pointee.outputs) &- first))
    } else if let bias = args.pointee.bias {
      begin = _mm256_loadu_ps(bias + first)
    }
    _mm256_storeu_ps(totals + 8 &* half, begin)
    _mm256_storeu_ps(parts + 8 &* half, _mm256_setzero_ps())
  }
}

/// Writes y of one row.
@inline(__always)
func storeRow(
  _ args: UnsafePointer<snq_group_matmul_args>, _ row: Int, _ panel: Int, _ totals: UnsafePointer<Float>
) {
  for half in 0..<2 {
    let first = panel &* 16 &+ 8 &* half
    let place = args.pointee.output + (row &* Int(args.pointee.outputStride) &+ first)
    _mm256_maskstore_ps(
      place, laneMask(Int(args.pointee.outputs) &- first), _mm256_loadu_ps(totals + 8 &* half))
  }
}

/// Numbers of a block: 16 floats a group, and `blockGroups` numbers from row to row.
private struct BlockNumbers: GroupNumbers {
  let hasOffsets: Bool
  let scaleFloats: UnsafePointer<Float>
  let offsetFloats: UnsafePointer<Float>
  let starts: UnsafePointer<Int32>
  let sums: UnsafePointer<Float>

  @inline(__always) func scales(_ group: Int) -> GroupFloats { GroupFloats(scaleFloats + 16 &* group) }
  @inline(__always) func offsets(_ group: Int) -> GroupFloats { GroupFloats(offsetFloats + 16 &* group) }
  @inline(__always) func start(_ row: Int, _ group: Int) -> Int32 { starts[row &* blockGroups &+ group] }
  @inline(__always) func sum(_ row: Int, _ group: Int) -> Float { sums[row &* blockGroups &+ group] }
}

/// A block of channels of some rows and up to two panels.
private struct GroupBlock {
  let level: GroupLevel
  let form: GroupForm
  let row: Int
  let rows: Int
  let panel: Int
  let panels: Int
  let channel: Int
  let channels: Int

  var firstGroup: Int { channel / level.groupLength }
  /// Padding channels belong to the last group, and end with the last block.
  var groups: Int {
    min((channels &+ level.groupLength &- 1) / level.groupLength, level.groups &- firstGroup)
  }

  /// Unpacks the weights and the scales.
  func prepare(_ scratch: GroupScratch) {
    let args = level.args
    guard let weights = args.pointee.weights, let scales = args.pointee.groupScales else { return }
    prepareSums(scratch)
    for p in 0..<panels {
      if !form.isInPlace {
        unpackGroups(
          form, level,
          weights + ((panel &+ p) &* Int(args.pointee.panelStride) &+ channel &* level.channelBytes),
          channels, scratch.weights + p &* blockPanelBytes)
      }
      for group in 0..<groups {
        let target = p &* GroupScratch.scaleFloats &+ 16 &* group
        let source = level.scaleBytes &* ((panel &+ p) &* level.groups &+ firstGroup &+ group)
        level.numbers(scales + source, args.pointee.outputScale, panel &+ p).store(scratch.scales + target)
        if let offsets = args.pointee.groupOffsets {
          level.numbers(offsets + source, args.pointee.outputOffset, panel &+ p)
            .store(scratch.offsets + target)
        }
      }
    }
  }

  private func prepareSums(_ scratch: GroupScratch) {
    let args = level.args
    let constant = _mm256_set1_epi32(form.constant(level))
    for r in 0..<rows {
      let sums = args.pointee.groupSums + ((row &+ r) &* args.pointee.groupSumStride &+ firstGroup)
      let place = r &* blockGroups
      var group = 0
      while group < groups {
        let rest = groups &- group
        // Behind the last group no memory is read.
        let eight = UnsafeRawPointer(sums + group)
        let values =
          rest >= 8
          ? snq_load_256(eight)
          : _mm256_maskload_epi32(eight.assumingMemoryBound(to: Int32.self), laneMask(rest))
        snq_store_256(scratch.starts + (place &+ group), _mm256_mullo_epi32(values, constant))
        _mm256_storeu_ps(scratch.groupSums + (place &+ group), _mm256_cvtepi32_ps(values))
        group &+= 8
      }
    }
  }

  func multiply(_ scratch: GroupScratch) {
    guard let codes = level.args.pointee.codes else { return }
    let stride = Int(level.args.pointee.codeStride)
    let bytes = UnsafeRawPointer(codes).assumingMemoryBound(to: UInt8.self) + (row &* stride &+ channel)
    var done = 0
    while done < rows {
      let count = tileRows(rows &- done)
      let operand = prepareCodes(form, bytes + done &* stride, stride, count, channels, scratch.words)
      for p in 0..<panels {
        multiplyTile(form, rows: count, isDirect: level.groupsOfScale == 1, run(p, done, operand, scratch))
      }
      done &+= count
    }
  }

  /// The groups of one tile: panel `p` of the block and rows from `done` on.
  private func run(
    _ p: Int, _ done: Int, _ codes: GroupCodes, _ scratch: GroupScratch
  ) -> GroupRun<BlockNumbers> {
    let args = level.args
    let first = p &* GroupScratch.panelFloats &+ 16 &* done
    let numbers = p &* GroupScratch.scaleFloats
    let scale = firstGroup / level.groupsOfScale
    let panelWeights = args.pointee.weights + (panel &+ p) &* Int(args.pointee.panelStride)
    return GroupRun(
      weights: form.isInPlace
        ? panelWeights + channel &* level.channelBytes
        : UnsafePointer(scratch.weights) + p &* blockPanelBytes,
      groupBytes: level.groupLength &* (form.isInPlace ? level.channelBytes : form.unpackedBytes),
      codes: codes, groups: groups, groupLength: level.groupLength,
      lastChannels: firstGroup &+ groups == level.groups
        ? channels &- (groups &- 1) &* level.groupLength : level.groupLength,
      totals: scratch.totals + first, parts: scratch.parts + first,
      numbers: BlockNumbers(
        hasOffsets: args.pointee.groupOffsets != nil, scaleFloats: scratch.scales + numbers,
        offsetFloats: scratch.offsets + numbers, starts: scratch.starts + done &* blockGroups,
        sums: scratch.groupSums + done &* blockGroups),
      rowScales: args.pointee.rowScales + ((row &+ done) &* args.pointee.rowScaleStride &+ scale),
      rowScaleStride: args.pointee.rowScaleStride, groupsOfScale: level.groupsOfScale,
      restOfScale: (scale &+ 1) &* level.groupsOfScale &- firstGroup,
      endsLevel: firstGroup &+ groups == level.groups, sums: scratch.sums)
  }
}

/// All channels of some rows and up to two panels.
@inline(never)
private func multiplyGroupBlock(
  _ level: GroupLevel, _ form: GroupForm, _ row: Int, _ rows: Int, _ panel: Int, _ panels: Int,
  _ scratch: GroupScratch
) {
  for p in 0..<panels {
    for r in 0..<rows {
      let place = p &* GroupScratch.panelFloats &+ 16 &* r
      startRow(level.args, row &+ r, panel &+ p, scratch.totals + place, scratch.parts + place)
    }
  }
  let padded = Int(level.args.pointee.paddedChannels)
  var channel = 0
  while channel < padded {
    let block = GroupBlock(
      level: level, form: form, row: row, rows: rows, panel: panel, panels: panels, channel: channel,
      channels: min(blockChannels, padded &- channel))
    block.prepare(scratch)
    block.multiply(scratch)
    channel &+= block.channels
  }
  for p in 0..<panels {
    for r in 0..<rows {
      storeRow(
        level.args, row &+ r, panel &+ p, scratch.totals + (p &* GroupScratch.panelFloats &+ 16 &* r))
    }
  }
}

/// Any part of the rows and panels.
func multiplyGroupBlocks(
  _ level: GroupLevel, _ form: GroupForm, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>
) {
  let scratch = GroupScratch(memory)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(2, part.panelEnd &- panel)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(groupRows, part.rowEnd &- row)
      multiplyGroupBlock(level, form, row, rows, panel, panels, scratch)
      row &+= rows
    }
    panel &+= panels
  }
}
