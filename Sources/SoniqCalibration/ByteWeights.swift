import CKernelABI
import SoniqCore
import SoniqKernels

/// Weights in bytes as layers have them: most are far smaller than the largest, which kernels gain by.
struct ByteWeights {
  private let bytes: AlignedBuffer
  private let steps: AlignedBuffer
  private let stepStride: Int

  /// * arguments: of the multiplication, all but the weights.
  init(bits: Int, panels: Int, _ arguments: snq_matmul_args) {
    bytes = AlignedBuffer(byteCount: arguments.panelStride * panels)
    Self.fill(bytes.bound(to: UInt8.self), bits: bits)
    var call = arguments
    call.weights = UnsafePointer(bytes.bound(to: UInt8.self).baseAddress)
    let steps = WordSteps(call, panels: panels)
    self.steps = AlignedBuffer(byteCount: steps?.byteCount ?? 0)
    stepStride = steps?.stride ?? 0
    steps?.write(to: self.steps.start)
  }

  /// Signed bytes of 8 bits, else codes around the middle one. A sum of four random numbers is near enough to what
  /// trained weights are.
  private static func fill(_ target: UnsafeMutableBufferPointer<UInt8>, bits: Int) {
    var state: UInt32 = 0x9e37_79b9
    for index in target.indices {
      let random = SIMD4<UInt8>(randomBytes: state)
      // A xorshift: the system's generator is a call of the kernel for each number.
      state ^= state &<< 13
      state ^= state &>> 17
      state ^= state &<< 5
      let sum = Int(random[0]) + Int(random[1]) + Int(random[2]) + Int(random[3]) - 510
      let signed = max(-127, min(127, sum / 4))
      target[index] = UInt8(truncatingIfNeeded: bits == 8 ? signed : (signed + 128) >> (8 - bits))
    }
  }

  func place(_ arguments: inout snq_matmul_args) {
    arguments.weights = UnsafePointer(bytes.bound(to: UInt8.self).baseAddress)
    guard stepStride > 0 else { return }
    arguments.wordSteps = UnsafeRawPointer(steps.start)
    arguments.wordStepStride = stepStride
  }
}

extension SIMD4<UInt8> {
  fileprivate init(randomBytes word: UInt32) { self = unsafeBitCast(word, to: Self.self) }
}
