import ArgumentParser
import SoniqGraph
import SoniqPack

struct ExposeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "expose",
    abstract: "Writes a .soniq file whose intermediate values are outputs too, to look for faults.",
    discussion: """
      Values keep their names; `inspect --json` lists them. Their bits are those of the file: what is computed does not \
      change. Images are [batch, height, width, channels] inside. Values whose channels packing may have sorted are \
      left out.

      Examples:
        soniq-pack expose resnet18.soniq -o exposed.soniq
        soniq-pack expose resnet18.soniq -o exposed.soniq --value /layer1/relu --value /layer2/relu
      """)

  @Argument(help: "The .soniq file.")
  var file: String

  @Option(name: [.short, .long], help: "The file to write.")
  var output: String

  @Option(help: "A value to make an output; may be given more than once. Without it, all of them.")
  var value: [String] = []

  @Flag(help: "Leave out values that cannot be outputs, rather than refuse them.")
  var skipOthers = false

  func run() throws {
    try reporting { () throws(PackError) in
      let target = try OutputFile(path: output)
      try target.refuse(inputs: [file])
      let (model, _) = try PackedFile.open(file)
      let exposed = try Expose.values(
        model, names: value.isEmpty && !skipOthers ? nil : value, skipsOthers: skipOthers)
      let byteCount = try target.write(exposed)
      try writeAnswer("\(output): \(byteCount) bytes, \(exposed.graph.outputs.count) outputs")
    }
  }
}
