import CKernelABI
import CSIMD

// Weights with scales per group: the block of channels of MatmulBlocksAVX2.swift, whose sums end with every group. How a
// block is unpacked and multiplied, says the module.

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

  @inline(__always)
  init(_ args: UnsafePointer<snq_group_matmul_args>) {
    self.args = args
    groupLength = max(16, Int(args.pointee.groupLength))
    groups = (Int(args.pointee.channels) &+ groupLength &- 1) / groupLength
    let rowGroupLength = Int(args.pointee.rowGroupLength)
    groupsOfScale = rowGroupLength == 0 ? groups : rowGroupLength / groupLength
  }

  @inline(__always) var isNibbles: Bool { args.pointee.layout == UInt32(SNQ_NIBBLES) }
  /// Bytes of a panel for one channel.
  @inline(__always) var channelBytes: Int { isNibbles ? 8 : 16 }
  /// Weights are their codes less a constant.
  @inline(__always) var isPlain: Bool { args.pointee.codebook == nil && args.pointee.weightMultiplier == 1 }

  /// 16 numbers of a group as binary32.
  @inline(__always)
  func numbers(
    _ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?, _ panel: Int, _ group: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let place = (panel &* groups &+ group) &* 16
    for half in 0..<2 {
      let first = place &+ 8 &* half
      let values: __m256
      if args.pointee.scaleType == UInt32(SNQ_GROUP_FLOAT32) {
        values = _mm256_loadu_ps((source + 4 &* first).assumingMemoryBound(to: Float.self))
      } else if args.pointee.scaleType == UInt32(SNQ_GROUP_FLOAT16) {
        values = snq_256_from_halves(source + 2 &* first)
      } else {
        guard let factors else { return }
        values = _mm256_mul_ps(
          _mm256_loadu_ps(factors + (16 &* panel &+ 8 &* half)),
          _mm256_cvtepi32_ps(snq_256_from_bytes(source + first)))
      }
      _mm256_storeu_ps(target + 8 &* half, values)
    }
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
    weights = UnsafeMutableRawPointer(starts + groupRows &* blockGroups).assumingMemoryBound(to: UInt8.self)
  }
}

/// One group of one tile of outputs.
struct GroupStep {
  let row: Int
  let rows: Int
  let group: Int
  /// Of the first row: y and z, 16 floats a row.
  let totals: UnsafeMutablePointer<Float>
  let parts: UnsafeMutablePointer<Float>
  let scales: UnsafePointer<Float>
  let offsets: UnsafePointer<Float>
  /// What the constant of the weights adds to the group: `blockGroups` numbers from row to row.
  let starts: UnsafePointer<Int32>
  /// Of the first row, and numbers to the next one's.
  let rowScales: UnsafePointer<Float>
  let rowScaleStride: Int
  /// Every group has a scale of the row and no offset: y takes the products without z.
  let isDirect: Bool

  /// -c * Q of a row, in all lanes.
  @inline(__always)
  func start(_ r: Int) -> __m256i { _mm256_set1_epi32(starts[r &* blockGroups]) }
}

/// The scales of 16 outputs.
struct GroupScales {
  let low: __m256
  let high: __m256

  @inline(__always)
  init(_ scales: UnsafePointer<Float>) {
    low = _mm256_loadu_ps(scales)
    high = _mm256_loadu_ps(scales + 8)
  }
}

extension OutputVectors {
  /// y = fma(z, scale of the row, y), z being this group's I times its scales.
  @inline(__always)
  func addTotal(_ step: GroupStep, _ r: Int, _ scales: GroupScales) {
    let total = step.totals + 16 &* r
    let scale = _mm256_set1_ps(step.rowScales[r &* step.rowScaleStride])
    let zero = _mm256_setzero_ps()
    let z = (
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(low), scales.low, zero),
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), scales.high, zero)
    )
    _mm256_storeu_ps(total, _mm256_fmadd_ps(z.0, scale, _mm256_loadu_ps(total)))
    _mm256_storeu_ps(total + 8, _mm256_fmadd_ps(z.1, scale, _mm256_loadu_ps(total + 8)))
  }

  /// z = fma(float(I), s, z).
  @inline(__always)
  func addPart(_ step: GroupStep, _ r: Int, _ scales: GroupScales) {
    let part = step.parts + 16 &* r
    _mm256_storeu_ps(part, _mm256_fmadd_ps(_mm256_cvtepi32_ps(low), scales.low, _mm256_loadu_ps(part)))
    _mm256_storeu_ps(
      part + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), scales.high, _mm256_loadu_ps(part + 8)))
  }
}

