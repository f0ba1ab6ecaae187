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

extension OutputVectors {
  /// Adds to 16-bit sums the products of unsigned bytes with 4 signed codes.
  @inline(__always)
  mutating func addSigned(_ codes: __m256i, _ weights: OutputVectors) {
    low = snq_opaque_256(_mm256_add_epi16(low, _mm256_maddubs_epi16(weights.low, codes)))
    high = snq_opaque_256(_mm256_add_epi16(high, _mm256_maddubs_epi16(weights.high, codes)))
  }
}

extension GroupRows {
  /// Adds the products of 4 channels of nibbles.
  @inline(__always)
  private mutating func addQuad(
    _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    add(.loaded(tile), codes, stride) { $0.addSigned($1, $2) }
  }

  /// Adds up to 32 channels of nibbles, as many as fit in 16 bits: 8 * 2 * 15 * 127. Straight code for 32: a branch
  /// would be mispredicted at the end of most groups.
  @inline(__always)
  fileprivate mutating func addNibbles(
    _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int, _ channels: Int
  ) {
    var (tile, codes, rest) = (tile, codes, channels)
    if rest >= 32 {
      addQuad(tile, codes, stride)
      addQuad(tile + 64, codes + 4, stride)
      addQuad(tile + 128, codes + 8, stride)
      addQuad(tile + 192, codes + 12, stride)
      addQuad(tile + 256, codes + 16, stride)
      addQuad(tile + 320, codes + 20, stride)
      addQuad(tile + 384, codes + 24, stride)
      addQuad(tile + 448, codes + 28, stride)
      return
    }
    while rest > 0 {
      addQuad(tile, codes, stride)
      tile += 64
      codes += 4
      rest &-= 4
    }
  }

  /// 16-bit sums as 32-bit ones, with those of `start`.
  @inline(__always)
  fileprivate func widened(_ start: (Int) -> OutputVectors) -> GroupRows {
    let one = _mm256_set1_epi16(1)
    var result = GroupRows(rows, start)
    result.row0.widen(row0, one)
    if rows > 1 { result.row1.widen(row1, one) }
    if rows > 2 {
      result.row2.widen(row2, one)
      result.row3.widen(row3, one)
    }
    if rows > 4 {
      result.row4.widen(row4, one)
      result.row5.widen(row5, one)
    }
    return result
  }
}

/// I of a group of up to 32 channels of nibbles.
@inline(__always)
private func nibbleDots(_ rows: Int, _ run: GroupRun, _ place: GroupPlace) -> GroupRows {
  var short = GroupRows(rows)
  short.addNibbles(place.weights, place.codes, run.codes.stride, place.channels)
  return short.widened { .start(place.starts, $0) }
}

/// The same of more channels: the 32-bit sums are in memory meanwhile.
@inline(__always)
private func longNibbleDots(_ rows: Int, _ run: GroupRun, _ place: GroupPlace) -> GroupRows {
  var (weights, codes, rest) = (place.weights, place.codes, place.channels)
  var isFirst = true
  while true {
    var short = GroupRows(rows)
    short.addNibbles(weights, codes, run.codes.stride, rest)
    let tile: GroupRows
    if isFirst {
      tile = short.widened { .start(place.starts, $0) }
    } else {
      tile = short.widened { .loaded(run.sums + 2 &* $0) }
    }
    rest &-= 32
    if rest <= 0 { return tile }
    tile.forEach { $0.store(run.sums + 2 &* $1) }
    isFirst = false
    weights += 512
    codes += 32
  }
}

