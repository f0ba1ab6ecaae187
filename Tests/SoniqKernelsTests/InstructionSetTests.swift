import SoniqKernels
import SoniqTestSupport
import Testing

@Suite struct InstructionSetTests {
  /// Every set of capabilities that a CPU could have, sensible or not.
  static let everySubset = (0..<UInt32(1 << ThisArchitecture.capabilities.count)).map { bits in
    ThisArchitecture.capabilities.enumerated().reduce(into: Capabilities()) {
      if bits >> $1.offset & 1 == 1 { $0.formUnion($1.element.element) }
    }
  }

  @Test func capParsing() throws {
    #expect(try InstructionSet.cap(named: nil) == nil)
    #expect(try InstructionSet.cap(named: "") == nil)
    for instructionSet in InstructionSet.allCases {
      #expect(try InstructionSet.cap(named: instructionSet.name) == instructionSet)
    }
    for text in [
      "AVX2", "avx", " avx2", "NEON", "neon ", "avx512vnni", "sve", "none", "0", "x86-64-v3", "avxvnni",
    ] {
      #expect(throws: UnknownInstructionSet(name: text)) { try InstructionSet.cap(named: text) }
    }
  }

  /// The architecture's tables agree with each other.
  @Test func tablesOfTheArchitecture() {
    var seen: Capabilities = []
    for capability in ThisArchitecture.capabilities {
      #expect(!capability.element.isEmpty && seen.isDisjoint(with: capability.element), "\(capability.name)")
      #expect(capability.element.names == [capability.name])
      seen.formUnion(capability.element)
    }
    #expect(Set(seen.names).count == ThisArchitecture.capabilities.count)
    let sets = InstructionSet.allCases
    #expect(sets.first == .portable && Set(sets.map(\.name)).count == sets.count)
    for set in sets {
      #expect(set.ceiling.isSuperset(of: set.capabilities) && seen.isSuperset(of: set.ceiling), "\(set)")
      #expect(InstructionSet.newest(in: set.capabilities) == set)
      // A cap is the class it names, whatever else its machines have.
      #expect(InstructionSet.newest(in: set.ceiling) == set)
    }
    for (earlier, later) in zip(sets, sets.dropFirst()) {
      #expect(later.capabilities.isStrictSuperset(of: earlier.capabilities), "\(earlier), \(later)")
    }
    #expect(sets.last?.ceiling == seen)
  }

  @Test(arguments: everySubset) func capsOnlyTakeAway(cpu: Capabilities) {
    #expect(cpu.capped(by: nil) == cpu && cpu.capped(by: .portable).isEmpty)
    for cap in InstructionSet.allCases {
      let capped = cpu.capped(by: cap)
      #expect(cpu.isSuperset(of: capped) && cap.ceiling.isSuperset(of: capped))
      let (newest, allowed) = (InstructionSet.newest(in: capped), InstructionSet.newest(in: cpu))
      #expect(allowed.capabilities.isSuperset(of: newest.capabilities))
      #expect(cap.capabilities.isSuperset(of: newest.capabilities))
      // The lower of both counts, in any order of caps.
      for other in InstructionSet.allCases {
        #expect(capped.capped(by: other) == cpu.capped(by: other).capped(by: cap))
      }
    }
  }

  /// Whatever a CPU has, its kernels require nothing else, and each that may not run says why.
  @Test(arguments: everySubset) func nothingThatIsMissingIsChosen(cpu: Capabilities) {
    let table = KernelTable(available: cpu)
    #expect(cpu.runs(table.floatMatmul))
    for shape in MatmulChoiceTests.shapes {
      let choice = table.matmul(shape)
      #expect(cpu.isSuperset(of: choice.kernel.requires), "\(choice.kernel.name) on \(cpu.names)")
    }
    for requires in [
      RowKernelRegistry.takeCodes.chosen(on: cpu).requires,
      RowKernelRegistry.prepare.chosen(on: cpu).requires,
      RowKernelRegistry.quantize.chosen(on: cpu).requires,
      RowKernelRegistry.depthwise.chosen(on: cpu).requires,
    ] { #expect(cpu.isSuperset(of: requires)) }
    for kernel in MatmulKernelRegistry.rows {
      let lack = kernel.row.lack(on: cpu)
      #expect((lack == nil) == cpu.runs(kernel.row), "\(kernel.name) on \(cpu.names): \(lack ?? "")")
    }
  }

  /// The fastest kernel is the last that may run: more capabilities never bring back an earlier one.
  @Test(arguments: everySubset) func moreIsNeverSlower(cpu: Capabilities) throws {
    func place(_ available: Capabilities) throws -> Int {
      let name = RowKernelRegistry.takeCodes.chosen(on: available).name
      return try #require(RowKernelRegistry.takeCodes.rows.firstIndex { $0.name == name })
    }
    for capability in ThisArchitecture.capabilities {
      #expect(try place(cpu.union(capability.element)) >= place(cpu), "\(cpu.names) and \(capability.name)")
    }
  }
}
