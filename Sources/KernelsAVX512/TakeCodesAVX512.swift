import CKernelABI

/// Levels are taken one by one, by the list.
@inline(__always) func takeSortedLevels(
  _ pointer: UnsafePointer<snq_take_codes_args>, _ row: Int, _ source: UnsafePointer<UInt8>
) -> Bool { false }
