import CKernelABI
import CSIMD

/// How weights with scales per group are unpacked: always to unsigned bytes.
enum GroupForm {
  /// As they are.
  case bytes
  /// Twice the bytes, for a multiplier of 2.
  case twice
  /// Nibbles, their doubles, or the entries of a codebook and 128.
  case entries

  /// Weights are multiplied where they lie.
  @inline(__always) var isInPlace: Bool { self == .bytes }
  /// Bytes of an unpacked channel.
  @inline(__always) var unpackedBytes: Int { 16 }

  /// What sum(t * q) gets for each unit of Q.
  @inline(__always)
  func constant(_ level: GroupLevel) -> Int32 {
    0 &- (level.args.pointee.codebook == nil ? level.args.pointee.weightConstant : 128)
  }

  @inline(__always)
  init(_ level: GroupLevel) {
    self = level.isNibbles ? .entries : level.isPlain ? .bytes : .twice
  }
}

/// The codes of a tile.
struct GroupCodes {
  let bytes: UnsafePointer<UInt8>
  let stride: Int
}

@inline(__always)
func prepareCodes(
  _ form: GroupForm, _ codes: UnsafePointer<UInt8>, _ stride: Int, _ rows: Int, _ channels: Int,
  _ words: UnsafeMutablePointer<UInt8>
) -> GroupCodes {
  GroupCodes(bytes: codes, stride: stride)
}

/// The unsigned bytes that nibbles stand for.
@inline(__always)
func entryTable(_ level: GroupLevel) -> __m256i {
  let args = level.args
  let order = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  var table = args.pointee.weightMultiplier == 2 ? _mm_add_epi8(order, order) : order
  if let codebook = args.pointee.codebook {
    let count = 1 &<< Int32(truncatingIfNeeded: args.pointee.weightBits)
    table = _mm_xor_si128(snq_first_bytes_128(codebook, count), _mm_set1_epi8(-128))
  }
  return _mm256_broadcastsi128_si256(table)
}

/// Writes the weights of a block of one panel to scratch memory.
func unpackGroups(
  _ form: GroupForm, _ level: GroupLevel, _ panel: UnsafePointer<UInt8>, _ channels: Int,
  _ target: UnsafeMutablePointer<UInt8>
) {
  if form == .entries { return unpackEntries(panel, channels, entryTable(level), target) }
  var place = 0
  while place < 16 &* channels {
    let bytes = snq_load_256(panel + place)
    snq_store_256(target + place, form == .twice ? _mm256_add_epi8(bytes, bytes) : bytes)
    place &+= 32
  }
}

extension OutputVectors {
  /// Adds the products of unsigned bytes with 4 signed codes.
  @inline(__always)
  mutating func addSignedDots(_ codes: __m256i, _ weights: OutputVectors) {
    low = snq_dot_256(low, weights.low, codes)
    high = snq_dot_256(high, weights.high, codes)
  }
}

/// Sums of two rows x 1 panel.
private struct DotPair {
  var first: OutputVectors
  var second: OutputVectors

  /// From what the constant of the weights adds.
  @inline(__always)
  init(_ step: GroupStep, _ r: Int, isPair: Bool) {
    let start = step.start(r)
    first = OutputVectors(low: start, high: start)
    second = first
    if isPair {
      let next = step.start(r &+ 1)
      second = OutputVectors(low: next, high: next)
    }
  }

  @inline(__always)
  mutating func add(_ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    first.addSignedDots(snq_broadcast4_256(codes), weights)
    second.addSignedDots(snq_broadcast4_256(codes + stride), weights)
  }
}

/// Unsigned bytes against signed codes.
private struct SignedRun {
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let codeStride: Int
  let channels: Int
}

