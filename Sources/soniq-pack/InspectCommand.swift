import ArgumentParser
import SoniqFormat
import SoniqGraph
import SoniqPack

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Shows what a .soniq file holds: layers, levels, bits, scales, sizes.",
    discussion: """
      Examples:
        soniq-pack inspect minilm.soniq
        soniq-pack inspect minilm.soniq --nodes
        soniq-pack inspect minilm.soniq --json
      """)

  @Argument(help: "The .soniq file.")
  var file: String

  @Flag(help: "Write a JSON object instead of a tree.")
  var json = false

  @Flag(help: "List every operation with its attributes, too.")
  var nodes = false

  func run() throws {
    try reporting { () throws(PackError) in
      let (model, byteCount) = try PackedFile.open(file)
      let inspection = Inspection(model, fileByteCount: byteCount)
      try writeAnswer(json ? inspection.json.written() : inspection.tree(title: file, listsNodes: nodes))
    }
  }
}
