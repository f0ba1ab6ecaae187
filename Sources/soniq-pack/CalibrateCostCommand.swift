import ArgumentParser
import SoniqCalibration
import SoniqKernels
import SoniqPack

struct CalibrateCostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate-cost",
    abstract:
      "Measures what each kernel costs on this machine and writes the profile that choices are made by.",
    discussion: """
      The profile is a JSON text. Give it to sessions and matrices (kernel_profile in soniq.h and in Python), which \
      then choose kernels by this machine's costs instead of those the library was built with. Results are the same \
      bits with any profile. Measure on an idle machine; it takes about half a minute on one thread.

      Examples:
        soniq-pack calibrate-cost -o profile.json
        soniq-pack calibrate-cost -o quick.json --rounds 1
        SONIQ_MAX_ISA=avx2 soniq-pack calibrate-cost -o avx2.json
      """)

  @Option(name: [.short, .long], help: "The file to write. It is replaced only when all is measured.")
  var output: String

  @Option(help: "Measurements of each kernel and size; the median counts.")
  var rounds = 5

  @Option(
    help: ArgumentHelp(
      "Write the Swift source of a table of the library's own, of this name, instead of JSON.",
      valueName: "name"))
  var swift: String?

  @Flag(help: "Show progress even when standard error is no terminal.")
  var progress = false

  func validate() throws {
    guard (1...100).contains(rounds) else { throw ValidationError("--rounds is from 1 to 100.") }
    let isName = swift?.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } ?? true
    guard isName else { throw ValidationError("--swift takes a name of letters and digits.") }
  }

  func run() throws {
    try reporting { () throws(PackError) in
      let file = try OutputFile(path: output)
      var calibration = Calibration(available: try available())
      calibration.rounds = rounds
      let line = ProgressLine(isForced: progress).report
      let profile = calibration.run(machine: Machine.name()) { done, total in
        line.step("measuring", done, total)
      }
      try file.write(Array((swift.map { Self.source(profile, name: $0) } ?? profile.text).utf8))
    }
  }

  private func available() throws(PackError) -> Capabilities {
    do throws(UnknownInstructionSet) {
      let cap = try InstructionSet.cap(named: InstructionSet.environmentCap())
      return Capabilities.detected().capped(by: cap)
    } catch {
      let names = InstructionSet.allCases.map(\.name).joined(separator: ", ")
      throw PackError(.usage, "SONIQ_MAX_ISA is \(error.name), none of \(names)")
    }
  }

  private static func source(_ profile: KernelProfile, name: String) -> String {
    let text = profile.text.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    return """
      // Written by `soniq-pack calibrate-cost --swift`: measure, do not edit.
      // swift-format-ignore-file

      #if arch(\(ThisArchitecture.compilersName))
        extension \(ThisArchitecture.self) {
          /// What the kernels cost, as a profile's JSON text.
          package static let \(name) = \"""
      \(text)
          \"""
        }
      #endif

      """
  }
}
