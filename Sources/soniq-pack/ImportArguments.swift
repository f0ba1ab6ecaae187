import ArgumentParser
import SoniqPack

/// How a model is imported.
struct ImportArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The shape of an input of an ONNX model; ? leaves a size as the model has it.",
      valueName: "NAME=SIZE,..."))
  var shape: [String] = []

  @Option(
    help: ArgumentHelp(
      "The largest value of a dynamic size, as sequence=512 or, of a folder, batch=8.", valueName: "NAME=SIZE"
    ))
  var maximum: [String] = []

  @Option(
    help: ArgumentHelp(
      "What an input of an ONNX model is in every run; the packed model does not have it. One number for all elements, or one for each.",
      valueName: "NAME=NUMBER,..."))
  var value: [String] = []

  @Option(
    help: ArgumentHelp("The most rounds that a loop of an ONNX model is unrolled to.", valueName: "COUNT"))
  var rounds = 256

  @Option(
    help: ArgumentHelp(
      """
      An input of an ONNX model and the output that takes its place in the next run: a state of the session, which \
      begins as zeros, in place of both. May be given several times.
      """, valueName: "INPUT=OUTPUT"))
  var state: [String] = []

  @Flag(
    help: "Pack the encoder of a folder without the head (classifier, masked words) that its class has.")
  var withoutHead = false

  @Option(
    help: ArgumentHelp(
      "Which encoder of a folder that has two: text or vision.", valueName: "NAME"))
  var part: String?

  /// A model that is no decoder.
  func importModel(
    _ model: String, keepsCodes: Bool, progress: ProgressReport
  ) throws(PackError) -> ImportedModel {
    guard OnnxImporter.isOnnx(model) else {
      let options = [("--shape", shape), ("--value", value), ("--state", state)]
      for (option, given) in options where !given.isEmpty {
        throw PackError(.usage, place: option, "is for ONNX models; \(model) is none")
      }
      return try FolderImporter.importModel(
        path: model,
        options: FolderOptions(
          withoutHead: withoutHead, maximums: try OnnxOptions.sizes(maximum, option: "--maximum"), part: part),
        progress: progress)
    }
    guard !withoutHead else {
      throw PackError(.usage, place: "--without-head", "is for folders; \(model) is none")
    }
    guard part == nil else { throw PackError(.usage, place: "--part", "is for folders; \(model) is none") }
    var options = try OnnxOptions(shapes: shape, maximums: maximum, values: value, states: state)
    guard rounds >= 1 else { throw PackError(.usage, place: "--rounds", "must be at least 1") }
    options.maximumRounds = rounds
    options.keepsCodes = keepsCodes
    return try OnnxImporter.importModel(path: model, options: options, progress: progress)
  }

  /// - Throws: `usage` for what a language model has not.
  func refuse(decoder model: String) throws(PackError) {
    let given = [
      ("--shape", !shape.isEmpty), ("--value", !value.isEmpty), ("--state", !state.isEmpty),
      ("--without-head", withoutHead), ("--part", part != nil),
    ]
    for (option, isGiven) in given where isGiven {
      throw PackError(.usage, place: option, "is not for language models; \(model) is one")
    }
  }
}
