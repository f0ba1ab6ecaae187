import CKernelABI

// What portable and AVX2 kernels do one number at a time: the compiler's vectors are as fast.

/// Levels are taken one by one, by the list.
@inline(__always) func takeSortedLevels(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ row: Int, _ source: UnsafePointer<UInt8>
) -> Bool { false }

/// Copies codes and returns their sum.
@inline(__always) func copyCodes(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) -> UInt32 {
  var sum: UInt32 = 0
  for channel in 0..<channels {
    target[channel] = source[channel]
    sum &+= UInt32(source[channel])
  }
  return sum
}

/// Sixteen rows of four words, row 4 * l + k at word 4 * (4 * k + l), to `count` (1...4) columns of sixteen.
@inline(__always) func storeColumns(
  _ words: UnsafePointer<Int32>, _ columns: UnsafeMutablePointer<Int32>, count: Int
) {
  for row in 0..<16 {
    let source = words + (row & 3 &* 16 &+ row &>> 2 &* 4)
    for column in 0..<count { columns[16 &* column &+ row] = source[column] }
  }
}