/// The same of words.
@inline(__always)
private func wordDots(_ rows: Int, _ run: GroupRun, _ place: GroupPlace) -> GroupRows {
  var (weights, words, rest) = (place.weights, place.codes, place.channels)
  let stride = run.codes.stride
  var tile = GroupRows(rows)
  repeat {
    tile.add(.loaded(weights), words, stride) { $0.addWords($1, $2) }
    tile.add(.loaded(weights + 64), words + blockChannels, stride) { $0.addWords($1, $2) }
    weights += 128
    words += 4
    rest &-= 4
  } while rest > 0
  return tile
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func nibbles6(_ run: GroupRun) {
  multiplyGroups(6, isDirect: false, run) { nibbleDots(6, run, $0) }
}
@inline(never)
private func nibbles6Direct(_ run: GroupRun) {
  multiplyGroups(6, isDirect: true, run) { nibbleDots(6, run, $0) }
}
@inline(never)
private func nibbles4(_ run: GroupRun) {
  multiplyGroups(4, isDirect: false, run) { nibbleDots(4, run, $0) }
}
@inline(never)
private func nibbles4Direct(_ run: GroupRun) {
  multiplyGroups(4, isDirect: true, run) { nibbleDots(4, run, $0) }
}
@inline(never)
private func nibbles2(_ run: GroupRun) {
  multiplyGroups(2, isDirect: false, run) { nibbleDots(2, run, $0) }
}
@inline(never)
private func nibbles2Direct(_ run: GroupRun) {
  multiplyGroups(2, isDirect: true, run) { nibbleDots(2, run, $0) }
}
@inline(never)
private func nibbles1(_ run: GroupRun) {
  multiplyGroups(1, isDirect: false, run) { nibbleDots(1, run, $0) }
}
@inline(never)
private func nibbles1Direct(_ run: GroupRun) {
  multiplyGroups(1, isDirect: true, run) { nibbleDots(1, run, $0) }
}
@inline(never)
private func longNibbles6(_ run: GroupRun) {
  multiplyGroups(6, isDirect: false, run) { longNibbleDots(6, run, $0) }
}
@inline(never)
private func longNibbles6Direct(_ run: GroupRun) {
  multiplyGroups(6, isDirect: true, run) { longNibbleDots(6, run, $0) }
}
@inline(never)
private func longNibbles4(_ run: GroupRun) {
  multiplyGroups(4, isDirect: false, run) { longNibbleDots(4, run, $0) }
}
@inline(never)
private func longNibbles4Direct(_ run: GroupRun) {
  multiplyGroups(4, isDirect: true, run) { longNibbleDots(4, run, $0) }
}
@inline(never)
private func longNibbles2(_ run: GroupRun) {
  multiplyGroups(2, isDirect: false, run) { longNibbleDots(2, run, $0) }
}
@inline(never)
private func longNibbles2Direct(_ run: GroupRun) {
  multiplyGroups(2, isDirect: true, run) { longNibbleDots(2, run, $0) }
}
@inline(never)
private func longNibbles1(_ run: GroupRun) {
  multiplyGroups(1, isDirect: false, run) { longNibbleDots(1, run, $0) }
}
@inline(never)
private func longNibbles1Direct(_ run: GroupRun) {
  multiplyGroups(1, isDirect: true, run) { longNibbleDots(1, run, $0) }
}
@inline(never)
private func words6(_ run: GroupRun) {
  multiplyGroups(6, isDirect: false, run) { wordDots(6, run, $0) }
}
@inline(never)
private func words6Direct(_ run: GroupRun) {
  multiplyGroups(6, isDirect: true, run) { wordDots(6, run, $0) }
}
@inline(never)
private func words4(_ run: GroupRun) {
  multiplyGroups(4, isDirect: false, run) { wordDots(4, run, $0) }
}
@inline(never)
private func words4Direct(_ run: GroupRun) {
  multiplyGroups(4, isDirect: true, run) { wordDots(4, run, $0) }
}
@inline(never)
private func words2(_ run: GroupRun) {
  multiplyGroups(2, isDirect: false, run) { wordDots(2, run, $0) }
}
@inline(never)
private func words2Direct(_ run: GroupRun) {
  multiplyGroups(2, isDirect: true, run) { wordDots(2, run, $0) }
}
@inline(never)
private func words1(_ run: GroupRun) {
  multiplyGroups(1, isDirect: false, run) { wordDots(1, run, $0) }
}
@inline(never)
private func words1Direct(_ run: GroupRun) {
  multiplyGroups(1, isDirect: true, run) { wordDots(1, run, $0) }
}

/// All groups of one tile of 1, 2, 4 or 6 rows.
func multiplyTile(_ form: GroupForm, rows: Int, isDirect: Bool, _ run: GroupRun) {
  let isLong = form == .nibbles && run.groupLength > 32
  switch rows {
  case 6 where form == .words: isDirect ? words6Direct(run) : words6(run)
  case 4 where form == .words: isDirect ? words4Direct(run) : words4(run)
  case 2 where form == .words: isDirect ? words2Direct(run) : words2(run)
  case _ where form == .words: isDirect ? words1Direct(run) : words1(run)
  case 6 where isLong: isDirect ? longNibbles6Direct(run) : longNibbles6(run)
  case 4 where isLong: isDirect ? longNibbles4Direct(run) : longNibbles4(run)
  case 2 where isLong: isDirect ? longNibbles2Direct(run) : longNibbles2(run)
  case _ where isLong: isDirect ? longNibbles1Direct(run) : longNibbles1(run)
  case 6: isDirect ? nibbles6Direct(run) : nibbles6(run)
  case 4: isDirect ? nibbles4Direct(run) : nibbles4(run)
  case 2: isDirect ? nibbles2Direct(run) : nibbles2(run)
  default: isDirect ? nibbles1Direct(run) : nibbles1(run)
  }
}

@c @implementation
func snq_group_matmul_bytes_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  let (level, part) = (GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd))
  if part.rows == 1, level.isPlain { return multiplyBytesRow(level, part, scratch) }
  multiplyGroupBlocks(level, .words, part, scratch)
}

@c @implementation
func snq_group_matmul_nibbles_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  let (level, part) = (GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd))
  if part.rows == 1, level.isPlain { return multiplyNibblesRow(level, part, scratch) }
  multiplyGroupBlocks(level, level.isPlain ? .nibbles : .words, part, scratch)
}
