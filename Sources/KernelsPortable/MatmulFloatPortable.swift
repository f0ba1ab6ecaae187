import CKernelABI

/// Float rows by float panels, one output at a time.
@c @implementation
func snq_float_matmul_1x1__portable(
  _ args: UnsafePointer<snq_float_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  let layer = args.pointee
  guard let weights = layer.weights, let input = layer.input, let output = layer.output else { return }
  for row in Int(rowBegin)..<Int(rowEnd) {
    let values = input + row * Int(layer.inputStride)
    for index in Int(panelBegin) * 16..<min(Int(panelEnd) * 16, Int(layer.outputs)) {
      let column = weights + index / 16 * Int(layer.panelStride) + index % 16
      var sum: Float = layer.bias.map { $0[index] } ?? 0
      for channel in 0..<Int(layer.channels) {
        sum = sum.addingProduct(column[channel * 16], values[channel])
      }
      output[row * Int(layer.outputStride) + index] = sum
    }
  }
}
