import CKernelABI

@inline(never) func activationRows(
  _ pointer: UnsafePointer<snq_activation_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  switch args.kind {
  case UInt32(SNQ_GELU_ERF): mapRows(args, rowBegin, rowEnd, gaussianLinear)
  case UInt32(SNQ_GELU_TANH): mapRows(args, rowBegin, rowEnd, gaussianLinearByTangent)
  case UInt32(SNQ_RELU):
    mapRows(args, rowBegin, rowEnd) { maximum(FloatLanes(repeating: 0), $0) }
  case UInt32(SNQ_SILU): mapRows(args, rowBegin, rowEnd, sigmoidLinear)
  case UInt32(SNQ_SIGMOID): mapRows(args, rowBegin, rowEnd, sigmoid)
  case UInt32(SNQ_RELU6):
    mapRows(args, rowBegin, rowEnd) {
      minimum(FloatLanes(repeating: 6), maximum(FloatLanes(repeating: 0), $0))
    }
  case UInt32(SNQ_HARD_SWISH):
    mapRows(args, rowBegin, rowEnd) {
      let line = fma($0, FloatLanes(repeating: 1 / 6), FloatLanes(repeating: 0.5))
      return $0 * minimum(FloatLanes(repeating: 1), maximum(FloatLanes(repeating: 0), line))
    }
  case UInt32(SNQ_TANH): mapRows(args, rowBegin, rowEnd, hyperbolicTangent)
  default: unaryRows(args, rowBegin, rowEnd)
  }
}

@inline(__always) private func mapRows(
  _ args: snq_activation_args, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ function: (FloatLanes) -> FloatLanes
) {
  guard let firstInput = args.input, let firstOutput = args.output else { return }
  let channels = Int(args.channels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let input = firstInput + row &* args.inputStride
    let output = firstOutput + row &* args.outputStride
    var channel = 0
    while channel &+ 16 <= channels {
      function(FloatLanes(load: input + channel)).store(output + channel)
      channel &+= 16
    }
    if channel < channels {
      let count = channels &- channel
      function(FloatLanes(load: input + channel, count: count)).store(output + channel, count: count)
    }
    row &+= 1
  }
}
