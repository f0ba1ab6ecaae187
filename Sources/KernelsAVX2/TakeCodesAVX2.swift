import CKernelABI
import CSIMD

// Codes are picked sixteen at a time: those of a level keep their order, so that sixteen of them lie in a few vectors of a
// row, whose shuffles are made once for all rows.

/// The most vectors that sixteen codes may come from.
private let mostSources = 8

/// Where sixteen codes come from: shuffles of `mostSources` vectors, of which `count` are used.
private struct CodePicks {
  private(set) var count = 0
  private var offsets = SIMD8<Int32>(repeating: 0)
  private let masks: UnsafeMutablePointer<SIMD16<UInt8>>

  /// * masks: room for `mostSources` vectors.
  init(_ masks: UnsafeMutablePointer<SIMD16<UInt8>>) { self.masks = masks }

  /// Puts the code of `channel` to `lane`; false when that is from one vector too many.
  mutating func add(_ channel: Int, lane: Int, channels: Int) -> Bool {
    // The last vector ends with the row.
    let offset = Int32(truncatingIfNeeded: min(channel & ~15, channels &- 16))
    var place = 0
    while place < count, offsets[place] != offset { place &+= 1 }
    if place == count {
      guard count < mostSources else { return false }
      offsets[count] = offset
      // Of codes that come from elsewhere, zeros.
      masks[count] = SIMD16(repeating: 0x80)
      count &+= 1
    }
    masks[place][lane] = UInt8(truncatingIfNeeded: channel &- Int(offset))
    return true
  }

  @inline(__always)
  func codes(_ row: UnsafePointer<UInt8>) -> __m128i {
    var picked = shuffled(row, 0)
    for source in 1..<max(1, count) { picked = _mm_or_si128(picked, shuffled(row, source)) }
    return picked
  }

  @inline(__always)
  private func shuffled(_ row: UnsafePointer<UInt8>, _ source: Int) -> __m128i {
    let vector = UnsafeRawPointer(row + Int(offsets[source])).assumingMemoryBound(to: __m128i.self)
    let mask = UnsafeRawPointer(masks + source).assumingMemoryBound(to: __m128i.self)
    return _mm_shuffle_epi8(_mm_loadu_si128(vector), _mm_loadu_si128(mask))
  }
}

@inline(__always)
private func sum(_ bytes: __m128i) -> Int32 {
  let halves = _mm_sad_epu8(bytes, _mm_setzero_si128())
  return Int32(
    truncatingIfNeeded: _mm_cvtsi128_si64(halves) &+ _mm_cvtsi128_si64(_mm_unpackhi_epi64(halves, halves)))
}

/// One level of all rows; false, having done nothing that is not done again, when its codes are too far apart.
private func takeShuffled(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ index: Int, _ level: snq_activation_level,
  _ rows: Range<Int>, _ masks: UnsafeMutablePointer<SIMD16<UInt8>>
) -> Bool {
  let (channels, count) = (Int(pointer.pointee.channels), Int(level.channels))
  let padded = max(count, Int(level.paddedChannels))
  guard let gather = pointer.pointee.gather, let source = pointer.pointee.codes, let target = level.codes,
    let parameters = level.rows, channels >= 16
  else { return false }
  let order = gather + Int(level.begin)
  for row in rows { storeParameters(pointer, level, index, row, 0) }
  var block = 0
  while block < padded {
    var picks = CodePicks(masks)
    for lane in 0..<max(0, min(16, count &- block)) {
      guard picks.add(Int(order[block &+ lane]), lane: lane, channels: channels) else { return false }
    }
    let length = min(16, padded &- block)
    for row in rows {
      let codes =
        picks.count == 0
        ? _mm_setzero_si128() : picks.codes(source + row &* pointer.pointee.codeStride)
      storeFirst(length, of: codes, target + (row &* level.codeStride &+ block))
      parameters[row &* level.rowStride].codeSum &+= sum(codes)
    }
    block &+= 16
  }
  return true
}

@c @implementation
func snq_take_codes_shuffled__avx2(
  _ args: UnsafePointer<snq_take_codes_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let args, let codes = args.pointee.codes else { return }
  let rows = Int(rowBegin)..<max(Int(rowBegin), Int(rowEnd))
  // On the stack: 128 bytes.
  withUnsafeTemporaryAllocation(of: SIMD16<UInt8>.self, capacity: mostSources) { masks in
    guard let start = masks.baseAddress else { return }
    for index in 0..<min(SNQ_LEVELS, Int(args.pointee.levelCount)) {
      let levels = args.pointee.levels
      let level = index == 0 ? levels.0 : index == 1 ? levels.1 : index == 2 ? levels.2 : levels.3
      if takeShuffled(args, index, level, rows, start) { continue }
      for row in rows { takeRun(args, index, row, codes + row &* args.pointee.codeStride) }
    }
  }
}