/// What follows z = fma(float(I), s, z): the offsets, and y where the group ends a scale of the row.
@inline(never)
func finishGroup(_ level: GroupLevel, _ step: GroupStep, endsScale: Bool) {
  let args = level.args
  if args.pointee.groupOffsets != nil {
    let offsets = GroupScales(step.offsets)
    var groupSum = args.pointee.groupSums + (step.row &* args.pointee.groupSumStride &+ step.group)
    for r in 0..<step.rows {
      let sum = _mm256_set1_epi32(groupSum.pointee)
      OutputVectors(low: sum, high: sum).addPart(step, r, offsets)
      groupSum += args.pointee.groupSumStride
    }
  }
  guard endsScale else { return }
  let zero = _mm256_setzero_ps()
  for r in 0..<step.rows {
    let scale = _mm256_set1_ps(step.rowScales[r &* step.rowScaleStride])
    for half in 0..<2 {
      let (total, part) = (step.totals + (16 &* r &+ 8 &* half), step.parts + (16 &* r &+ 8 &* half))
      _mm256_storeu_ps(total, _mm256_fmadd_ps(_mm256_loadu_ps(part), scale, _mm256_loadu_ps(total)))
      _mm256_storeu_ps(part, zero)
    }
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

  var isDirect: Bool { level.groupsOfScale == 1 && level.args.pointee.groupOffsets == nil }
  var firstGroup: Int { channel / level.groupLength }
  var groups: Int { (channels &+ level.groupLength &- 1) / level.groupLength }

  /// Unpacks the weights and the scales.
  func prepare(_ scratch: GroupScratch) {
    let args = level.args
    guard let weights = args.pointee.weights, let scales = args.pointee.groupScales else { return }
    let constant = form.constant(level)
    for r in 0..<rows {
      let sums = args.pointee.groupSums + ((row &+ r) &* args.pointee.groupSumStride &+ firstGroup)
      let starts = scratch.starts + r &* blockGroups
      for group in 0..<min(groups, level.groups &- firstGroup) { starts[group] = constant &* sums[group] }
    }
    for p in 0..<panels {
      if !form.isInPlace {
        unpackGroups(
          form, level,
          weights + ((panel &+ p) &* Int(args.pointee.panelStride) &+ channel &* level.channelBytes),
          channels, scratch.weights + p &* blockPanelBytes)
      }
      for group in 0..<min(groups, level.groups &- firstGroup) {
        let place = p &* GroupScratch.scaleFloats &+ 16 &* group
        level.numbers(
          scales, args.pointee.outputScale, panel &+ p, firstGroup &+ group, scratch.scales + place)
        if let offsets = args.pointee.groupOffsets {
          level.numbers(
            offsets, args.pointee.outputOffset, panel &+ p, firstGroup &+ group, scratch.offsets + place)
        }
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
        for group in 0..<min(groups, level.groups &- firstGroup) {
          multiply(group, p, done, count, operand, scratch)
        }
      }
      done &+= count
    }
  }

  @inline(__always)
  private func multiply(
    _ group: Int, _ p: Int, _ done: Int, _ count: Int, _ operand: GroupCodes, _ scratch: GroupScratch
  ) {
    let begin = group &* level.groupLength
    // Padding channels belong to the last group, and end with the last block.
    let isLast = firstGroup &+ group &+ 1 == level.groups
    let length = isLast ? channels &- begin : level.groupLength
    let first = p &* GroupScratch.panelFloats &+ 16 &* done
    let numbers = p &* GroupScratch.scaleFloats &+ 16 &* group
    let args = level.args
    let scale =
      (row &+ done) &* args.pointee.rowScaleStride &+ (firstGroup &+ group) / level.groupsOfScale
    let step = GroupStep(
      row: row &+ done, rows: count, group: firstGroup &+ group, totals: scratch.totals + first,
      parts: scratch.parts + first, scales: scratch.scales + numbers, offsets: scratch.offsets + numbers,
      starts: scratch.starts + (done &* blockGroups &+ group),
      rowScales: args.pointee.rowScales + scale,
      rowScaleStride: args.pointee.rowScaleStride, isDirect: isDirect)
    var unpacked = UnsafePointer(scratch.weights)
    if form.isInPlace {
      let place = (panel &+ p) &* Int(args.pointee.panelStride)
      unpacked = args.pointee.weights + place
      unpacked += (channel &+ begin) &* level.channelBytes
    } else {
      unpacked += p &* blockPanelBytes
      unpacked += begin &* form.unpackedBytes
    }
    addGroup(form, unpacked, operand, begin, length, step, scratch.sums)
    if isDirect { return }
    let endsScale = isLast || (step.group &+ 1) % level.groupsOfScale == 0
    if endsScale || args.pointee.groupOffsets != nil { finishGroup(level, step, endsScale: endsScale) }
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
