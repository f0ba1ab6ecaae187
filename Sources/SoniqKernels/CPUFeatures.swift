import CPlatform

/// What the CPU that runs this process can execute.
package struct CPUFeatures: Sendable, Hashable {
  /// The newest instruction set whose kernels may be called.
  package let instructionSet: InstructionSet
  /// What it has besides, that single kernels ask for.
  package let extensions: Set<InstructionExtension>

  package init(instructionSet: InstructionSet, extensions: Set<InstructionExtension> = []) {
    self.instructionSet = instructionSet
    self.extensions = extensions
  }

  /// Asks the CPU and the operating system. Cheap, and the same answer for the life of the process.
  package static func detect() -> CPUFeatures {
    var extensions: Set<InstructionExtension> = []
    if snq_cpu_has_avx_vnni() { extensions.insert(.avxVNNI) }
    if snq_cpu_has_avx512_vbmi() { extensions.insert(.avx512VBMI) }
    if snq_cpu_runs_avx512_kernels() { return CPUFeatures(instructionSet: .avx512, extensions: extensions) }
    if snq_cpu_runs_avx2_kernels() { return CPUFeatures(instructionSet: .avx2, extensions: extensions) }
    return CPUFeatures(instructionSet: .portable, extensions: extensions)
  }

  /// Whether this CPU executes the kernel.
  package func runs<Function>(_ kernel: KernelRow<Function>) -> Bool {
    kernel.instructionSet <= instructionSet && has(kernel.needs)
  }

  /// Whether this CPU has what a kernel needs beside its instruction set.
  package func has(_ needed: InstructionExtension?) -> Bool {
    guard let needed else { return true }
    return extensions.contains(needed)
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
