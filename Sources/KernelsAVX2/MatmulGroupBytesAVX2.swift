import CSIMD

// Two rows and more with scales per group: as many products of bytes as fit are added in 16 bits.

extension OutputVectors {
  /// Adds to 16-bit sums the products of unsigned bytes with 4 signed codes.
  @inline(__always)
  mutating func addSigned(_ codes: __m256i, _ weights: OutputVectors) {
    low = snq_opaque_256(_mm256_add_epi16(low, _mm256_maddubs_epi16(weights.low, codes)))
    high = snq_opaque_256(_mm256_add_epi16(high, _mm256_maddubs_epi16(weights.high, codes)))
  }
}

/// How weights lie that get into 16-bit sums.
protocol ShortForm {
  static var channelBytes: Int { get }
  /// Adds the channels of one tile of 64 bytes.
  static func add(
    _ sums: inout GroupRows, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int)
}

/// Bytes, or nibbles that were unpacked to them.
enum WholeBytes: ShortForm {
  @inline(__always) static var channelBytes: Int { 16 }

  @inline(__always)
  static func add(
    _ sums: inout GroupRows, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    sums.add(.loaded(tile), codes, stride) { $0.addSigned($1, $2) }
  }
}

/// Nibbles as the file has them.
enum PackedNibbles: ShortForm {
  @inline(__always) static var channelBytes: Int { 8 }

  @inline(__always)
  static func add(
    _ sums: inout GroupRows, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    askAhead(tile)
    let nibbles = OutputVectors.loaded(tile)
    sums.add(nibbles.lowNibbles(), codes, stride) { $0.addSigned($1, $2) }
    sums.add(nibbles.highNibbles(), codes + 4, stride) { $0.addSigned($1, $2) }
  }
}

extension ShortForm {
  @inline(__always) private static var tileChannels: Int { 64 / channelBytes }

  /// 16-bit sums of up to 32 channels, as many as fit: of nibbles 8 * 2 * 15 * 127. Straight code for 32: a branch
  /// would be mispredicted at the end of most groups.
  @inline(__always)
  static func sums(
    _ rows: Int, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int,
    _ channels: Int
  ) -> GroupRows {
    var sums = GroupRows(rows)
    if channels >= 32 {
      addHalf(&sums, weights, codes, stride)
      addHalf(&sums, weights + 16 &* channelBytes, codes + 16, stride)
      return sums
    }
    var (tile, codes, rest) = (weights, codes, channels)
    while rest > 0 {
      add(&sums, tile, codes, stride)
      tile += 64
      codes += tileChannels
      rest &-= tileChannels
    }
    return sums
  }

  /// 16 channels.
  @inline(__always)
  private static func addHalf(
    _ sums: inout GroupRows, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    add(&sums, tile, codes, stride)
    add(&sums, tile + 64, codes + tileChannels, stride)
    guard tileChannels == 4 else { return }
    add(&sums, tile + 128, codes + 8, stride)
    add(&sums, tile + 192, codes + 12, stride)
  }
}

/// I of groups of up to 32 channels.
enum ShortGroups<Form: ShortForm>: GroupDots {
  @inline(__always)
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows {
    Form.sums(rows, place.weights, place.codes, place.codeStride, place.channels).widened(1, start)
  }
}

/// I of longer ones: the 32-bit sums are in memory meanwhile.
enum LongGroups<Form: ShortForm>: GroupDots {
  @inline(__always)
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows {
    var (weights, codes, rest) = (place.weights, place.codes, place.channels)
    var isFirst = true
    while true {
      let short = Form.sums(rows, weights, codes, place.codeStride, rest)
      let tile: GroupRows
      if isFirst {
        tile = short.widened(1, start)
      } else {
        tile = short.widened(1) { .loaded(place.sums + 2 &* $0) }
      }
      rest &-= 32
      if rest <= 0 { return tile }
      tile.forEach { $0.store(place.sums + 2 &* $1) }
      isFirst = false
      weights += 32 &* Form.channelBytes
      codes += 32
    }
  }
}

/// I of bytes where they lie: the codes are split, q = 16 h + l, as for one row.
enum SplitGroups: GroupDots {
  @inline(__always)
  static func dots(_ rows: Int, _ place: GroupPlace, _ start: (Int) -> OutputVectors) -> GroupRows {
    var (weights, codes, rest) = (place.weights, place.codes, place.channels)
    var isFirst = true
    while true {
      let count = min(32, rest)
      for r in 0..<rows {
        let split = splitSigned(codes + r &* place.codeStride, count)
        snq_store_256(place.halves + 64 &* r, split.low)
        snq_store_256(place.halves + (64 &* r &+ 32), split.high)
      }
      let low = WholeBytes.sums(rows, weights, place.halves, 64, count)
      let part = isFirst ? low.widened(1, start) : low.widened(1) { .loaded(place.sums + 2 &* $0) }
      part.forEach { $0.store(place.sums + 2 &* $1) }
      let high = WholeBytes.sums(rows, weights, place.halves + 32, 64, count)
      let tile = high.widened(16) { .loaded(place.sums + 2 &* $0) }
      rest &-= 32
      if rest <= 0 { return tile }
      tile.forEach { $0.store(place.sums + 2 &* $1) }
      isFirst = false
      weights += 512
      codes += 32
    }
  }
}

/// All channels of few rows, of bytes.
func multiplyFewBytes(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  multiplyFewRows(SplitGroups.self, level, part, GroupForm.nibbles.constant(level), memory)
}

/// All channels of few rows, of nibbles.
func multiplyFewNibbles(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  let constant = GroupForm.nibbles.constant(level)
  if level.groupLength > 32 {
    multiplyFewRows(LongGroups<PackedNibbles>.self, level, part, constant, memory)
  } else {
    multiplyFewRows(ShortGroups<PackedNibbles>.self, level, part, constant, memory)
  }
}

extension GroupRows {
  /// 16-bit sums times the factor as 32-bit ones, with those of `start`.
  @inline(__always)
  fileprivate func widened(_ factor: Int16, _ start: (Int) -> OutputVectors) -> GroupRows {
    let factor = _mm256_set1_epi16(factor)
    var result = GroupRows(rows, start)
    result.row0.widen(row0, factor)
    if rows > 1 { result.row1.widen(row1, factor) }
    if rows > 2 { result.row2.widen(row2, factor) }
    if rows > 3 { result.row3.widen(row3, factor) }
    if rows > 4 {
      result.row4.widen(row4, factor)
      result.row5.widen(row5, factor)
    }
    return result
  }
}
