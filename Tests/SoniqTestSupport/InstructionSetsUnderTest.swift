import Glibc
package import SoniqKernels

extension CPUFeatures {
  /// What tests may use: what this CPU has, up to the SONIQ_MAX_ISA that the run was started with.
  package static let underTest: CPUFeatures = {
    let cpu = detect()
    let cap = environmentCap().flatMap(InstructionSet.init(rawValue:))
    let newest = cpu.instructionSet(cappedBy: cap)
    return CPUFeatures(
      instructionSet: newest,
      extensions: cpu.extensions.filter { $0 == .avx512VBMI ? newest == .avx512 : newest >= .avx2 })
  }()
}

extension InstructionSet {
  /// Those that may be used here. The log names each of the others, and `make test` counts it as skipped.
  package static func underTest(_ file: StaticString = #fileID) -> [InstructionSet] {
    for set in allCases where set > CPUFeatures.underTest.instructionSet { set.reportSkipped("\(file)") }
    return allCases.filter { $0 <= CPUFeatures.underTest.instructionSet }
  }

  /// Says in the log that the tests named did not run with this instruction set, in the form that .ci/test counts.
  ///
  /// A line of this project's own: the testing library is silent about cancelled cases of a test with arguments.
  package func reportSkipped(_ tests: String) {
    let newest = CPUFeatures.underTest.instructionSet.rawValue
    let line = "\u{279c} Case \(rawValue) of \(tests) skipped: the tests may use up to \(newest)\n"
    // In one piece: other tests write at the same time.
    line.withCString { text in _ = write(STDERR_FILENO, text, line.utf8.count) }
  }
}
