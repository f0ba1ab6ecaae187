import Foundation
import SoniqKernels
import Testing

@Suite struct InstructionSetTests {
  @Test func capParsing() throws {
    #expect(try InstructionSet.cap(named: nil) == nil)
    #expect(try InstructionSet.cap(named: "") == nil)
    for instructionSet in InstructionSet.allCases {
      #expect(try InstructionSet.cap(named: instructionSet.rawValue) == instructionSet)
    }
    for text in ["AVX2", "avx", " avx2", "avx512vnni", "none", "0"] {
      #expect(throws: UnknownInstructionSet(name: text)) { try InstructionSet.cap(named: text) }
    }
  }

  @Test func capsOnlyLower() {
    let features = CPUFeatures(instructionSet: .avx2)
    #expect(features.instructionSet(cappedBy: nil) == .avx2)
    #expect(features.instructionSet(cappedBy: .avx512) == .avx2)
    #expect(features.instructionSet(cappedBy: .portable) == .portable)
  }

  /// Detection against what the kernel says, so that a broken test cannot hide the fast kernels.
  @Test func agreesWithTheOperatingSystem() throws {
    let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("flags") })
    let flags = Set(line.split(separator: " "))
    let avx2: Set<Substring> = ["avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"]
    let avx512: Set<Substring> = [
      "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni",
    ]
    let vbmi: Set<Substring> = [
      "avx512_vpopcntdq", "avx512_bitalg", "avx512vbmi", "avx512_vbmi2", "gfni",
    ]
    let expected: InstructionSet =
      !flags.isSuperset(of: avx2) ? .portable : !flags.isSuperset(of: avx512) ? .avx2 : .avx512
    #expect(CPUFeatures.detect().instructionSet == expected)
    var extensions: Set<InstructionExtension> = []
    if flags.contains("avx_vnni") { extensions.insert(.avxVNNI) }
    if expected == .avx512, flags.isSuperset(of: vbmi) { extensions.insert(.avx512VBMI) }
    #expect(CPUFeatures.detect().extensions == extensions)
  }
}
