import CKernelABI
import SoniqCore

/// The form in which a matrix kernel wants activation codes; the bytes of each are defined in CKernelABI.h.
package enum ActivationForm: String, Sendable, Hashable, CaseIterable {
  /// One code a byte, as the quantiser leaves them.
  case codes
  /// One bit plane after the other.
  case bitPlanes
  /// The 16 sums of every 4 codes of at most 5 bits.
  case tables
  /// The same of the lower and the upper 4 bits, for codes of 6 to 8 bits.
  case halfTables

  /// The value of `snq_matmul_args.form`.
  package var tag: UInt32 {
    switch self {
    case .codes: UInt32(SNQ_CODES)
    case .bitPlanes: UInt32(SNQ_BIT_PLANES)
    case .tables: UInt32(SNQ_TABLES)
    case .halfTables: UInt32(SNQ_HALF_TABLES)
    }
  }

  /// The activation bits that the form can hold.
  package var activationBits: ClosedRange<Int> {
    switch self {
    case .codes, .bitPlanes: 1...8
    case .tables: 1...5
    case .halfTables: 6...8
    }
  }

  /// Bytes between two prepared rows: whole cache lines, and not a multiple of 4 KiB, where rows would share the
  /// same few sets of the cache. 0 for codes, which need no preparing.
  ///
  /// - Parameters:
  ///   - paddedChannels: a multiple of 32, at most `maximumDimension` and its padding.
  ///   - activationBits: 1...8.
  /// - Returns: bytes, a multiple of 64.
  package func rowStride(paddedChannels: Int, activationBits: Int) -> Int {
    let bytes =
      switch self {
      case .codes: 0
      case .bitPlanes: paddedChannels / 8 * activationBits
      case .tables: paddedChannels * 4
      case .halfTables: paddedChannels * 8
      }
    let stride = (bytes + 63) / 64 * 64
    return stride > 0 && stride % 4096 == 0 ? stride + 64 : stride
  }
}
