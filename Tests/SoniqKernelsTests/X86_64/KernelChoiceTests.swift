import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Which kernels of x86-64 are chosen.
@Suite struct KernelChoiceTests {
  /// Two levels in one call: the kernel that needs more is entered, in either order.
  @Test func fusingEntersTheKernelThatKnowsBoth() throws {
    let rows = MatmulKernelRegistry.rows
    let plain = try #require(rows.first { $0.name == "snq_matmul_bytes_6x4__avx512" })
    let bits = try #require(rows.first { $0.name == "snq_matmul_bit_serial_6x4__avx512" })
    let expected = unsafeBitCast(bits.row.function, to: Int.self)
    for function in [plain.fusing(bits), bits.fusing(plain), bits.fusing(bits)] {
      #expect(function.map { unsafeBitCast($0, to: Int.self) } == expected)
    }
    #expect(MatmulKernelRegistry.reference.fusing(plain) == nil)
  }

  /// A kernel that is not in the profile: a little better than the row before it that is like it, else last.
  @Test func unmeasuredKernelsFollowTheOrderOfTheRegistry() throws {
    let shape = MatmulShape(weightBits: 8, activationBits: 8, channels: 384, outputs: 384, rows: .many)
    let bytes = try #require(MatmulKernelRegistry.faster.first { $0.name == "snq_matmul_bytes_6x1__avx2" })
    let profile = KernelProfile(
      machine: "", sizes: [.init(channels: 1, outputs: 1)],
      costs: [
        .init(bytes, weightBits: 8, activationBits: 8): [UInt32](
          repeating: 100, count: RowClass.allCases.count)
      ])
    let withVNNI = MatmulKernelRegistry.choice(shape, on: [.v3, .avxVNNI], profile: profile)
    #expect(withVNNI.kernel.requires == [.v3, .avxVNNI] && withVNNI.cost == 90)
    let without = MatmulKernelRegistry.choice(shape, on: .v3, profile: profile)
    #expect(without.kernel.name == bytes.name)
    let empty = KernelProfile(machine: "", sizes: [], costs: [:])
    for set in InstructionSet.allCases {
      let choice = MatmulKernelRegistry.choice(shape, on: set.capabilities, profile: empty)
      #expect(choice.kernel.instructionSet == set && choice.cost == nil)
    }
  }

  /// The families that CPUs belong to, by what they say they are.
  @Test(arguments: [
    ("AuthenticAMD", 23, false, "Zen 2"), ("AuthenticAMD", 25, false, "Zen 3"),
    ("AuthenticAMD", 25, true, "Zen 4"), ("AuthenticAMD", 26, true, "Zen 5"),
    ("GenuineIntel", 6, false, "Haswell"),
  ])
  func familiesAreFound(vendor: String, family: Int, hasAVX512: Bool, name: String) throws {
    let identity = CPUIdentity(vendor: vendor, family: family)
    let has: Capabilities = hasAVX512 ? [.v3, .v4, .avx512VNNI, .avx512VBMI] : .v3
    let found = try #require(X86_64.families.first { $0.matches(identity, has) })
    #expect(found.name.hasPrefix(name))
  }

  @Test(
    arguments: [
      ([.v3, .v4, .avx512VNNI], "Skylake"), ([.v3, .v4, .avx512VNNI, .avx512VBMI], "Ice Lake"),
      ([.v3, .avxVNNI], "Alder Lake"), ([], "Haswell"),
    ] as [(Capabilities, String)])
  func otherFamiliesAreFoundByWhatTheyHave(has: Capabilities, name: String) throws {
    let identity = CPUIdentity(vendor: "GenuineIntel", family: 6)
    let found = try #require(X86_64.families.first { $0.matches(identity, has) })
    #expect(found.name.hasPrefix(name))
  }

  private static let modern: Capabilities = [.v3, .v4, .avx512VNNI, .avx512VBMI]

  /// Each family has costs of all kernels that its CPUs run, AVX-VNNI beside AVX-512 apart.
  @Test func familiesHaveCostsOfTheirKernels() {
    for family in X86_64.families {
      let profile = family.costs.profile
      let has512 = profile.costs.keys.contains { $0.kernel.hasSuffix("avx512") }
      for kernel in MatmulKernelRegistry.faster where (has512 ? Self.modern : .v3).runs(kernel.row) {
        #expect(
          profile.costs.keys.contains { $0.kernel == kernel.name }, "\(family.name): \(kernel.name)")
      }
    }
  }

  /// By the committed costs of any family no level of up to 8 bits is slower than 8 bits, on no measured size, for no rows.
  @Test(arguments: [Capabilities.v3, modern], X86_64.families.indices)
  func noLevelIsSlowerThanEightBits(available: Capabilities, family: Int) {
    let profile = X86_64.families[family].costs.profile
    let has512 = profile.costs.keys.contains { $0.kernel.hasSuffix("avx512") }
    guard has512 || available == .v3 else { return }
    let table = KernelTable(available: available, profile: profile)
    for size in profile.sizes {
      for rows in RowClass.allCases {
        for weightBits in 1...8 {
          for activationBits in 1...8 {
            let shape = MatmulShape(
              weightBits: weightBits, activationBits: activationBits, channels: size.channels,
              outputs: size.outputs, rows: rows)
            let choice = table.matmul(shape)
            // Kernels for nibbles unpack what those for bytes find ready: a tenth at most, where it shows. A few rows on
            // the same kernel: which panels go together depends on the weights, and memory varies.
            let limit = weightBits <= 4 ? 112 : rows < .eight ? 125 : 108
            guard let cost = choice.cost, let eight = choice.eightBitCost else {
              Issue.record("\(shape): \(choice.kernel.name) is not measured")
              continue
            }
            #expect(
              Int(cost) * 100 <= Int(eight) * limit,
              "\(shape): \(choice.kernel.name) \(cost), 8 bits \(eight)")
          }
        }
      }
    }
  }
}
