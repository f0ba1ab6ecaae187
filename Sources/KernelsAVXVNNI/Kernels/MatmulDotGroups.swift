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

extension GroupRows {
  /// Adds the products of 4 channels.
  @inline(__always)
  fileprivate mutating func addQuad(
    _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    askAhead(tile)
    add(.loaded(tile), codes, stride) { $0.addSignedDots($1, $2) }
  }

  /// The same of 8 channels of nibbles.
  @inline(__always)
  fileprivate mutating func addEight(
    _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    askAhead(tile)
    let nibbles = OutputVectors.loaded(tile)
    add(nibbles.lowNibbles(), codes, stride) { $0.addSignedDots($1, $2) }
    add(nibbles.highNibbles(), codes + 4, stride) { $0.addSignedDots($1, $2) }
  }
}

/// Adds the tiles of a group, 64 bytes and 4 or 8 channels each, 32 channels in straight code: a branch would be
/// mispredicted at the end of most groups.
@inline(__always)
private func addTiles<Sums>(
  _ sums: inout Sums, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  tileChannels: Int, _ add: (inout Sums, UnsafePointer<UInt8>, UnsafePointer<UInt8>) -> Void
) {
  var (tile, place, rest) = (weights, codes, channels)
  let eight = 512 / tileChannels
  while rest >= 32 {
    addEight(&sums, tile, place, tileChannels, add)
    addEight(&sums, tile + eight, place + 8, tileChannels, add)
    addEight(&sums, tile + 2 &* eight, place + 16, tileChannels, add)
    addEight(&sums, tile + 3 &* eight, place + 24, tileChannels, add)
    tile += 4 &* eight
    place += 32
    rest &-= 32
  }
  while rest > 0 {
    add(&sums, tile, place)
    tile += 64
    place += tileChannels
    rest &-= tileChannels
  }
}

@inline(__always)
private func addEight<Sums>(
  _ sums: inout Sums, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ tileChannels: Int,
  _ add: (inout Sums, UnsafePointer<UInt8>, UnsafePointer<UInt8>) -> Void
) {
  add(&sums, tile, codes)
  if tileChannels == 4 { add(&sums, tile + 64, codes + 4) }
}

private enum ByteGroups: GroupDots {
  @inline(__always)
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows {
    var sums = GroupRows(rows, start)
    addTiles(&sums, place.weights, place.codes, place.channels, tileChannels: 4) {
      $0.addQuad($1, $2, place.codeStride)
    }
    return sums
  }
}

/// Nibbles where they lie.
private enum NibbleGroups: GroupDots {
  @inline(__always)
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows {
    var sums = GroupRows(rows, start)
    addTiles(&sums, place.weights, place.codes, place.channels, tileChannels: 8) {
      $0.addEight($1, $2, place.codeStride)
    }
    return sums
  }
}

/// All groups of one tile of 1, 2, 4 or 6 rows.
@inline(__always)
func multiplyTile<Numbers: GroupNumbers>(
  _ form: GroupForm, rows: Int, isDirect: Bool, _ run: GroupRun<Numbers>
) {
  multiplyTile(ByteGroups.self, rows: rows, isDirect: isDirect, run)
}

extension RowDots {
  @inline(__always)
  private mutating func addBytes(_ tile: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>) {
    let four = snq_broadcast4_256(codes)
    first.addSignedDots(four, .loaded(tile))
    second.addSignedDots(four, .loaded(tile + step))
  }

  @inline(__always)
  private mutating func addNibbles(_ tile: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>) {
    let (four, later) = (snq_broadcast4_256(codes), snq_broadcast4_256(codes + 4))
    let (nibbles, others) = (OutputVectors.loaded(tile), OutputVectors.loaded(tile + step))
    first.addSignedDots(four, nibbles.lowNibbles())
    first.addSignedDots(later, nibbles.highNibbles())
    second.addSignedDots(four, others.lowNibbles())
    second.addSignedDots(later, others.highNibbles())
  }

  /// A group of two panels.
  @inline(__always)
  fileprivate mutating func addBytes(_ group: RowGroup) {
    addTiles(&self, group.weights, group.codes, group.channels, tileChannels: 4) {
      $0.addBytes($1, group.panelStep, $2)
    }
  }

  @inline(__always)
  fileprivate mutating func addNibbles(_ group: RowGroup) {
    addTiles(&self, group.weights, group.codes, group.channels, tileChannels: 8) {
      $0.addNibbles($1, group.panelStep, $2)
    }
  }
}

// One function a form and type of scales, because the optimiser stops inlining when a caller grows.

@inline(never)
private func bytesRow(_ row: GroupRow) {
  multiplyGroupRow(isHalves: false, asksAhead: false, row, GroupForm.bytes.constant(row.level)) {
    $0.addBytes($1)
  }
}

@inline(never)
private func halfBytesRow(_ row: GroupRow) {
  multiplyGroupRow(isHalves: true, asksAhead: false, row, GroupForm.bytes.constant(row.level)) {
    $0.addBytes($1)
  }
}

@inline(never)
private func nibblesRow(_ row: GroupRow) {
  multiplyGroupRow(isHalves: false, asksAhead: true, row, GroupForm.bytes.constant(row.level)) {
    $0.addNibbles($1)
  }
}

@inline(never)
private func halfNibblesRow(_ row: GroupRow) {
  multiplyGroupRow(isHalves: true, asksAhead: true, row, GroupForm.bytes.constant(row.level)) {
    $0.addNibbles($1)
  }
}

/// Rows up to which nibbles are multiplied where they lie.
private let fewRows = 32

/// Any level with scales per group, any part of the rows and panels.
func multiplyDotGroups(
  _ args: UnsafePointer<snq_group_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let level = GroupLevel(args)
  if level.isPlain, level.isNibbles, part.rows > 1, part.rows <= fewRows {
    return multiplyFewRows(NibbleGroups.self, level, part, GroupForm.bytes.constant(level), scratch)
  }
  guard part.rows == 1, level.isPlain else {
    return multiplyGroupBlocks(level, GroupForm(level), part, scratch)
  }
  if level.isNibbles {
    multiplyGroupRow(level, part, scratch) { $0.isHalves ? halfNibblesRow($0) : nibblesRow($0) }
  } else {
    multiplyGroupRow(level, part, scratch) { $0.isHalves ? halfBytesRow($0) : bytesRow($0) }
  }
}
