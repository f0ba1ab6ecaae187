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
  default: mapRows(args, rowBegin, rowEnd, hyperbolicTangent)
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
