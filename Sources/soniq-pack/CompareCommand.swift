import ArgumentParser
import SoniqGraph
import SoniqPack

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Shows what packing cost: outputs and layers of a .soniq file against its float model.",
    discussion: """
      Imports MODEL in float32, runs both on the same samples and compares them. For each output: the lowest cosine of \
      a sample, the largest difference, the same as a part of the largest float number, and how often the largest \
      number of the last axis is at the same place. Then layer by layer the relative error (the length of the \
      differences over that of the float numbers) and how much of it the layer adds to those that it is computed from.

      Sizes that packing fixed are taken from the file: no --shape is needed. --value and --rounds are to be given as to \
      pack.

      Examples:
        soniq-pack compare resnet18.onnx resnet18.soniq --inputs images.npz
        soniq-pack compare all-MiniLM-L6-v2 minilm.soniq --inputs tokens.npz --layers 30
        soniq-pack compare model.onnx model.soniq --seed 7 --json
      """)

  @Argument(help: "The ONNX file, or the folder, that was packed.")
  var model: String

  @Argument(help: "The .soniq file.")
  var file: String

  @Option(
    help: """
      Samples of the model's inputs (.npz with one array an input, .npy for one input, or .safetensors; first axis: \
      samples). Optional inputs such as attention_mask may be there. Without it, random numbers are used.
      """)
  var inputs: String?

  @Option(help: "The most samples to compare on.")
  var samples = 64

  @Option(help: "The seed of random inputs.")
  var seed: UInt64 = 1

  @Option(help: "How many layers to show, those that add most error; 0 compares the outputs alone.")
  var layers = 20

  @Option(help: "The relative error above which a layer counts as having parted.")
  var threshold = 0.1

  @Option(help: ArgumentHelp("As for packing: what an input is in every run.", valueName: "NAME=NUMBER,..."))
  var value: [String] = []

  @Option(help: ArgumentHelp("As for packing: the most rounds of a loop.", valueName: "COUNT"))
  var rounds = 256

  @Flag(help: "Write a JSON object, with all layers, instead of a table.")
  var json = false

  @Flag(help: "Show progress even when standard error is no terminal.")
  var progress = false

  /// Runs on made-up samples.
  private static let randomRuns = 8

  func run() throws { try reporting(compare) }

  private func compare() throws(PackError) {
    guard samples > 0 else { throw PackError(.usage, place: "--samples", "must be at least 1") }
    guard layers >= 0 else { throw PackError(.usage, place: "--layers", "must be 0 or more") }
    guard threshold.isFinite, threshold >= 0 else {
      throw PackError(.usage, place: "--threshold", "must be a number, 0 or more")
    }
    let report = ProgressLine(isForced: progress).report
    let (packed, _) = try PackedFile.open(file)
    guard rounds >= 1 else { throw PackError(.usage, place: "--rounds", "must be at least 1") }
    guard value.isEmpty || OnnxImporter.isOnnx(model) else {
      throw PackError(.usage, place: "--value", "is for ONNX models; \(model) is none")
    }
    var options = try OnnxOptions(shapes: [], maximums: [], values: value)
    options.maximumRounds = rounds
    let imported = try PackedInterface.importModel(
      model, of: packed, file: file, options: options, progress: report)
    let graph = imported.description.graph
    let data: SampleArrays
    if let inputs {
      let given = try SampleArrays.read(
        path: inputs, graph: graph, fullNames: imported.fullNames, takesOptional: true)
      data = given.limited(to: samples)
    } else {
      var random = RandomSamples(graph, count: min(samples, Self.randomRuns), seed: seed)
      data = try random.arrays()
    }
    let comparison = try Comparison.run(
      imported.description, packed, data: data, comparesLayers: layers > 0, progress: report)
    let words = ComparisonReport(
      model: model, file: file, comparison: comparison, sampleCount: data.count,
      source: inputs ?? "random numbers", seed: inputs == nil ? seed : nil, threshold: threshold,
      shownLayers: layers)
    try writeAnswer(json ? words.json.written() : words.table)
  }
}
