import CSIMD

/// Nibbles of a block as bytes, looked up in `table`: 16 bytes in both lanes.
@inline(never)
func unpackEntries(
  _ tiles: UnsafePointer<UInt8>, _ channels: Int, _ table: __m256i, _ target: UnsafeMutablePointer<UInt8>
) {
  var (tile, pair, rest) = (tiles, target, channels)
  while rest > 0 {
    let nibbles = OutputVectors.loaded(tile)
    let (first, second) = (nibbles.lowNibbles(), nibbles.highNibbles())
    snq_store_256(pair, _mm256_shuffle_epi8(table, first.low))
    snq_store_256(pair + 32, _mm256_shuffle_epi8(table, first.high))
    snq_store_256(pair + 64, _mm256_shuffle_epi8(table, second.low))
    snq_store_256(pair + 96, _mm256_shuffle_epi8(table, second.high))
    tile += 64
    pair += 128
    rest &-= 8
  }
}
