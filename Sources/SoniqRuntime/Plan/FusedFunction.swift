import CKernelABI
import SoniqGraph
import SoniqKernels

extension ElementFunction {
  /// The upper end of a function that is min(max(x, 0), end) and no more.
  var clippedEnd: Float? {
    switch kind {
    case .relu: .infinity
    case .relu6: 6
    case .clip where alpha == 0: beta
    default: nil
    }
  }
}

/// An element function on what a step has just written.
struct FusedFunction: BitwiseCopyable {
  var kernel: snq_activation_function
  var function: ElementFunction

  /// Rows of whole channels.
  func apply(
    from source: UnsafePointer<Float>, _ sourceStride: Int, to target: UnsafeMutablePointer<Float>,
    _ targetStride: Int, _ rows: Range<Int>, channels: Int
  ) {
    var call = snq_activation_args(
      kind: UInt32(function.kind.rawValue), input: source, inputStride: sourceStride,
      channels: UInt32(channels),
      output: target, outputStride: targetStride, alpha: function.alpha, beta: function.beta)
    kernel(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }

  @inline(__always)
  func apply(_ target: RowStorage, _ window: RowWindow, _ rows: Range<Int>, channels: Range<Int>) {
    let start = target.floats(window) + channels.lowerBound
    var call = snq_activation_args(
      kind: UInt32(function.kind.rawValue), input: UnsafePointer(start), inputStride: target.stride,
      channels: UInt32(channels.count), output: start, outputStride: target.stride, alpha: function.alpha,
      beta: function.beta)
    kernel(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
