import Foundation
import SoniqKernels
import SoniqTestSupport
import Testing

/// The instruction sets of x86-64, and what their machines have.
@Suite struct MachineTests {
  @Test func names() {
    #expect(InstructionSet.allCases.map(\.name) == ["portable", "avx2", "avx512"])
    #expect(throws: UnknownInstructionSet(name: "neon")) { try InstructionSet.cap(named: "neon") }
  }

  private static let machines: [(cpu: Capabilities, cap: String?, expected: String)] = [
    (.v3, nil, "avx2"), (.v3, "avx512", "avx2"), (.v3, "portable", "portable"),
    ([.v3, .avxVNNI], nil, "avx2"), ([.v3, .v4], nil, "avx2"), ([.v3, .avx512VNNI], nil, "avx2"),
    ([.v3, .v4, .avx512VNNI], nil, "avx512"), ([.v3, .v4, .avx512VNNI, .avx512VBMI], "avx2", "avx2"),
    (.avxVNNI, nil, "portable"), (.avx512VBMI, nil, "portable"), ([.v3, .avx512VBMI], nil, "avx2"),
    ([.v4, .avx512VNNI, .avx512VBMI], nil, "portable"),
  ]

  @Test func classesOfMachines() throws {
    for (cpu, cap, expected) in Self.machines {
      let available = cpu.capped(by: try InstructionSet.cap(named: cap))
      #expect(InstructionSet.newest(in: available).name == expected, "\(cpu.names), cap \(cap ?? "none")")
    }
  }

  @Test func refusalsNameTheClassOrWhatIsMissing() throws {
    func lack(_ name: String, _ available: Capabilities) throws -> String? {
      try #require(MatmulKernelRegistry.rows.first { $0.name == name }).row.lack(on: available)
    }
    let (vnni, vbmi) = ("snq_matmul_bytes_vnni_6x1__avx2", "snq_matmul_tables_6x4__avx512")
    #expect(try lack(vnni, []) == "avx2 may not be used")
    #expect(try lack(vnni, .avxVNNI) == "avx2 may not be used")
    #expect(try lack(vnni, .v3) == "this CPU has no avxvnni")
    #expect(try lack(vnni, [.v3, .avxVNNI]) == nil)
    #expect(try lack(vbmi, [.v3, .v4, .avx512VBMI]) == "avx512 may not be used")
    #expect(try lack(vbmi, [.v3, .v4, .avx512VNNI]) == "this CPU has no avx512vbmi")
    #expect(try lack(vbmi, InstructionSet.avx2.ceiling) == "avx512 may not be used")
  }

  /// Detection against what the kernel says, so that a broken test cannot hide the fast kernels.
  @Test func agreesWithTheOperatingSystem() throws {
    let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("flags") })
    let flags = Set(line.split(separator: " "))
    let v3: Set<Substring> = ["avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"]
    let v4: Set<Substring> = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]
    let vbmi: Set<Substring> = [
      "avx512_vpopcntdq", "avx512_bitalg", "avx512vbmi", "avx512_vbmi2", "gfni",
    ]
    var expected: Capabilities = []
    if flags.isSuperset(of: v3) { expected.insert(.v3) }
    if flags.contains("avx_vnni") { expected.insert(.avxVNNI) }
    if flags.isSuperset(of: v3.union(v4)) { expected.insert(.v4) }
    if flags.contains("avx512_vnni") { expected.insert(.avx512VNNI) }
    if flags.isSuperset(of: vbmi) { expected.insert(.avx512VBMI) }
    #expect(Capabilities.detected() == expected)
  }
}
