import CKernelABI
import CSIMD

/// How weights with scales per group are unpacked and multiplied.
enum GroupForm {
  /// To words, the integers that they stand for: `vpmaddwd`.
  case words
  /// Nibbles as they are, to bytes: 32 channels of their products fit in 16 bits.
  case nibbles

  /// Weights are multiplied where they lie.
  @inline(__always) var isInPlace: Bool { false }
  /// Bytes of an unpacked channel.
  @inline(__always) var unpackedBytes: Int { self == .words ? 32 : 16 }

  /// What sum(t * q) gets for each unit of Q: words are the weights already.
  @inline(__always)
  func constant(_ level: GroupLevel) -> Int32 {
    self == .words ? 0 : 0 &- level.args.pointee.weightConstant
  }
}

/// The codes of a tile in the form in which they are multiplied.
struct GroupCodes {
  let bytes: UnsafePointer<UInt8>
  let stride: Int
}

func prepareCodes(
  _ form: GroupForm, _ codes: UnsafePointer<UInt8>, _ stride: Int, _ rows: Int, _ channels: Int,
  _ words: UnsafeMutablePointer<UInt8>
) -> GroupCodes {
  guard form == .words else { return GroupCodes(bytes: codes, stride: stride) }
  for row in 0..<rows {
    widenSignedCodes(codes + row &* stride, channels, words + row &* wordRowStride)
  }
  return GroupCodes(bytes: words, stride: wordRowStride)
}

/// Signed codes of one row as words: bytes 0 and 2 of every four, and `blockChannels` bytes behind them 1 and 3.
@inline(__always)
private func widenSignedCodes(
  _ codes: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  var channel = 0
  while channels &- channel >= 32 {
    let bytes = snq_load_256(codes + channel)
    snq_store_256(target + channel, _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8))
    snq_store_256(target + (channel &+ blockChannels), _mm256_srai_epi16(bytes, 8))
    channel &+= 32
  }
  while channel < channels {
    let four = _mm_cvtsi32_si128(UnsafeRawPointer(codes + channel).loadUnaligned(as: Int32.self))
    let raw = UnsafeMutableRawPointer(target + channel)
    let even = _mm_srai_epi16(_mm_slli_epi16(four, 8), 8)
    raw.storeBytes(of: _mm_cvtsi128_si32(even), as: Int32.self)
    (raw + blockChannels).storeBytes(of: _mm_cvtsi128_si32(_mm_srai_epi16(four, 8)), as: Int32.self)
    channel &+= 4
  }
}

/// Writes the weights of a block of one panel to scratch memory.
func unpackGroups(
  _ form: GroupForm, _ level: GroupLevel, _ panel: UnsafePointer<UInt8>, _ channels: Int,
  _ target: UnsafeMutablePointer<UInt8>
) {
  let args = level.args
  let order = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  guard form == .words else {
    return unpackEntries(panel, channels, _mm256_broadcastsi128_si256(order), target)
  }
  guard level.isNibbles else {
    return widenToWeights(
      panel, channels, args.pointee.weightMultiplier, args.pointee.weightConstant, isSigned: false, target)
  }
  // To signed bytes behind the room for the words, which then overwrite them from the start.
  var table = order
  if let codebook = args.pointee.codebook {
    table = snq_first_bytes_128(codebook, 1 &<< Int32(truncatingIfNeeded: args.pointee.weightBits))
  }
  let bytes = target + 16 &* channels
  unpackEntries(panel, channels, _mm256_broadcastsi128_si256(table), bytes)
  let isTable = args.pointee.codebook != nil
  widenToWeights(
    bytes, channels, isTable ? 1 : args.pointee.weightMultiplier, isTable ? 0 : args.pointee.weightConstant,
    isSigned: isTable, target)
}

