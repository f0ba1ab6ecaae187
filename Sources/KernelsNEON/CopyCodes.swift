import CKernelABI
import CSIMD

/// Levels are taken one by one, by the list.
@inline(__always) func takeSortedLevels(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ row: Int, _ source: UnsafePointer<UInt8>
) -> Bool { false }

/// Copies codes and returns their sum.
@inline(__always) func copyCodes(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) -> UInt32 {
  var sums = vdupq_n_u32(0)
  var channel = 0
  while channel &+ 16 <= channels {
    let codes = snq_load_u8(source + channel)
    snq_store_u8(target + channel, codes)
    sums = vpadalq_u16(sums, vpaddlq_u8(codes))
    channel &+= 16
  }
  if channel < channels {
    let codes = snq_load_first_u8(source + channel, channels &- channel)
    snq_store_first_u8(target + channel, codes, channels &- channel)
    sums = vpadalq_u16(sums, vpaddlq_u8(codes))
  }
  return vaddvq_u32(sums)
}

/// Sixteen rows of four words, row 4 * l + k at word 4 * (4 * k + l), to `count` (1...4) columns of sixteen.
@inline(__always) func storeColumns(
  _ words: UnsafePointer<Int32>, _ columns: UnsafeMutablePointer<Int32>, count: Int
) {
  snq_store_columns(words, columns, count)
}
