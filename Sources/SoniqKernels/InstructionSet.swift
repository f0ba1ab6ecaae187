import CPlatform

/// A class of machines by the name that users know: from SONIQ_MAX_ISA, soniq.h and reports.
///
/// Kernels are not chosen by it but by the sets of capabilities that it stands for.
package struct InstructionSet: Sendable, Hashable, CaseIterable, CustomStringConvertible {
  package let name: String
  /// What every machine of the class has.
  package let capabilities: Capabilities
  /// What may be used where the class is the cap: also what only some of its machines have.
  package let ceiling: Capabilities

  package init(name: String, capabilities: Capabilities, ceiling: Capabilities) {
    self.name = name
    self.capabilities = capabilities
    self.ceiling = ceiling
  }

  /// The baseline of the architecture: what every machine has that the library starts on.
  package static let portable = InstructionSet(name: "portable", capabilities: [], ceiling: [])

  package var description: String { name }

  /// Those of this architecture, each after those it includes.
  package static var allCases: [InstructionSet] { ThisArchitecture.instructionSets }

  /// The last class whose machines have nothing beyond `available`.
  package static func newest(in available: Capabilities) -> InstructionSet {
    allCases.last { available.isSuperset(of: $0.capabilities) } ?? .portable
  }
}

/// A cap that names no instruction set.
package struct UnknownInstructionSet: Error, Sendable, Hashable {
  package let name: String

  package init(name: String) { self.name = name }
}

extension InstructionSet {
  /// The cap that a text such as the value of SONIQ_MAX_ISA asks for.
  ///
  /// - Returns: nil (no cap) for a missing or empty text.
  /// - Throws: when the text is not exactly the name of one, such as "portable" or "avx2".
  package static func cap(named text: String?) throws(UnknownInstructionSet) -> InstructionSet? {
    guard let text, !text.isEmpty else { return nil }
    for set in allCases where set.name == text { return set }
    throw UnknownInstructionSet(name: text)
  }

  /// The value of SONIQ_MAX_ISA now, or nil when it is not set.
  package static func environmentCap() -> String? {
    guard let text = snq_environment_max_isa() else { return nil }
    return String(cString: text)
  }
}