/// Bytes of a block to words, multiplier * byte - constant: even words, then odd ones, of every group of 4 channels.
@inline(never)
private func widenToWeights(
  _ tiles: UnsafePointer<UInt8>, _ channels: Int, _ multiplier: Int32, _ constant: Int32, isSigned: Bool,
  _ target: UnsafeMutablePointer<UInt8>
) {
  let shift = _mm_cvtsi32_si128(multiplier &>> 1)
  let center = _mm256_set1_epi16(Int16(truncatingIfNeeded: constant))
  let mask = _mm256_set1_epi16(0x00ff)
  var (tile, pair, rest) = (tiles, target, channels)
  while rest > 0 {
    for half in 0..<2 {
      let bytes = snq_load_256(tile + 32 &* half)
      let even =
        isSigned ? _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8) : _mm256_and_si256(bytes, mask)
      let odd = isSigned ? _mm256_srai_epi16(bytes, 8) : _mm256_srli_epi16(bytes, 8)
      // A tile is read whole before its words overwrite it.
      snq_store_256(pair + 32 &* half, _mm256_sub_epi16(_mm256_sll_epi16(even, shift), center))
      snq_store_256(pair + (64 &+ 32 &* half), _mm256_sub_epi16(_mm256_sll_epi16(odd, shift), center))
    }
    tile += 64
    pair += 128
    rest &-= 4
  }
}

/// Adds one group of `channels` channels from channel `begin` of a block.
@inline(__always)
func addGroup(
  _ form: GroupForm, _ weights: UnsafePointer<UInt8>, _ codes: GroupCodes, _ begin: Int, _ channels: Int,
  _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>
) {
  let run = SignedRun(
    weights: weights, codes: codes.bytes + begin, codeStride: codes.stride, channels: channels)
  let isWords = form == .words
  switch step.rows {
  case 6: isWords ? words6(run, step) : nibbles6(run, step, sums)
  case 4: isWords ? words4(run, step) : nibbles4(run, step, sums)
  case 2: isWords ? words2(run, step) : nibbles2(run, step, sums)
  default: isWords ? words1(run, step) : nibbles1(run, step, sums)
  }
}

/// Unpacked weights against signed codes, or words of them.
struct SignedRun {
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let codeStride: Int
  let channels: Int
}

/// Sums of two rows x 1 panel: 16-bit ones of nibbles, 32-bit ones of words.
struct RowPair {
  var first = OutputVectors()
  var second = OutputVectors()

  @inline(__always)
  mutating func addBytes(_ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    first.addSigned(snq_broadcast4_256(codes), weights)
    second.addSigned(snq_broadcast4_256(codes + stride), weights)
  }

  @inline(__always)
  mutating func addWords(_ weights: OutputVectors, _ words: UnsafePointer<UInt8>, _ stride: Int) {
    first.addWords(snq_broadcast4_256(words), weights)
    second.addWords(snq_broadcast4_256(words + stride), weights)
  }

  /// 16-bit sums as 32-bit ones, with those of the row so far.
  @inline(__always)
  func widened(_ sums: UnsafePointer<__m256i>) -> RowPair {
    RowPair(first: first.widened(.loaded(sums)), second: second.widened(.loaded(sums + 2)))
  }

  @inline(__always)
  func widened(_ step: GroupStep, _ r: Int) -> RowPair {
    let (start, next) = (step.start(r), step.start(r &+ 1))
    return RowPair(
      first: first.widened(OutputVectors(low: start, high: start)),
      second: second.widened(OutputVectors(low: next, high: next)))
  }

  @inline(__always)
  func store(_ sums: UnsafeMutablePointer<__m256i>) {
    first.store(sums)
    second.store(sums + 2)
  }
}

extension OutputVectors {
  /// Adds to 16-bit sums the products of unsigned bytes with 4 signed codes.
  @inline(__always)
  mutating func addSigned(_ codes: __m256i, _ weights: OutputVectors) {
    low = _mm256_add_epi16(low, _mm256_maddubs_epi16(weights.low, codes))
    high = _mm256_add_epi16(high, _mm256_maddubs_epi16(weights.high, codes))
  }

  @inline(__always)
  func widened(_ sums: OutputVectors) -> OutputVectors {
    var sums = sums
    sums.widen(self, _mm256_set1_epi16(1))
    return sums
  }
}

/// 32-bit sums of a tile: to y or z.
struct RowPairs {
  let rows: Int
  var upper = RowPair()
  var middle = RowPair()
  var lower = RowPair()

  @inline(__always) init(_ rows: Int) { self.rows = rows }

