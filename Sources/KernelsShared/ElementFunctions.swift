import CKernelABI

/// A function of each float of rows. Constants go first in minimum and maximum, so that NaN passes through.
@inline(never) func elementRows(
  _ pointer: UnsafePointer<snq_activation_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let rows = ElementRows(pointer.pointee, rowBegin, rowEnd)
  let (alpha, beta) = (constant(pointer.pointee.alpha), constant(pointer.pointee.beta))
  let (zero, one) = (constant(0), constant(1))
  switch Int(pointer.pointee.kind) {
  case SNQ_GELU_ERF: rows.map(isHot: true, gaussianLinear)
  case SNQ_GELU_TANH: rows.map(isHot: true, gaussianLinearByTangent)
  case SNQ_RELU: rows.map(isHot: true) { maximum(zero, $0) }
  case SNQ_SILU: rows.map(isHot: true, sigmoidLinear)
  case SNQ_SIGMOID: rows.map(isHot: true, sigmoid)
  case SNQ_TANH: rows.map(isHot: true, hyperbolicTangent)
  case SNQ_RELU6: rows.map(isHot: true) { minimum(constant(6), maximum(zero, $0)) }
  case SNQ_HARD_SWISH: rows.map(isHot: true, hardSigmoidLinear)
  case SNQ_LEAKY_RELU: rows.map { x in select(x .< zero, alpha * x, x) }
  case SNQ_CLIP: rows.map { minimum(beta, maximum(alpha, $0)) }
  case SNQ_HARD_SIGMOID: rows.map { minimum(one, maximum(zero, fma(alpha, $0, beta))) }
  case SNQ_ELU: rows.map { exponentialLinear($0, alpha) }
  case SNQ_SOFTPLUS: rows.map(softplus)
  case SNQ_MISH: rows.map(mish)
  case SNQ_ABSOLUTE: rows.map { $0.magnitude() }
  case SNQ_NEGATIVE: rows.map { $0 * constant(-1) }
  case SNQ_RECIPROCAL: rows.map { one / $0 }
  case SNQ_SQUARE_ROOT: rows.map { $0.squareRoot() }
  case SNQ_EXPONENTIAL: rows.map(fullExponential)
  case SNQ_LOGARITHM: rows.map(logarithm)
  case SNQ_ERF: rows.map(errorFunction)
  case SNQ_FLOOR: rows.map { $0.floor() }
  case SNQ_CEILING: rows.map(ceiling)
  case SNQ_ROUND: rows.map { $0.nearest() }
  case SNQ_SIGN: rows.map { x in select(zero .< x, one, select(x .< zero, constant(-1), x)) }
  case SNQ_SINE: rows.map { sine($0, quarters: 0) }
  case SNQ_COSINE: rows.map { sine($0, quarters: 1) }
  case SNQ_TANGENT: rows.map(tangent)
  case SNQ_ARC_SINE: rows.map(arcSine)
  case SNQ_ARC_COSINE: rows.map(arcCosine)
  case SNQ_ARC_TANGENT: rows.map(arcTangent)
  case SNQ_HYPERBOLIC_SINE: rows.map(hyperbolicSine)
  case SNQ_HYPERBOLIC_COSINE: rows.map(hyperbolicCosine)
  case SNQ_INVERSE_HYPERBOLIC_SINE: rows.map(inverseHyperbolicSine)
  case SNQ_INVERSE_HYPERBOLIC_COSINE: rows.map(inverseHyperbolicCosine)
  case SNQ_INVERSE_HYPERBOLIC_TANGENT: rows.map(inverseHyperbolicTangent)
  default: return
  }
}

// A function with a name is always inlined: an expression this long in braces is called for every vector.

@inline(__always) private func hardSigmoidLinear(_ x: FloatLanes) -> FloatLanes {
  x * minimum(constant(1), maximum(constant(0), fma(x, constant(1 / 6), constant(0.5))))
}

@inline(__always) private func exponentialLinear(_ x: FloatLanes, _ alpha: FloatLanes) -> FloatLanes {
  select(x .< constant(0), alpha * exponentialLessOne(x), x)
}

@inline(__always) private func errorFunction(_ x: FloatLanes) -> FloatLanes {
  constant(2) * halfErrorFunction(x * constant(1.414_213_6))
}

@inline(__always) private func ceiling(_ x: FloatLanes) -> FloatLanes {
  (x * constant(-1)).floor() * constant(-1)
}

/// The rows of a call.
private struct ElementRows {
  let args: snq_activation_args
  let rowBegin: Int
  let rowEnd: Int
  let channels: Int

  @inline(__always) init(_ args: snq_activation_args, _ rowBegin: UInt32, _ rowEnd: UInt32) {
    let (begin, end, channels) = (Int(rowBegin), Int(rowEnd), Int(args.channels))
    // Rows without gaps are one row: many are of few channels.
    let isDense = args.inputStride == channels && args.outputStride == channels && begin < end
    (self.args, self.rowBegin) = (args, begin)
    self.rowEnd = isDense ? begin &+ 1 : end
    self.channels = isDense ? channels &* (end &- begin) : channels
  }

  /// One body does whole vectors and the rest of a row; a hot function has a body for each, for twice the code.
  @inline(__always) func map(isHot: Bool = false, _ function: (FloatLanes) -> FloatLanes) {
    guard let firstInput = args.input, let firstOutput = args.output else { return }
    var row = rowBegin
    while row < rowEnd {
      let input = firstInput + row &* args.inputStride
      let output = firstOutput + row &* args.outputStride
      var channel = 0
      if isHot {
        while channel &+ 16 <= channels {
          function(FloatLanes(load: input + channel)).store(output + channel)
          channel &+= 16
        }
        if channel < channels {
          let count = channels &- channel
          function(FloatLanes(load: input + channel, count: count)).store(output + channel, count: count)
        }
      } else {
        while channel < channels {
          let count = min(16, channels &- channel)
          let isWhole = count == 16
          let x =
            isWhole ? FloatLanes(load: input + channel) : FloatLanes(load: input + channel, count: count)
          let y = function(x)
          if isWhole { y.store(output + channel) } else { y.store(output + channel, count: count) }
          channel &+= 16
        }
      }
      row &+= 1
    }
  }
}
