import CKernelABI
import SoniqCore
import SoniqKernels
import SoniqTestSupport
import Testing

/// Every float matrix kernel against one fma sequence per output.
@Suite struct FloatMatmulKernelTests {
  @Test(arguments: InstructionSet.allCases)
  func equalsTheSequence(instructionSet: InstructionSet) throws {
    try instructionSet.require()
    let kernels = MatmulKernelRegistry.floats.rows.filter { $0.instructionSet == instructionSet }
    try #require(!kernels.isEmpty)
    for kernel in kernels {
      for (rows, channels, outputs) in [
        (1, 1, 1), (1, 7, 15), (2, 33, 16), (3, 5, 17), (4, 9, 64), (5, 64, 100), (6, 3, 33), (7, 17, 65),
        (13, 40, 130), (9, 0, 20),
      ] {
        for withBias in [false, true] { check(kernel, rows, channels, outputs, withBias) }
      }
    }
  }

  private func check(
    _ kernel: KernelRow<FloatMatmulFunction>, _ rows: Int, _ channels: Int, _ outputs: Int, _ withBias: Bool
  ) {
    let seed = UInt64(rows * 10_000 + channels * 100 + outputs)
    var generator = SeededGenerator(seed: seed)
    func floats(_ count: Int) -> [Float] { (0..<count).map { _ in .random(in: -3...3, using: &generator) } }
    let panels = (outputs + 15) / 16
    let panelStride = channels * 16 + 16
    let inputStride = channels + 3
    let outputStride = outputs + 1
    let weights = GuardedBuffer(floats(panelStride * (panels - 1) + channels * 16))
    let input = GuardedBuffer(floats(inputStride * (rows - 1) + channels))
    let bias = GuardedBuffer(floats(panels * 16))
    let output = GuardedBuffer([Float](repeating: 77, count: outputStride * (rows - 1) + outputs))
    var args = snq_float_matmul_args()
    args.weights = UnsafePointer(weights.start)
    args.panelStride = panelStride
    args.channels = UInt32(channels)
    args.outputs = UInt32(outputs)
    args.input = UnsafePointer(input.start)
    args.inputStride = inputStride
    args.bias = withBias ? UnsafePointer(bias.start) : nil
    args.output = output.start
    args.outputStride = outputStride
    let first = rows / 3
    let firstPanel = panels / 2
    kernel.function(&args, UInt32(first), UInt32(rows), UInt32(firstPanel), UInt32(panels))
    for place in 0..<output.count {
      let (row, index) = (place / outputStride, place % outputStride)
      var expected: Float = 77
      if row >= first, index >= firstPanel * 16, index < outputs {
        expected = withBias ? bias.start[index] : 0
        for channel in 0..<channels {
          let weight = weights.start[index / 16 * panelStride + channel * 16 + index % 16]
          expected.addProduct(weight, input.start[row * inputStride + channel])
        }
      }
      guard output.start[place].bitPattern != expected.bitPattern else { continue }
      Issue.record("\(kernel.name) rows \(rows) K \(channels) N \(outputs) seed \(seed): \(row), \(index)")
      return
    }
    #expect(output.isIntact && weights.isIntact && input.isIntact && bias.isIntact)
  }
}
