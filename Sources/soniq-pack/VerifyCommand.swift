import ArgumentParser
import SoniqPack

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks every byte of a .soniq file: structure, checksums, graph, padding.",
    discussion: """
      Prints one line and exits with 0 when the file is whole, with 65 and the byte offset when it is not.

      Example:
        soniq-pack verify minilm.soniq
      """)

  @Argument(help: "The .soniq file.")
  var file: String

  func run() throws {
    try reporting { () throws(PackError) in
      try PackedFile.verify(file)
      try writeAnswer("\(file): whole")
    }
  }
}
