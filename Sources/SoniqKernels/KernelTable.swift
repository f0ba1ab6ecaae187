/// The kernels of one instruction set, chosen once and then only read. Safe to share between threads.
package struct KernelTable: Sendable {
  package let instructionSet: InstructionSet
  package let floatMatmul: KernelRow<FloatMatmulFunction>
  private let matmulByBits: [MatmulChoice]

  /// - Parameter instructionSet: must be one that this CPU runs (`CPUFeatures.instructionSet(cappedBy:)`).
  package init(instructionSet: InstructionSet) {
    self.instructionSet = instructionSet
    floatMatmul = MatmulKernelRegistry.floats.chosen(upTo: instructionSet)
    matmulByBits = (1...8).map { MatmulKernelRegistry.choice(weightBits: $0, upTo: instructionSet) }
  }

  /// The kernels for weights of a code that `WeightCode.isValid` accepted (1...8 bits).
  package func matmul(weightBits: Int) -> MatmulChoice {
    matmulByBits[min(max(weightBits, 1), 8) - 1]
  }
}
