/// One kernel of the registry: what dispatch calls, tests compare and reports name.
///
/// `Function` is a C function pointer of CKernelABI, immutable for the life of the process.
package struct KernelRow<Function>: @unchecked Sendable {
  /// The C symbol.
  package let name: String
  package let instructionSet: InstructionSet
  package let function: Function
  /// What the CPU must have beside the instruction set.
  package let needs: InstructionExtension?
  package let traits: KernelTraits

  package init(
    _ name: String, _ instructionSet: InstructionSet, _ function: Function,
    needs: InstructionExtension? = nil, traits: KernelTraits = []
  ) {
    self.needs = needs
    self.traits = traits
    self.name = name
    self.instructionSet = instructionSet
    self.function = function
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
}

/// All kernels of one operation that has one kernel per instruction set.
package struct KernelFamily<Function>: Sendable {
  /// The portable kernel, which defines the result that the others must equal.
  package let reference: KernelRow<Function>
  package let faster: [KernelRow<Function>]

  package init(reference: KernelRow<Function>, faster: [KernelRow<Function>] = []) {
    self.reference = reference
    self.faster = faster
  }

  package var rows: [KernelRow<Function>] { [reference] + faster }

  /// Starts with the reference and overwrites it by each newer kernel up to `limit` that this CPU runs and
  /// that has none of the traits `without`.
  package func chosen(
    upTo limit: InstructionSet, on features: CPUFeatures = .detect(), without: KernelTraits = []
  ) -> KernelRow<Function> {
    var chosen = reference
    for row in faster where row.instructionSet <= limit && row.instructionSet >= chosen.instructionSet {
      if features.has(row.needs), row.traits.isDisjoint(with: without) { chosen = row }
    }
    return chosen
  }
}
