import CKernelABI

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
