import ArgumentParser
import SoniqFormat
import SoniqGraph
import SoniqPack

struct SliceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "slice",
    abstract: "Cuts a packed model down to fewer weight bits, without training.",
    discussion: """
      Bipolar codes nest: the top bits of a code are the nearest shorter code. Levels with affine codes \
      (8 bits) hold no shorter codes and are refused.

      Example:
        soniq-pack pack all-MiniLM-L6-v2 -o m4.soniq --palette 4
        soniq-pack slice m4.soniq -o m3.soniq --bits 3
      """)

  @Argument(help: "The .soniq file.")
  var file: String

  @Option(name: [.short, .long], help: "The file to write.")
  var output: String

  @Option(help: "Weight bits of the levels that have more: 1 to 6.")
  var bits: Int

  func run() throws {
    try reporting { () throws(PackError) in
      let target = try OutputFile(path: output)
      try target.refuse(inputs: [file])
      let (model, _) = try PackedFile.open(file)
      let cut = try Slice.cut(model, bits: bits)
      let byteCount = try target.write(cut)
      try writeAnswer(
        "\(output): \(byteCount) bytes, \(decimal(WeightAccount(cut.graph).averageBits, 3)) bits a weight")
    }
  }
}
