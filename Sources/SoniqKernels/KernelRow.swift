/// One kernel of the registry: what dispatch calls, tests compare and reports name.
///
/// `Function` is a C function pointer of CKernelABI, immutable for the life of the process.
package struct KernelRow<Function>: @unchecked Sendable {
  /// The C symbol.
  package let name: String
  /// What the CPU must have: no less than what the kernel's module is compiled for.
  package let requires: Capabilities
  package let function: Function
  package let traits: KernelTraits

  package init(
    _ name: String, _ requires: Capabilities, _ function: Function, traits: KernelTraits = []
  ) {
    self.name = name
    self.requires = requires
    self.function = function
    self.traits = traits
  }

  /// The class that the kernel belongs to in caps and reports; it may require more than all machines of it have.
  package var instructionSet: InstructionSet { .newest(in: requires) }

  /// Why it may not run where no more than `available` may be used, in plain words; nil when it may.
  package func lack(on available: Capabilities) -> String? {
    let missing = requires.subtracting(available)
    if missing.isEmpty { return nil }
    // A cap forbids whole classes, and with one all that its machines may have: what else is missing the CPU lacks.
    let set = instructionSet
    if !available.isSuperset(of: set.capabilities) { return "\(set.name) may not be used" }
    return "this CPU has no \(missing.names.joined(separator: ", "))"
  }
}

/// What a kernel can do beside what every kernel of its operation does.
package struct KernelTraits: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Takes the channels of a row in `snq_matmul_args.segments` pieces.
  package static let segments = KernelTraits(rawValue: 1)
  /// Takes a `sink`: writes the codes of the next layer in place of floats.
  package static let writesCodes = KernelTraits(rawValue: 2)
  /// Reads no sums of codes where neither the weights' code nor offsets need them.
  package static let withoutCodeSums = KernelTraits(rawValue: 4)
  /// Takes `snq_matmul_args.next`: see `MatmulKernel.fusing(_:)`.
  package static let fusesLevels = KernelTraits(rawValue: 8)
  /// Reads `snq_depthwise_args.tiles`, a copy of the weights.
  package static let tiledDepthwise = KernelTraits(rawValue: 16)
  /// Reads `snq_matmul_args.wordSteps` of levels in bytes.
  package static let wordSteps = KernelTraits(rawValue: 32)
  /// Picks the channels of a level out of many rows of codes faster than a quantiser gathers them as floats.
  package static let picksManyRows = KernelTraits(rawValue: 64)
}

/// All kernels of one operation that are chosen between by what the CPU has.
package struct KernelFamily<Function>: Sendable {
  /// The portable kernel, which defines the result that the others must equal.
  package let reference: KernelRow<Function>
  /// Each after those it is faster than.
  package let faster: [KernelRow<Function>]

  package init(reference: KernelRow<Function>, faster: [KernelRow<Function>] = []) {
    self.reference = reference
    self.faster = faster
  }

  package var rows: [KernelRow<Function>] { [reference] + faster }

  /// The last kernel that a machine with these capabilities runs and that has none of the traits `without`.
  package func chosen(on available: Capabilities, without: KernelTraits = []) -> KernelRow<Function> {
    faster.last { available.runs($0) && $0.traits.isDisjoint(with: without) } ?? reference
  }
}
