import CPlatform

/// What the CPU that runs this process can execute.
package struct CPUFeatures: Sendable, Hashable {
  /// The newest instruction set whose kernels may be called.
  package let instructionSet: InstructionSet

  package init(instructionSet: InstructionSet) {
    self.instructionSet = instructionSet
  }

  /// Asks the CPU and the operating system. Cheap, and the same answer for the life of the process.
  package static func detect() -> CPUFeatures {
    if snq_cpu_runs_avx512_kernels() { return CPUFeatures(instructionSet: .avx512) }
    if snq_cpu_runs_avx2_kernels() { return CPUFeatures(instructionSet: .avx2) }
    return CPUFeatures(instructionSet: .portable)
  }

  /// The value of SONIQ_MAX_ISA now, or nil when it is not set.
  package static func environmentCap() -> String? {
    guard let text = snq_environment_max_isa() else { return nil }
    return String(cString: text)
  }

  /// The newest instruction set that both this CPU and the cap allow.
  package func instructionSet(cappedBy cap: InstructionSet?) -> InstructionSet {
    guard let cap else { return instructionSet }
    return min(cap, instructionSet)
  }
}
