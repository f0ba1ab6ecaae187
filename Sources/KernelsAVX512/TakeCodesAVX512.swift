import CKernelABI
import CSIMD

/// Adds the sum of 64 bytes, as 8 partial sums.
@inline(__always)
private func added(_ sum: __m512i, _ codes: __m512i) -> __m512i {
  _mm512_add_epi64(sum, _mm512_sad_epu8(codes, _mm512_setzero_si512()))
}

/// The lowest `count` (0...64) bits.
@inline(__always)
private func lowest(_ count: Int) -> UInt64 {
  count >= 64 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: count)) &- 1
}

/// Copies codes and returns their sum.
@inline(__always) func copyCodes(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) -> UInt32 {
  var sum = _mm512_setzero_si512()
  var channel = 0
  while channel &+ 64 <= channels {
    let codes = _mm512_loadu_si512(source + channel)
    _mm512_storeu_si512(target + channel, codes)
    sum = added(sum, codes)
    channel &+= 64
  }
  if channel < channels {
    let mask = lowest(channels &- channel)
    let codes = _mm512_maskz_loadu_epi8(mask, source + channel)
    _mm512_mask_storeu_epi8(target + channel, mask, codes)
    sum = added(sum, codes)
  }
  return UInt32(truncatingIfNeeded: _mm512_reduce_add_epi64(sum))
}

/// Where the codes of one level of a row go.
private struct LevelTarget {
  let start: UnsafeMutablePointer<UInt8>
  let padded: Int
  var position = 0
  var sum = _mm512_setzero_si512()

  @inline(__always)
  init?(_ level: snq_activation_level, _ row: Int) {
    guard let codes = level.codes else { return nil }
    start = codes + row &* level.codeStride
    padded = Int(level.paddedChannels)
  }

  /// Appends the codes that `mask` picks.
  @inline(__always)
  mutating func append(_ codes: __m512i, _ mask: UInt64) {
    let packed = _mm512_maskz_compress_epi8(mask, codes)
    // What is written too much is 0, as padding is, and overwritten by what comes next.
    if position &+ 64 <= padded {
      _mm512_storeu_si512(start + position, packed)
    } else {
      _mm512_mask_storeu_epi8(start + position, lowest(padded &- position), packed)
    }
    sum = added(sum, packed)
    position &+= mask.nonzeroBitCount
  }

  @inline(__always)
  func finish() -> UInt32 {
    for index in position..<max(position, padded) { start[index] = 0 }
    return UInt32(truncatingIfNeeded: _mm512_reduce_add_epi64(sum))
  }
}

/// Both levels of a row in one pass, when each keeps the order of its channels; false when they do not.
@inline(__always) func takeSortedLevels(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ row: Int, _ source: UnsafePointer<UInt8>
) -> Bool {
  guard let secondLevel = pointer.pointee.secondLevel, pointer.pointee.levelCount == 2,
    var first = LevelTarget(pointer.pointee.levels.0, row),
    var second = LevelTarget(pointer.pointee.levels.1, row)
  else { return false }
  let channels = Int(pointer.pointee.channels)
  var channel = 0
  while channel < channels {
    let valid = lowest(channels &- channel)
    let codes = _mm512_maskz_loadu_epi8(valid, source + channel)
    let word = secondLevel[channel / 64]
    first.append(codes, valid & ~word)
    second.append(codes, valid & word)
    channel &+= 64
  }
  storeParameters(pointer, pointer.pointee.levels.0, 0, row, first.finish())
  storeParameters(pointer, pointer.pointee.levels.1, 1, row, second.finish())
  return true
}
