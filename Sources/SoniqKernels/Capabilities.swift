/// What a CPU can have beyond the baseline of its architecture, as a set. The elements and their names are those of
/// `ThisArchitecture`.
package struct Capabilities: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// What the CPU that runs this process has, and its operating system allows. Cheap, and the same answer for the life
  /// of the process.
  package static func detected() -> Capabilities {
    ThisArchitecture.capabilities.reduce(into: []) { if $1.isPresent() { $0.formUnion($1.element) } }
  }

  /// The names of the elements, in the order of the architecture's table.
  package var names: [String] {
    ThisArchitecture.capabilities.filter { contains($0.element) }.map(\.name)
  }

  /// What a cap leaves of it; nil is no cap.
  package func capped(by cap: InstructionSet?) -> Capabilities {
    cap.map { intersection($0.ceiling) } ?? self
  }

  /// Whether a machine that has no more than this executes the kernel.
  package func runs<Function>(_ kernel: KernelRow<Function>) -> Bool { isSuperset(of: kernel.requires) }
}

/// One element of `Capabilities`, as an architecture lists it.
package struct Capability: Sendable {
  package let element: Capabilities
  /// What reports call it.
  package let name: String
  /// Asks the CPU and the operating system.
  let isPresent: @Sendable () -> Bool
}
