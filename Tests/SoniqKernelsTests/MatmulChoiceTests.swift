import SoniqCore
import SoniqKernels
import SoniqTestSupport
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
      let choice = KernelTable(available: limit.ceiling).matmul(shape)
      #expect(limit.ceiling.runs(choice.kernel.row))
      var stored = shape
      if let bits = choice.copyBits { (stored.weightBits, stored.layout) = (bits, WeightLayout(bits: bits)) }
      #expect(choice.kernel.accepts(stored))
      #expect(stored.weightBits >= shape.weightBits)
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func saysWhyAFasterKernelIsMissing(limit: InstructionSet) {
    for shape in Self.shapes {
      let choice = KernelTable(available: limit.capabilities).matmul(shape)
      if choice.kernel.instructionSet != limit { #expect(!choice.refusals.isEmpty) }
      for refusal in choice.refusals { #expect(!refusal.hasPrefix(choice.kernel.name)) }
    }
  }

  /// Whatever the costs are, the kernel that costs least of those that may run is chosen, and no other one.
  @Test(arguments: UInt64(8400)..<8410) func choicesFollowTheCosts(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let profile = Self.randomProfile(&generator)
    for set in InstructionSet.allCases {
      for available in [set.capabilities, set.ceiling] {
        for shape in Self.shapes {
          let mayRun = MatmulKernelRegistry.rows.filter { $0.accepts(shape) && available.runs($0.row) }
          let costs = mayRun.compactMap { profile.cost($0, shape) }
          let choice = MatmulKernelRegistry.choice(shape, on: available, profile: profile)
          #expect(costs.count == mayRun.count && choice.cost == costs.min(), "seed \(seed): \(shape)")
          #expect(profile.cost(choice.kernel, shape) == choice.cost, "seed \(seed): \(choice.kernel.name)")
          #expect(mayRun.contains { $0.name == choice.kernel.name }, "seed \(seed): \(choice.kernel.name)")
        }
      }
    }
  }

  /// Every kernel at every width, with costs that say nothing.
  private static func randomProfile(_ generator: inout SeededGenerator) -> KernelProfile {
    var costs: [KernelProfile.Key: [UInt32]] = [:]
    for kernel in MatmulKernelRegistry.rows {
      for weightBits in 1...8 {
        for activationBits in 1...8 {
          costs[KernelProfile.Key(kernel, weightBits: weightBits, activationBits: activationBits)] =
            RowClass.allCases.map { _ in UInt32.random(in: 1...1_000_000, using: &generator) }
        }
      }
    }
    return KernelProfile(
      machine: "none", sizes: [.init(channels: 384, outputs: 384)], costs: costs)
  }

  /// A CPU that has AVX-512 without VBMI and its kind gets the kernels that do without.
  @Test func asksForNothingThatTheCPULacks() throws {
    // The costs of this CPU's own family need not have the kernels of all.
    let profiles = ThisArchitecture.families.map(\.costs.profile)
    let profile = try #require(
      profiles.first { profile in
        InstructionSet.allCases.dropFirst().allSatisfy { set in
          profile.costs.keys.contains { $0.kernel.hasSuffix("__\(set.name)") }
        }
      })
    for instructionSet in InstructionSet.allCases {
      let available = instructionSet.capabilities
      let table = KernelTable(available: available, profile: profile)
      for shape in Self.shapes {
        let choice = table.matmul(shape)
        #expect(available.runs(choice.kernel.row))
        if shape.weightBits == 8 || shape.weightBits == 4 {
          #expect(choice.kernel.instructionSet == instructionSet)
        }
      }
      #expect(available.runs(RowKernelRegistry.prepare.chosen(on: available)))
      #expect(available.runs(RowKernelRegistry.takeCodes.chosen(on: available)))
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
      #expect(kernel.name.hasSuffix("__\(kernel.instructionSet.name)"))
    }
  }
}
