import ArgumentParser
import SoniqPack

struct MeasureLayersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "measure-layers",
    abstract: "Measures what each layer of a model takes on this machine, at the two levels of a palette.",
    discussion: """
      Packs the model three times by nearest codes (all channels coarse, every other one, all fine), runs these on made-up \
      inputs in turns and prints the median time of each layer, making the codes of its inputs included. No samples are \
      needed. Run it on the machine that the file is for, when that is idle; then pack anywhere with --layer-times and \
      --target-latency. On one and the same machine pack --target-latency alone does both.

      Examples:
        soniq-pack measure-layers resnet18.onnx --palette w1a1+w4a4
        soniq-pack measure-layers all-MiniLM-L6-v2 --palette 4,8 --at sequence=128 -o times.json
        soniq-pack pack all-MiniLM-L6-v2 -o minilm.soniq --palette 4,8 --target-latency 6 --layer-times times.json
      """)

  @Argument(help: "An ONNX file, or a folder with config.json and model.safetensors.")
  var model: String

  @Option(help: "The two levels, such as 4,8 or w1a1+w4a4.")
  var palette: String

  @Option(name: [.short, .long], help: "The JSON file to write, for pack --layer-times.")
  var output: String?

  @Option(
    help: ArgumentHelp("The CPUs that the file will be for, as for packing.", valueName: "any|avx2"))
  var target = PackTarget.any

  @Flag(
    inversion: .prefixedNo, help: "Keep the first and last layer of a convolutional network at 8 bits.")
  var ends = true

  @OptionGroup(title: "Time") var timing: TimingArguments
  @OptionGroup(title: "Import") var importing: ImportArguments

  @Flag(help: "Write JSON in place of the table.")
  var json = false

  @Flag(help: "Show progress even when standard error is no terminal.")
  var progress = false

  func run() throws { try reporting(measure) }

  private func measure() throws(PackError) {
    let file = try output.map { path throws(PackError) in try OutputFile(path: path) }
    try file?.refuse(inputs: [model])
    guard !DecoderImporter.isDecoder(model) else {
      throw PackError(.usage, file: model, "is a language model: all of its matrices have one level")
    }
    var options = PackOptions(palette: try Palette(palette))
    (options.target, options.keepsEnds, options.timing) = (target, ends, try timing.timing())
    let report = ProgressLine(isForced: progress).report
    let packer = ModelPacker(options: options, progress: report)
    try packer.requireTwoLevels("--palette")
    let imported = try importing.importModel(model, keepsCodes: true, progress: report)
    try file?.refuse(inputs: imported.dataFiles)
    let times = try packer.measureLayers(imported)
    try file?.write(Array((times.json.written() + "\n").utf8))
    try writeAnswer(json ? times.json.written() : times.table(title: model))
  }
}
