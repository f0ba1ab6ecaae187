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

/// I of words.
private enum WordGroups: GroupDots {
  @inline(__always)
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows {
    var (weights, words, rest) = (place.weights, place.codes, place.channels)
    let stride = place.codeStride
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
}

/// All groups of one tile of 1, 2, 4 or 6 rows.
@inline(__always)
func multiplyTile<Numbers: GroupNumbers>(
  _ form: GroupForm, rows: Int, isDirect: Bool, _ run: GroupRun<Numbers>
) {
  if form == .words { return multiplyTile(WordGroups.self, rows: rows, isDirect: isDirect, run) }
  if run.groupLength > 32 {
    multiplyTile(LongGroups<WholeBytes>.self, rows: rows, isDirect: isDirect, run)
  } else {
    multiplyTile(ShortGroups<WholeBytes>.self, rows: rows, isDirect: isDirect, run)
  }
}

/// Rows up to which weights are multiplied where they lie.
private let fewRowsOfBytes = 4
private let fewRowsOfNibbles = 32

@c @implementation
func snq_group_matmul_bytes_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  let (level, part) = (GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd))
  if part.rows == 1, level.isPlain { return multiplyBytesRow(level, part, scratch) }
  if part.rows <= fewRowsOfBytes, level.isPlain { return multiplyFewBytes(level, part, scratch) }
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
  if part.rows <= fewRowsOfNibbles, level.isPlain { return multiplyFewNibbles(level, part, scratch) }
  multiplyGroupBlocks(level, level.isPlain ? .nibbles : .words, part, scratch)
}
