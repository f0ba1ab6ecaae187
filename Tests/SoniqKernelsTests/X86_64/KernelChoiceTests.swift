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

  /// By the committed costs no level of up to 8 bits is slower than 8 bits, on no measured size, for no rows.
  @Test(arguments: [Capabilities.v3, [.v3, .v4, .avx512VNNI, .avx512VBMI]])
  func noLevelIsSlowerThanEightBits(available: Capabilities) {
    let table = KernelTable(available: available)
    for size in KernelProfile.committed.sizes {
      for rows in RowClass.allCases {
        for weightBits in 1...8 {
          for activationBits in 1...8 {
            let shape = MatmulShape(
              weightBits: weightBits, activationBits: activationBits, channels: size.channels,
              outputs: size.outputs, rows: rows)
            let choice = table.matmul(shape)
            // Kernels for nibbles unpack what those for bytes find ready: a tenth at most, where it shows.
            let limit = weightBits <= 4 ? 112 : 108
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
