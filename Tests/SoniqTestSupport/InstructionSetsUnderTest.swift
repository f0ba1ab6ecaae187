import Glibc
package import SoniqKernels

extension Capabilities {
  /// What tests may use: what this CPU has, up to the SONIQ_MAX_ISA that the run was started with.
  package static let underTest = detected().capped(
    by: try? InstructionSet.cap(named: InstructionSet.environmentCap()))
}

extension InstructionSet {
  package var isUnderTest: Bool { Capabilities.underTest.isSuperset(of: capabilities) }

  /// Those that may be used here. The log names each of the others, and `make test` counts it as skipped.
  package static func underTest(_ file: StaticString = #fileID) -> [InstructionSet] {
    for set in allCases where !set.isUnderTest { set.reportSkipped("\(file)") }
    return allCases.filter(\.isUnderTest)
  }

  /// Says in the log that the tests named did not run with this instruction set, in the form that .ci/test counts.
  ///
  /// A line of this project's own: the testing library is silent about cancelled cases of a test with arguments.
  package func reportSkipped(_ tests: String) {
    let newest = InstructionSet.newest(in: .underTest)
    let line = "\u{279c} Case \(name) of \(tests) skipped: the tests may use up to \(newest)\n"
    // In one piece: other tests write at the same time.
    line.withCString { text in _ = write(STDERR_FILENO, text, line.utf8.count) }
  }
}
