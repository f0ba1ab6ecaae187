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

  package init(
    _ name: String, _ instructionSet: InstructionSet, _ function: Function, needs: InstructionExtension? = nil
  ) {
    self.needs = needs
    self.name = name
    self.instructionSet = instructionSet
    self.function = function
  }
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

  /// Starts with the reference and overwrites it by each newer kernel up to `limit` that this CPU runs.
  package func chosen(
    upTo limit: InstructionSet, on features: CPUFeatures = .detect()
  ) -> KernelRow<Function> {
    var chosen = reference
    for row in faster where row.instructionSet <= limit && row.instructionSet >= chosen.instructionSet {
      if features.has(row.needs) { chosen = row }
    }
    return chosen
  }
}
