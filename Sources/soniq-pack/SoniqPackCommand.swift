import ArgumentParser
import CSoniq
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
        soniq-pack compare all-MiniLM-L6-v2 minilm.soniq --inputs tokens.npz
        soniq-pack inspect minilm.soniq
        soniq-pack verify minilm.soniq
        soniq-pack calibrate-cost -o profile.json

      Exit codes: 0 done, 64 wrong usage, 65 wrong data, 66 input missing, 70 a bug of soniq-pack, \
      71 no memory or threads left, 73 output cannot be made, 74 reading or writing failed. \
      No command writes over a file that it reads, and none leaves part of a file, also when a signal ends it.
      """,
    version: "\(SONIQ_VERSION_MAJOR).\(SONIQ_VERSION_MINOR).\(SONIQ_VERSION_PATCH)",
    subcommands: [
      PackCommand.self, CompareCommand.self, InspectCommand.self, VerifyCommand.self, SliceCommand.self,
      ExposeCommand.self, MeasureLayersCommand.self, CalibrateCostCommand.self, FormatCommand.self,
    ])
}

/// Runs a command's work; an error becomes one line on standard error and its exit code.
func reporting(_ body: () throws(PackError) -> Void) throws {
  openStandardStreams()
  TerminationSignals.watch()
  do throws(PackError) {
    try body()
  } catch {
    writeError("soniq-pack: \(PlainText.escaped(error.description))\n")
    throw ExitCode(error.kind.rawValue)
  }
}

/// Writes to standard error; that it cannot is no reason to stop.
func writeError(_ text: String) { _ = write(text, to: STDERR_FILENO) }

/// Writes a command's answer.
/// - Throws: `inputOutput` when not all of it can be written, as on a full disk.
func writeAnswer(_ text: String) throws(PackError) {
  guard let fault = write(text + "\n", to: STDOUT_FILENO) else { return }
  throw PackError(.inputOutput, place: "standard output", String(cString: strerror(fault)))
}

/// The system's error number when it cannot write all.
private func write(_ text: String, to descriptor: Int32) -> Int32? {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { return count < 0 ? errno : EIO }
    rest = rest.dropFirst(count)
  }
  return nil
}

/// Standard streams that the parent has closed lead nowhere: no file that is opened later gets their numbers, and with
/// them what is meant for people.
private func openStandardStreams() {
  var descriptor: Int32 = 0
  while descriptor >= 0, descriptor <= STDERR_FILENO {
    descriptor = open("/dev/null", O_RDWR)
  }
  if descriptor > STDERR_FILENO { close(descriptor) }
}
