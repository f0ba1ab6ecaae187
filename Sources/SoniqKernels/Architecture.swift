/// What an architecture contributes: everything above reads these tables, and nothing else names one.
///
/// A new architecture is its kernel modules with their line in Package.swift, their files in `Registry`, and one
/// conformance beside `X86_64`.
package protocol Architecture {
  /// What `#if arch` calls it.
  static var compilersName: String { get }
  /// What its CPUs can have beyond the baseline.
  static var capabilities: [Capability] { get }
  /// `InstructionSet.portable`, then the others, each after those it includes.
  static var instructionSets: [InstructionSet] { get }
  /// The kernels of its modules, slower before faster.
  static var kernels: [KernelList] { get }
  /// What they cost on which CPUs. The first that matches a CPU counts, and the last matches all.
  static var families: [CPUFamily] { get }
  /// What the CPU that runs this process says it is.
  static func identity() -> CPUIdentity
}
