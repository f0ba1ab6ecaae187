import ArgumentParser
import SoniqPack

struct FormatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "format",
    abstract: "Lists the operations that a .soniq file may hold, with their attributes, as JSON.",
    discussion: """
      For readers of the format in other languages; docs/format.md says what the operations do.

      Example:
        soniq-pack format > operations.json
      """)

  func run() throws {
    try reporting { () throws(PackError) in try writeAnswer(FormatDescription.json.written()) }
  }
}