  @inline(__always)
  func finish(_ step: GroupStep) {
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
}

/// Products of nibbles: 8 groups of 4 channels fit in 16 bits, 8 * 2 * 15 * 127. Of more channels the 32-bit sums are
/// in memory meanwhile.
@inline(__always)
private func addNibbles(
  _ rows: Int, _ run: SignedRun, _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>
) {
  var (weights, codes, rest) = (run.weights, run.codes, run.channels &>> 2)
  let stride = rows > 1 ? run.codeStride : 0
  var isFirst = true
  repeat {
    var tile = RowPairs(rows)
    var count = min(rest, 8)
    rest &-= count
    repeat {
      let bytes = OutputVectors.loaded(weights)
      if rows > 1 {
        tile.upper.addBytes(bytes, codes, stride)
      } else {
        tile.upper.first.addSigned(snq_broadcast4_256(codes), bytes)
      }
      if rows > 2 { tile.middle.addBytes(bytes, codes + 2 &* stride, stride) }
      if rows > 4 { tile.lower.addBytes(bytes, codes + 4 &* stride, stride) }
      weights += 64
      codes += 4
      count &-= 1
    } while count > 0
    if isFirst {
      tile.upper =
        rows > 1
        ? tile.upper.widened(step, 0)
        : RowPair(first: tile.upper.first.widened(OutputVectors(low: step.start(0), high: step.start(0))))
      if rows > 2 { tile.middle = tile.middle.widened(step, 2) }
      if rows > 4 { tile.lower = tile.lower.widened(step, 4) }
    } else {
      tile.upper = tile.upper.widened(sums)
      if rows > 2 { tile.middle = tile.middle.widened(sums + 4) }
      if rows > 4 { tile.lower = tile.lower.widened(sums + 8) }
    }
    if rest == 0 { return tile.finish(step) }
    isFirst = false
    tile.upper.store(sums)
    if rows > 2 { tile.middle.store(sums + 4) }
    if rows > 4 { tile.lower.store(sums + 8) }
  } while rest > 0
}

/// Products of words.
@inline(__always)
private func addWords(_ rows: Int, _ run: SignedRun, _ step: GroupStep) {
  var (weights, words, rest) = (run.weights, run.codes, run.channels)
  var tile = RowPairs(rows)
  let stride = rows > 1 ? run.codeStride : 0
  repeat {
    for odd in 0..<2 {
      let pair = OutputVectors.loaded(weights + 64 &* odd)
      let place = words + blockChannels &* odd
      tile.upper.addWords(pair, place, stride)
      if rows > 2 { tile.middle.addWords(pair, place + 2 &* stride, stride) }
      if rows > 4 { tile.lower.addWords(pair, place + 4 &* stride, stride) }
    }
    weights += 128
    words += 4
    rest &-= 4
  } while rest > 0
  tile.finish(step)
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func nibbles6(_ run: SignedRun, _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>) {
  addNibbles(6, run, step, sums)
}
@inline(never)
private func words6(_ run: SignedRun, _ step: GroupStep) { addWords(6, run, step) }
@inline(never)
private func nibbles4(_ run: SignedRun, _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>) {
  addNibbles(4, run, step, sums)
}
@inline(never)
private func words4(_ run: SignedRun, _ step: GroupStep) { addWords(4, run, step) }
@inline(never)
private func nibbles2(_ run: SignedRun, _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>) {
  addNibbles(2, run, step, sums)
}
@inline(never)
private func words2(_ run: SignedRun, _ step: GroupStep) { addWords(2, run, step) }
@inline(never)
private func nibbles1(_ run: SignedRun, _ step: GroupStep, _ sums: UnsafeMutablePointer<__m256i>) {
  addNibbles(1, run, step, sums)
}
@inline(never)
private func words1(_ run: SignedRun, _ step: GroupStep) { addWords(1, run, step) }

@c @implementation
func snq_group_matmul_bytes_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  let (level, part) = (GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd))
  if part.rows == 1, level.isPlain { return multiplyGroupRow(level, part, scratch, groupBytesRow) }
  multiplyGroupBlocks(level, .words, part, scratch)
}

@c @implementation
func snq_group_matmul_nibbles_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  let (level, part) = (GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd))
  if part.rows == 1, level.isPlain { return multiplyGroupRow(level, part, scratch, groupNibblesRow) }
  multiplyGroupBlocks(level, level.isPlain ? .nibbles : .words, part, scratch)
}
