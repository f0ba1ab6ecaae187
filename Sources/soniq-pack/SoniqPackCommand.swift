import ArgumentParser
import Glibc
import SoniqCore
import SoniqPack

@main
struct SoniqPackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "soniq-pack",
    abstract: "Packs neural networks into .soniq files with 1 to 8 bits a weight.",
    discussion: """
      Examples:
        soniq-pack pack all-MiniLM-L6-v2 -o minilm.soniq
        soniq-pack pack all-MiniLM-L6-v2 -o minilm.soniq --palette 4,8 --target-bits 5.0
        soniq-pack inspect minilm.soniq
        soniq-pack verify minilm.soniq
        soniq-pack calibrate-cost -o profile.json

      Exit codes: 0 done, 64 wrong usage, 65 wrong data, 66 input missing, 70 a bug of soniq-pack,
      73 output cannot be made, 74 reading or writing failed. No command writes over a file that it
      reads, and none leaves part of a file, also when a signal ends it.
      """,
    subcommands: [
      PackCommand.self, InspectCommand.self, VerifyCommand.self, SliceCommand.self, CalibrateCostCommand.self,
    ])
}

/// Runs a command's work; an error becomes one line on standard error and its exit code.
func reporting(_ body: () throws(PackError) -> Void) throws {
  TerminationSignals.watch()
  do throws(PackError) {
    try body()
  } catch {
    writeError("soniq-pack: \(PlainText.escaped(error.description))\n")
    throw ExitCode(error.kind.rawValue)
  }
}

/// Writes to standard error; that it cannot is no reason to stop.
func writeError(_ text: String) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    guard count > 0 else { return }
    rest = rest.dropFirst(count)
  }
}