@inline(__always)
private func addBytes(_ rows: Int, _ run: SignedRun, _ step: GroupStep) {
  var upper = DotPair(step, 0, isPair: rows > 1)
  var middle = DotPair(step, rows > 2 ? 2 : 0, isPair: rows > 2)
  var lower = DotPair(step, rows > 4 ? 4 : 0, isPair: rows > 4)
  var (weights, codes, rest) = (run.weights, run.codes, run.channels)
  // One row is taken twice: it comes here with few rows only.
  let stride = rows > 1 ? run.codeStride : 0
  @inline(__always)
  func add(_ index: Int) {
    let tile = OutputVectors.loaded(weights + 64 &* index)
    let place = codes + 4 &* index
    upper.add(tile, place, stride)
    if rows > 2 { middle.add(tile, place + 2 &* stride, stride) }
    if rows > 4 { lower.add(tile, place + 4 &* stride, stride) }
  }
  // Four tiles a turn: with one, the branch at the end of most groups would be mispredicted.
  while rest >= 16 {
    add(0)
    add(1)
    add(2)
    add(3)
    weights += 256
    codes += 16
    rest &-= 16
  }
  while rest > 0 {
    add(0)
    weights += 64
    codes += 4
    rest &-= 4
  }
  let scales = GroupScales(step.scales)
  if step.isDirect {
    upper.first.addTotal(step, 0, scales)
    if rows > 1 { upper.second.addTotal(step, 1, scales) }
    if rows > 2 {
      middle.first.addTotal(step, 2, scales)
      middle.second.addTotal(step, 3, scales)
    }
    if rows > 4 {
      lower.first.addTotal(step, 4, scales)
      lower.second.addTotal(step, 5, scales)
    }
    return
  }
  upper.first.addPart(step, 0, scales)
  if rows > 1 { upper.second.addPart(step, 1, scales) }
  if rows > 2 {
    middle.first.addPart(step, 2, scales)
    middle.second.addPart(step, 3, scales)
  }
  if rows > 4 {
    lower.first.addPart(step, 4, scales)
    lower.second.addPart(step, 5, scales)
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func add6(_ run: SignedRun, _ step: GroupStep) { addBytes(6, run, step) }
@inline(never)
private func add4(_ run: SignedRun, _ step: GroupStep) { addBytes(4, run, step) }
@inline(never)
private func add2(_ run: SignedRun, _ step: GroupStep) { addBytes(2, run, step) }
@inline(never)
private func add1(_ run: SignedRun, _ step: GroupStep) { addBytes(1, run, step) }

/// Adds one group of `channels` channels from channel `begin` of a block.
@inline(__always)
func addGroup(
  _ form: GroupForm, _ weights: UnsafePointer<UInt8>, _ codes: GroupCodes, _ begin: Int, _ channels: Int,
  _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>
) {
  let run = SignedRun(
    weights: weights, codes: codes.bytes + begin, codeStride: codes.stride, channels: channels)
  switch step.rows {
  case 6: add6(run, step)
  case 4: add4(run, step)
  case 2: add2(run, step)
  default: add1(run, step)
  }
}

extension RowDots {
  @inline(__always)
  mutating func addBytes(_ tile: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>) {
    let four = snq_broadcast4_256(codes)
    first.addSignedDots(four, .loaded(tile))
    second.addSignedDots(four, .loaded(tile + step))
  }

  @inline(__always)
  mutating func addNibbles(
    _ tile: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>
  ) {
    let (four, later) = (snq_broadcast4_256(codes), snq_broadcast4_256(codes + 4))
    let nibbles = OutputVectors.loaded(tile)
    first.addSignedDots(four, nibbles.lowNibbles())
    first.addSignedDots(later, nibbles.highNibbles())
    let others = OutputVectors.loaded(tile + step)
    second.addSignedDots(four, others.lowNibbles())
    second.addSignedDots(later, others.highNibbles())
  }
}

@inline(never)
private func bytesRow(
  _ level: GroupLevel, _ row: Int, _ panel: Int, _ panels: Int, _ totals: UnsafeMutablePointer<Float>
) {
  multiplyGroupRow(level, row, panel, panels, totals, GroupForm.bytes.constant(level)) { dots, group in
    var (tile, codes, rest) = (group.weights, group.codes, group.channels)
    while rest >= 16 {
      dots.addBytes(tile, group.panelStep, codes)
      dots.addBytes(tile + 64, group.panelStep, codes + 4)
      dots.addBytes(tile + 128, group.panelStep, codes + 8)
      dots.addBytes(tile + 192, group.panelStep, codes + 12)
      tile += 256
      codes += 16
      rest &-= 16
    }
    while rest > 0 {
      dots.addBytes(tile, group.panelStep, codes)
      tile += 64
      codes += 4
      rest &-= 4
    }
  }
}

@inline(never)
private func nibblesRow(
  _ level: GroupLevel, _ row: Int, _ panel: Int, _ panels: Int, _ totals: UnsafeMutablePointer<Float>
) {
  multiplyGroupRow(level, row, panel, panels, totals, GroupForm.bytes.constant(level)) { dots, group in
    var (tile, codes, rest) = (group.weights, group.codes, group.channels)
    while rest >= 16 {
      dots.addNibbles(tile, group.panelStep, codes)
      dots.addNibbles(tile + 64, group.panelStep, codes + 8)
      tile += 128
      codes += 16
      rest &-= 16
    }
    while rest > 0 {
      dots.addNibbles(tile, group.panelStep, codes)
      tile += 64
      codes += 8
      rest &-= 8
    }
  }
}

/// Any level with scales per group, any part of the rows and panels.
func multiplyDotGroups(
  _ args: UnsafePointer<snq_group_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let level = GroupLevel(args)
  if part.rows == 1, level.isPlain {
    return multiplyGroupRow(level, part, scratch, level.isNibbles ? nibblesRow : bytesRow)
  }
  multiplyGroupBlocks(level, GroupForm(level), part, scratch)
}
