import SoniqKernels
import SoniqMemory

/// Bytes made of a model's weights, by what they are made of: equal forms have equal bytes.
protocol PreparedBytes: BitwiseCopyable, Hashable {
  /// What they are made of lies here.
  var source: UnsafeRawPointer { get }
  /// nil when they cannot be addressed.
  var byteCount: Int? { get }
  /// The weights themselves in another layout, and not only sums of them.
  var isCopy: Bool { get }

  /// Writes `byteCount` bytes.
  ///
  /// - Parameters:
  ///   - target: aligned to 64 bytes.
  ///   - arena: for what is needed only meanwhile.
  /// - Throws: `outOfMemory`.
  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) throws(RuntimeError)
}

extension WordSteps: PreparedBytes {
  var source: UnsafeRawPointer { weights }
  var isCopy: Bool { false }
  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) { write(to: target) }
}

/// Every kind of `PreparedBytes`.
enum PreparedForm: BitwiseCopyable, Hashable {
  case widenedCodes(WidenedCodes)
  case denseWindows(DenseWindows)
  case depthwise(DepthwiseNumbers)
  case borderSums(BorderSums)
  case wordSteps(WordSteps)

  var bytes: any PreparedBytes {
    switch self {
    case .widenedCodes(let codes): codes
    case .denseWindows(let windows): windows
    case .depthwise(let numbers): numbers
    case .borderSums(let sums): sums
    case .wordSteps(let steps): steps
    }
  }
}
