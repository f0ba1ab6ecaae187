import ArgumentParser
import SoniqCore
import SoniqFormat
import SoniqGraph
import SoniqPack

struct PackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Packs an ONNX model, a Hugging Face folder or a GGUF file into a .soniq file.",
    discussion: """
      Weights are rounded with error compensation on calibration sequences, embedding tables too. With a \
      palette of two levels each input channel gets the level that its measured sensitivity calls for, under \
      --target-bits for everything stored for weights: codes, padding, scales, sums and channel maps.

      Palettes: \(Palette.grammar)

      Examples:
        soniq-pack pack all-MiniLM-L6-v2 -o minilm.soniq --calibrate tokens.npz
        soniq-pack pack all-MiniLM-L6-v2 -o minilm.soniq --palette 4,8 --target-bits 5.0 --calibrate tokens.npz
        soniq-pack pack all-MiniLM-L6-v2 -o reference.soniq --palette f32
        soniq-pack pack clip-vit-base-patch32 --part vision -o images.soniq --calibrate images.npz
        soniq-pack pack resnet18.onnx -o resnet18.soniq --calibrate images.npz
        soniq-pack pack segmenter.onnx -o reference.soniq --palette f32 --shape image=1,3,256,256
        soniq-pack pack encoder.onnx -o encoder.soniq --maximum sequence=512 --maximum batch=32
        soniq-pack pack encoder.onnx --palette 4,8 --dry-run
        soniq-pack pack model.gguf -o model.soniq
        soniq-pack pack SmolLM2-135M-Instruct -o model.soniq --palette 4 --calibrate text.txt
        soniq-pack pack SmolLM2-135M-Instruct -o small.soniq --palette 4 --words 4 --calibrate texts.jsonl
        soniq-pack pack vad.onnx -o vad.soniq --state h=hn --state c=cn --calibrate speech.npz
      """)

  @Argument(help: "An ONNX or GGUF file, or a folder with config.json and model.safetensors.")
  var model: String

  @Option(name: [.short, .long], help: "The file to write. It is replaced only when packing succeeds.")
  var output: String?

  @Option(
    help: """
      Levels of the model, such as 8, 4, 4,8, 2,8, w4a8, w1a1+w4a4 or f32 (default: 8). Language models: the bits of \
      a weight, 2 to 8, f32, or keep: the weights of the file (the default where a GGUF file has codes).
      """)
  var palette: String?

  @Option(
    help: ArgumentHelp(
      """
      Language models: bits of the keys and values that a sequence holds, 8, 4, 16 or 32, or of keys (8, 6, 4) and of \
      values (8, 4), such as 6,4 (default: 8; of f32 weights 32).
      """,
      valueName: "BITS"))
  var cache: String?

  @Option(
    help: ArgumentHelp(
      "Language models: bits of the words' table and of the output matrix, 2 to 8 (default: 8, or those of the file).",
      valueName: "BITS"))
  var words: Int?

  @Option(help: "Average bits stored for a weight, for palettes of two levels.")
  var targetBits: Double?

  @OptionGroup(title: "Time") var latency: LatencyArguments

  @Option(
    help: """
      What to calibrate on: token sequences (.npz or .safetensors with input_ids, attention_mask; else random ones are
      used), or samples of the model's inputs (.npz with one array an input, .npy for one input; first axis: samples).
      Language models: a text (.txt), texts (.jsonl) or token sequences; else weights get the nearest codes.
      """)
  var calibrate: String?

  @Option(help: "The most tokens to calibrate on.")
  var calibrationTokens = 16384

  @Option(help: "The most samples (images) to calibrate on.")
  var calibrationSamples = 64

  @Option(
    help: "Part (0 to 1) of every layer's channels at the coarse level, in place of measuring sensitivity.")
  var coarseShare: Double?

  @Flag(
    inversion: .prefixedNo, help: "Keep the first and last layer of a convolutional network at 8 bits.")
  var ends = true

  @Flag(
    inversion: .prefixedNo,
    help: "Give input channels with outlying activations a scale of their own (palettes of one level).")
  var outlierSplit = true

  @Option(
    help: ArgumentHelp(
      """
      The CPUs that the file is for: any, or avx2, those without VNNI. 8-bit weights then keep to half of their range, \
      as if they had 7 bits, which such CPUs multiply up to 1.6 times as fast. The file runs everywhere.
      """, valueName: "any|avx2"))
  var target = PackTarget.any

  @Option(help: "The model's name in the file; else the folder's.")
  var name: String?

  @OptionGroup(title: "Import") var importing: ImportArguments

  @Flag(
    help: """
      Show what would be packed how, or every node that cannot be imported, without calibrating and without writing \
      anything. The exit code is that of packing.
      """)
  var dryRun = false

  @Flag(help: "With --dry-run: write a JSON object instead of a table.")
  var json = false

  @Flag(help: "Show progress even when standard error is no terminal.")
  var progress = false

  func validate() throws {
    guard dryRun || output != nil else {
      throw ValidationError("Missing expected argument '--output <output>' (or '--dry-run')")
    }
    guard dryRun || !json else { throw ValidationError("'--json' needs '--dry-run'") }
  }

  func run() throws { try reporting(pack) }

  private func pack() throws(PackError) {
    let file = try output.map { path throws(PackError) in try OutputFile(path: path) }
    try file?.refuse(inputs: [model] + (calibrate.map { [$0] } ?? []))
    let options = try options()
    var imported =
      DecoderImporter.isDecoder(model)
      ? try importDecoder()
      : try importing.importModel(
        model, keepsCodes: !options.palette.isFloat, progress: ProgressLine(isForced: progress).report)
    try file?.refuse(inputs: imported.dataFiles)
    writeNotes(imported)
    if let name { imported.setName(name) }
    var packer = ModelPacker(options: options, progress: ProgressLine(isForced: progress).report)
    if DecoderImporter.isDecoder(model) {
      try round(&imported)
    } else {
      packer.options.calibration = try calibration(imported)
    }
    guard !dryRun, let file else {
      let plan = try packer.plan(imported)
      return try writeAnswer(json ? plan.json.written() : plan.table(title: model))
    }
    let (packed, report) = try packer.pack(imported)
    let byteCount = try file.write(packed)
    try writeAnswer(report.summary(path: file.path, byteCount: byteCount))
  }

  private func options() throws(PackError) -> PackOptions {
    var options = PackOptions(palette: try levels())
    options.targetBits = targetBits
    try latency.apply(to: &options)
    options.splitsOutliers = outlierSplit
    guard calibrationTokens > 0 else {
      throw PackError(.usage, place: "--calibration-tokens", "must be at least 1")
    }
    options.tokenLimit = calibrationTokens
    guard calibrationSamples > 0 else {
      throw PackError(.usage, place: "--calibration-samples", "must be at least 1")
    }
    options.sampleLimit = calibrationSamples
    if let coarseShare {
      guard (0...1).contains(coarseShare), targetBits == nil, options.palette.hasTwoLevels else {
        throw PackError(
          .usage, place: "--coarse-share",
          "must be 0 to 1, with a palette of two levels and without --target-bits")
      }
      options.coarseShare = coarseShare
    }
    options.keepsEnds = ends
    guard target == .any || !options.palette.isFloat else {
      throw PackError(.usage, place: "--target", "needs a palette with weights of 8 bits, and f32 has none")
    }
    options.target = target
    return options
  }

  /// Decoders have packed weights once they are imported.
  private func levels() throws(PackError) -> Palette {
    guard DecoderImporter.isDecoder(model) else {
      for (option, isGiven) in [("--cache", cache != nil), ("--words", words != nil)] where isGiven {
        throw PackError(.usage, place: option, "is for language models, and this is none")
      }
      return try Palette(palette ?? "8")
    }
    guard latency.targetLatency == nil else {
      throw PackError(
        .usage, place: "--target-latency", "is not for language models: all of their matrices have one level")
    }
    guard target == .any else {
      throw PackError(
        .usage, place: "--target", "is not for language models: their weights have scales for groups")
    }
    return .imported(try decoderOptions().palette)
  }

  private func decoderOptions() throws(PackError) -> DecoderImportOptions {
    // Typed errors do not pass through the right side of `??`.
    let stated = if let palette { palette } else { try DecoderImporter.standardPalette(path: model) }
    var options = try DecoderImportOptions(
      palette: stated, cache: cache, words: words, calibrates: calibrate != nil && !dryRun)
    options.maximums = try OnnxOptions.sizes(importing.maximum, option: "--maximum")
    return options
  }

  /// Weights of a decoder, by the texts of --calibrate.
  private func round(_ imported: inout ImportedModel) throws(PackError) {
    guard let calibrate else { return }
    let decoder = CalibratedDecoder(
      options: try decoderOptions(), progress: ProgressLine(isForced: progress).report)
    try decoder.round(&imported, path: calibrate, tokenLimit: calibrationTokens)
  }

  private func calibration(_ imported: ImportedModel) throws(PackError) -> CalibrationData? {
    guard let calibrate else { return nil }
    if let framing = imported.framing { return .tokens(try .read(path: calibrate, framing: framing)) }
    return .samples(
      try .read(path: calibrate, graph: imported.description.graph, fullNames: imported.fullNames))
  }

  /// What the user should know of the model.
  private func writeNotes(_ imported: ImportedModel) {
    for (name, full) in imported.fullNames.sorted(by: { $0.key < $1.key }) {
      let words = "\"\(full)\" is called \"\(name)\" in the packed file"
      writeError("soniq-pack: note: \(PlainText.escaped(words))\n")
    }
    for words in imported.decoded {
      writeError("soniq-pack: note: codes become real numbers: \(PlainText.escaped(words))\n")
    }
    for words in imported.remarks { writeError("soniq-pack: note: \(PlainText.escaped(words))\n") }
    if let notice = imported.notice { writeError("soniq-pack: note: \(PlainText.escaped(notice))\n") }
  }

  private func importDecoder() throws(PackError) -> ImportedModel {
    try importing.refuse(decoder: model)
    return try DecoderImporter.importModel(
      path: model, options: try decoderOptions(), progress: ProgressLine(isForced: progress).report)
  }
}

extension PackTarget: ExpressibleByArgument {}
