import SoniqKernels
import SoniqTestSupport
import Testing

/// The instruction sets of AArch64, and what their machines have.
@Suite struct MachineTests {
  @Test func names() {
    #expect(InstructionSet.allCases.map(\.name) == ["portable", "neon", "dotprod", "i8mm"])
    #expect(throws: UnknownInstructionSet(name: "avx2")) { try InstructionSet.cap(named: "avx2") }
  }

  private static let machines: [(cpu: Capabilities, cap: String?, expected: String)] = [
    (.neon, nil, "neon"), (.neon, "i8mm", "neon"), (.neon, "portable", "portable"),
    ([.neon, .dotProduct], nil, "dotprod"), ([.neon, .dotProduct], "neon", "neon"),
    ([.neon, .dotProduct, .i8mm], nil, "i8mm"), ([.neon, .dotProduct, .i8mm], "dotprod", "dotprod"),
    ([.neon, .i8mm], nil, "neon"), (.i8mm, nil, "portable"),
  ]

  @Test func classesOfMachines() throws {
    for (cpu, cap, expected) in Self.machines {
      let available = cpu.capped(by: try InstructionSet.cap(named: cap))
      #expect(InstructionSet.newest(in: available).name == expected, "\(cpu.names), cap \(cap ?? "none")")
    }
  }

  /// Every machine that Linux runs on has it.
  @Test func neonIsFound() { #expect(Capabilities.detected().contains(.neon)) }
}
