/// The kernels of one instruction set and what they cost there. Safe to share between threads.
package struct KernelTable: Sendable {
  package let instructionSet: InstructionSet
  package let floatMatmul: KernelRow<FloatMatmulFunction>
  private let features: CPUFeatures
  private let profile: KernelProfile

  /// - Parameters:
  ///   - instructionSet: must be one that this CPU runs (`CPUFeatures.instructionSet(cappedBy:)`).
  ///   - features: of the CPU that will call the kernels.
  ///   - profile: what the kernels cost on this machine.
  package init(
    instructionSet: InstructionSet, features: CPUFeatures = .detect(),
    profile: KernelProfile = .committed
  ) {
    self.instructionSet = instructionSet
    self.features = features
    self.profile = profile
    floatMatmul = MatmulKernelRegistry.floats.chosen(upTo: instructionSet)
  }

  /// The kernel for one level of a valid matrix and some number of rows.
  package func matmul(_ shape: MatmulShape) -> MatmulChoice {
    MatmulKernelRegistry.choice(shape, upTo: instructionSet, on: features, profile: profile)
  }
}
