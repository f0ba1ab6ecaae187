import CKernelABI
import CSIMD

// 8-bit codes with 8-bit weights for many rows: both as 16-bit words in scratch memory, made once for many tiles,
// `vpmaddwd` and `vpaddd`. It cannot saturate, and costs the multiplier what `vpmaddubsw` and `vpmaddwd` by 1 do.

/// Even and odd words of the weights of one group of 4 channels lie in 128 bytes.
private let groupBytes = 128
/// Even words of a row's codes, then the odd ones.
let wordRowStride = 2 * blockChannels

@inline(__always)
private func addWords(
  _ rows: Int, _ weights: UnsafePointer<UInt8>, _ words: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  var tile = SumTile(rows, sums)
  var (pair, place, rest) = (weights, words, channels)
  while rest > 0 {
    tile.add(.loaded(pair), place, wordRowStride) { $0.addWords($1, $2) }
    tile.add(.loaded(pair + 64), place + blockChannels, wordRowStride) { $0.addWords($1, $2) }
    pair += groupBytes
    place += 4
    rest &-= 4
  }
  tile.store(sums)
}

@inline(never)
private func words6(
  _ weights: UnsafePointer<UInt8>, _ words: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  addWords(6, weights, words, channels, sums)
}

@inline(never)
private func words4(
  _ weights: UnsafePointer<UInt8>, _ words: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  addWords(4, weights, words, channels, sums)
}

@inline(never)
private func words2(
  _ weights: UnsafePointer<UInt8>, _ words: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  addWords(2, weights, words, channels, sums)
}

@inline(never)
private func words1(
  _ weights: UnsafePointer<UInt8>, _ words: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  addWords(1, weights, words, channels, sums)
}

/// Codes of one row as words: bytes 0 and 2 of every four, and `blockChannels` bytes behind them 1 and 3.
@inline(__always)
private func widenCodes(
  _ codes: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let mask = _mm256_set1_epi16(0x00ff)
  var channel = 0
  while channels &- channel >= 32 {
    let bytes = snq_load_256(codes + channel)
    snq_store_256(target + channel, _mm256_and_si256(bytes, mask))
    snq_store_256(target + (channel &+ blockChannels), _mm256_srli_epi16(bytes, 8))
    channel &+= 32
  }
  if channels &- channel >= 16 {
    let bytes = snq_load_128(codes + channel)
    snq_store_128(target + channel, _mm_and_si128(bytes, _mm256_castsi256_si128(mask)))
    snq_store_128(target + (channel &+ blockChannels), _mm_srli_epi16(bytes, 8))
    channel &+= 16
  }
  while channel < channels {
    let four = UnsafeRawPointer(codes + channel).loadUnaligned(as: UInt32.self)
    let raw = UnsafeMutableRawPointer(target + channel)
    raw.storeBytes(of: four & 0x00ff_00ff, as: UInt32.self)
    (raw + blockChannels).storeBytes(of: (four &>> 8) & 0x00ff_00ff, as: UInt32.self)
    channel &+= 4
  }
}

/// Weights of a block as words, from signed bytes.
@inline(never)
func widenWeights(_ tiles: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>) {
  var (tile, pair, rest) = (tiles, target, channels)
  while rest > 0 {
    let vectors = OutputVectors.loaded(tile)
    let (even, odd) = (vectors.evenWords(), vectors.oddWords())
    snq_store_256(pair, even.low)
    snq_store_256(pair + 32, even.high)
    snq_store_256(pair + 64, odd.low)
    snq_store_256(pair + 96, odd.high)
    tile += 64
    pair += groupBytes
    rest &-= 4
  }
}

@inline(__always)
private func addWords(
  rows: Int, _ weights: UnsafePointer<UInt8>, _ words: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  switch rows {
  case 6: words6(weights, words, channels, sums)
  case 4: words4(weights, words, channels, sums)
  case 2: words2(weights, words, channels, sums)
  default: words1(weights, words, channels, sums)
  }
}

/// Adds a block of channels to the sums ([panel][row][half]) of the next tile of rows. Widened codes serve all
/// panels of the block.
@inline(never)
func addWordTile(_ block: WeightBlock, _ operands: BlockOperands) {
  let pieces = operands.pieces
  for row in 0..<operands.rows {
    let (codes, words) = (operands.codes + row &* operands.codeStride, operands.words + row &* wordRowStride)
    for piece in 0..<pieces.count {
      widenCodes(codes + piece &* pieces.stride, pieces.channels, words + piece &* pieces.channels)
    }
  }
  for panel in 0..<block.panels {
    addWords(
      rows: operands.rows, block.weights + panel &* blockPanelBytes, operands.words, block.channels,
      operands.sums + panel &* blockPanelSums)
  }
}
