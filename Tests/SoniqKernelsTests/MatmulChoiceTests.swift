import SoniqCore
import SoniqKernels
import Testing

@Suite struct MatmulChoiceTests {
  @Test func neverChoosesBeyondTheLimit() {
    for limit in InstructionSet.allCases {
      for bits in 1...8 {
        let choice = KernelTable(instructionSet: limit).matmul(weightBits: bits)
        #expect(choice.oneRow.instructionSet <= limit)
        #expect(choice.manyRows.instructionSet <= limit)
        #expect(choice.kernel(rowCount: 1).name == choice.oneRow.name)
        #expect(choice.kernel(rowCount: 2).name == choice.manyRows.name)
      }
    }
  }

  @Test func saysWhyAFasterKernelIsMissing() {
    for limit in InstructionSet.allCases {
      for bits in 1...8 {
        let choice = MatmulKernelRegistry.choice(weightBits: bits, upTo: limit)
        let isNewest = choice.oneRow.instructionSet == limit && choice.manyRows.instructionSet == limit
        #expect((choice.refusal == nil) == isNewest)
      }
    }
  }

  @Test func eightAndFourBitsAreFastEverywhere() {
    for limit in InstructionSet.allCases {
      for bits in [4, 8] {
        #expect(MatmulKernelRegistry.choice(weightBits: bits, upTo: limit).refusal == nil)
      }
    }
  }

  @Test func namesAreUniqueAndSayTheInstructionSet() {
    let names = MatmulKernelRegistry.rows.map(\.name) + MatmulKernelRegistry.floats.rows.map(\.name)
    #expect(Set(names).count == names.count)
    for kernel in MatmulKernelRegistry.rows {
      #expect(kernel.name.hasSuffix("__\(kernel.instructionSet.rawValue)"))
    }
  }
}
