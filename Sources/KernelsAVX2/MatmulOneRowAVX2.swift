import CKernelABI
import CSIMD

// One row whose products add up in 16 bits: 4-bit weights, or 8-bit weights with codes of at most 4 bits. The work
// is to read weights, so it is done by runs of straight code, two panels at a time.

/// What a run of straight code multiplies before it widens its sums.
enum OneRowForm {
  /// 8 groups of 4 channels of signed bytes, codes of at most 4 bits: 8 * 2 * 15 * 128 fits in 16 bits.
  case bytes
  /// 2 tiles of 8 channels of nibbles, any codes: 4 * 2 * 255 * 15 fits.
  case nibbles
  /// 4 tiles of nibbles, codes of at most 7 bits: 8 * 2 * 127 * 15 fits.
  case nibblesByFour

  /// Channels of a run.
  @inline(__always)
  var channels: Int {
    switch self {
    case .bytes, .nibblesByFour: 32
    case .nibbles: 16
    }
  }
  /// Bytes of the panel for one channel.
  @inline(__always)
  var channelBytes: Int {
    switch self {
    case .bytes: 16
    case .nibbles, .nibblesByFour: 8
    }
  }
}

@inline(__always)
private func products(_ codes: UnsafePointer<UInt8>, _ weights: OutputVectors) -> OutputVectors {
  let four = snq_broadcast4_256(codes)
  return OutputVectors(
    low: _mm256_maddubs_epi16(four, weights.low), high: _mm256_maddubs_epi16(four, weights.high))
}

@inline(__always)
private func sum(_ left: OutputVectors, _ right: OutputVectors) -> OutputVectors {
  OutputVectors(low: _mm256_add_epi16(left.low, right.low), high: _mm256_add_epi16(left.high, right.high))
}

/// 16-bit sums of two groups of 4 channels.
@inline(__always)
private func bytePair(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) -> OutputVectors {
  sum(products(codes, .loaded(tile)), products(codes + 4, .loaded(tile + 64)))
}

/// The same from one tile of nibbles.
@inline(__always)
private func nibblePair(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) -> OutputVectors {
  let nibbles = OutputVectors.loaded(tile)
  return sum(products(codes, nibbles.lowNibbles()), products(codes + 4, nibbles.highNibbles()))
}

/// 16-bit sums of one run.
@inline(__always)
private func run(
  _ form: OneRowForm, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>
) -> OutputVectors {
  switch form {
  case .bytes:
    sum(
      sum(bytePair(tile, codes), bytePair(tile + 128, codes + 8)),
      sum(bytePair(tile + 256, codes + 16), bytePair(tile + 384, codes + 24)))
  case .nibbles: sum(nibblePair(tile, codes), nibblePair(tile + 64, codes + 8))
  case .nibblesByFour:
    sum(
      sum(nibblePair(tile, codes), nibblePair(tile + 64, codes + 8)),
      sum(nibblePair(tile + 128, codes + 16), nibblePair(tile + 192, codes + 24)))
  }
}

/// What remains behind the last run: the smallest piece of the layout.
@inline(__always)
private func piece(
  _ form: OneRowForm, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>
) -> OutputVectors {
  switch form {
  case .bytes: products(codes, .loaded(tile))
  case .nibbles, .nibblesByFour: nibblePair(tile, codes)
  }
}

/// Asks for the same bytes of the next two panels: they may still be in L3 or in memory.
@inline(__always)
private func prefetchNext(_ tile: UnsafePointer<UInt8>, _ panelStride: Int, _ count: Int) {
  var line = tile + 2 &* panelStride
  for _ in 0..<count &>> 6 {
    snq_prefetch(line)
    snq_prefetch(line + panelStride)
    line += 64
  }
}

@inline(__always)
private func multiply(
  _ form: OneRowForm, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let panelStride = Int(level.pointee.panelStride)
  var tile = allWeights + panel &* panelStride
  var codes = allCodes + row &* Int(level.pointee.codeStride)
  var rest = Int(level.pointee.paddedChannels)
  let one = _mm256_set1_epi16(1)
  var (first, second) = (OutputVectors(), OutputVectors())
  while rest >= form.channels {
    prefetchNext(tile, panelStride, form.channels &* form.channelBytes)
    first.widen(run(form, tile, codes), one)
    if panels > 1 { second.widen(run(form, tile + panelStride, codes), one) }
    tile += form.channels &* form.channelBytes
    codes += form.channels
    rest &-= form.channels
  }
  let step = 64 / form.channelBytes
  while rest > 0 {
    first.widen(piece(form, tile, codes), one)
    if panels > 1 { second.widen(piece(form, tile + panelStride, codes), one) }
    tile += 64
    codes += step
    rest &-= step
  }
  first.store(sums)
  finishTile(sums, 1, level, row, panel)
  if panels > 1 {
    second.store(sums)
    finishTile(sums, 1, level, row, panel &+ 1)
  }
}

@inline(__always)
private func multiply(
  _ form: OneRowForm, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  var panel = part.panelBegin
  while part.panelEnd &- panel >= 2 {
    multiply(form, 2, level, row, panel, sums)
    panel &+= 2
  }
  if panel < part.panelEnd { multiply(form, 1, level, row, panel, sums) }
}

@inline(never)
private func bytes(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(.bytes, level, row, part, sums)
}

@inline(never)
private func nibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(.nibbles, level, row, part, sums)
}

@inline(never)
private func nibblesByFour(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(.nibblesByFour, level, row, part, sums)
}

/// One row against the panels of a part.
func multiplyOneRow(
  _ form: OneRowForm, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  switch form {
  case .bytes: bytes(level, row, part, sums)
  case .nibbles: nibbles(level, row, part, sums)
  case .nibblesByFour: nibblesByFour(level, row, part, sums)
  }
}
