import CKernelABI
import SoniqGraph
import SoniqKernels

/// A function of each float as the activation kernels know it: its kind and numbers. However a graph writes it, it is
/// done by whoever makes the float, if that has no other reader.
struct ElementFunction: BitwiseCopyable, Hashable {
  let kind: UInt32
  let alpha: Float
  let beta: Float

  private init(_ kind: Int, _ alpha: Float = 0, _ beta: Float = 0) {
    self.kind = UInt32(kind)
    self.alpha = alpha
    self.beta = beta
  }

  init(_ function: ActivationFunction) { self.init(Int(function.rawValue)) }

  /// nil for the function of integers.
  init?(_ function: UnaryFunction) {
    switch function {
    case .leakyRelu(let alpha): self.init(SNQ_LEAKY_RELU, alpha)
    case .clip(let low, let high) where low == 0 && high == 6: self.init(.relu6)
    case .clip(let low, let high) where low == 0 && high == .infinity: self.init(.relu)
    case .clip(let low, let high): self.init(SNQ_CLIP, low, high)
    case .hardSigmoid(let alpha, let beta): self.init(SNQ_HARD_SIGMOID, alpha, beta)
    case .hardSwish: self.init(ActivationFunction.hardSwish)
    case .elu(let alpha): self.init(SNQ_ELU, alpha)
    case .softplus: self.init(SNQ_SOFTPLUS)
    case .mish: self.init(SNQ_MISH)
    case .absolute: self.init(SNQ_ABSOLUTE)
    case .negative: self.init(SNQ_NEGATIVE)
    case .reciprocal: self.init(SNQ_RECIPROCAL)
    case .squareRoot: self.init(SNQ_SQUARE_ROOT)
    case .exponential: self.init(SNQ_EXPONENTIAL)
    case .logarithm: self.init(SNQ_LOGARITHM)
    case .erf: self.init(SNQ_ERF)
    case .floor: self.init(SNQ_FLOOR)
    case .ceiling: self.init(SNQ_CEILING)
    case .round: self.init(SNQ_ROUND)
    case .sign: self.init(SNQ_SIGN)
    case .not: return nil
    }
  }

  static let relu = ElementFunction(.relu)

  /// The upper end of a function that is min(max(x, 0), end) and no more.
  var clippedEnd: Float? {
    switch Int(kind) {
    case Int(ActivationFunction.relu.rawValue): .infinity
    case Int(ActivationFunction.relu6.rawValue): 6
    case SNQ_CLIP where alpha == 0: beta
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
      kind: function.kind, input: source, inputStride: sourceStride, channels: UInt32(channels),
      output: target, outputStride: targetStride, alpha: function.alpha, beta: function.beta)
    kernel(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }

  @inline(__always)
  func apply(_ target: RowStorage, _ window: RowWindow, _ rows: Range<Int>, channels: Range<Int>) {
    let start = target.floats(window) + channels.lowerBound
    var call = snq_activation_args(
      kind: function.kind, input: UnsafePointer(start), inputStride: target.stride,
      channels: UInt32(channels.count), output: start, outputStride: target.stride, alpha: function.alpha,
      beta: function.beta)
    kernel(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
