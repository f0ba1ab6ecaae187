import CKernelABI

@inline(never) func poolRows(
  _ pointer: UnsafePointer<snq_pool_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let firstInput = args.input, let firstOutput = args.output else { return }
  let sequence = Int(args.sequence)
  let channels = Int(args.channels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let input = firstInput + row &* sequence &* args.inputStride
    let mask = args.mask.map { $0 + row &* sequence }
    let output = firstOutput + row &* args.outputStride
    var valid = sequence
    if let mask {
      valid = 0
      for position in 0..<sequence where mask[position] != 0 { valid &+= 1 }
    }
    let factor = FloatLanes(repeating: valid == 0 ? 0 : 1 / Float(valid))
    var channel = 0
    while channel < channels {
      let count = min(16, channels &- channel)
      var total = FloatLanes(repeating: 0)
      var position = 0
      while position < sequence {
        if mask.map({ $0[position] != 0 }) ?? true {
          total = total + FloatLanes(load: input + position &* args.inputStride + channel, count: count)
        }
        position &+= 1
      }
      (total * factor).store(output + channel, count: count)
      channel &+= 16
    }
    row &+= 1
  }
}
