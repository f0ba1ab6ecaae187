import CKernelABI
import CSIMD

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
      _mm512_mask_storeu_epi8(start + position, lowestBits(padded &- position), packed)
    }
    sum = addedSums(sum, packed)
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
    let valid = lowestBits(channels &- channel)
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

@c @implementation
func snq_take_codes_vbmi__avx512(
  _ args: UnsafePointer<snq_take_codes_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { takeCodesRows(args, rowBegin, rowEnd) }
}
