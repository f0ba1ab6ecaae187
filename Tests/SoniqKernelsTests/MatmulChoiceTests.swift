import SoniqCore
import SoniqKernels
import Testing

@Suite struct MatmulChoiceTests {
  static let shapes: [MatmulShape] = RowClass.allCases.flatMap { rows in
    (1...8).flatMap { weightBits in
      (1...8).map { activationBits in
        MatmulShape(
          weightBits: weightBits, activationBits: activationBits, channels: 384, outputs: 384, rows: rows)
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func choosesAKernelThatAcceptsTheLevelWithinTheLimit(limit: InstructionSet) {
    for shape in Self.shapes {
      let kernel = KernelTable(instructionSet: limit).matmul(shape).kernel
      #expect(kernel.instructionSet <= limit)
      #expect(kernel.accepts(weightBits: shape.weightBits, activationBits: shape.activationBits))
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func saysWhyAFasterKernelIsMissing(limit: InstructionSet) {
    for shape in Self.shapes {
      let choice = KernelTable(instructionSet: limit).matmul(shape)
      if choice.kernel.instructionSet < limit { #expect(!choice.refusals.isEmpty) }
      for refusal in choice.refusals { #expect(!refusal.hasPrefix(choice.kernel.name)) }
    }
  }

  @Test func rowClassesCoverTheirRepresentatives() {
    for rows in RowClass.allCases { #expect(RowClass(rows: rows.representative) == rows) }
    for rows in 1...100 { #expect(RowClass(rows: rows).rawValue <= RowClass(rows: rows + 1).rawValue) }
  }

  @Test func namesAreUniqueAndSayTheInstructionSet() {
    let names = MatmulKernelRegistry.rows.map(\.name) + MatmulKernelRegistry.floats.rows.map(\.name)
    #expect(Set(names).count == names.count)
    for kernel in MatmulKernelRegistry.rows {
      #expect(kernel.name.hasSuffix("__\(kernel.instructionSet.rawValue)"))
    }
  }
}
