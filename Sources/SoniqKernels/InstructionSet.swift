/// A family of instructions that kernels are compiled for; each can run the kernels of those before it.
package enum InstructionSet: String, Sendable, Hashable, CaseIterable, Comparable {
  /// x86-64-v2: every machine the library starts on.
  case portable
  /// x86-64-v3: AVX2, FMA, BMI2.
  case avx2
  /// x86-64-v4 with VNNI (Cascade Lake and later).
  case avx512

  /// What every machine runs that the library starts on.
  package static let least = InstructionSet.portable

  private var rank: Int {
    switch self {
    case .portable: 0
    case .avx2: 1
    case .avx512: 2
    }
  }
  package static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
}

/// A feature that some CPUs of an instruction set have. A kernel may ask for one; its code stays in a module of its
/// own.
package enum InstructionExtension: String, Sendable, Hashable, CaseIterable {
  /// `vpdpbusd` in the encoding of AVX2 (Alder Lake, Zen 5 and later).
  case avxVNNI = "avxvnni"
  /// VPOPCNTDQ, BITALG, VBMI, VBMI2 and GFNI on top of AVX-512 (Ice Lake, Zen 4 and later).
  case avx512VBMI = "avx512vbmi"
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
  /// - Throws: when the text is not exactly one of "portable", "avx2" and "avx512".
  package static func cap(named text: String?) throws(UnknownInstructionSet) -> InstructionSet? {
    guard let text, !text.isEmpty else { return nil }
    guard let cap = InstructionSet(rawValue: text) else { throw UnknownInstructionSet(name: text) }
    return cap
  }
}
