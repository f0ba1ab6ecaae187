import SoniqCore
import SoniqFormat
package import SoniqGraph
import SoniqQuantizers

/// What the user asked of the packer.
package struct PackOptions: Sendable {
  package var palette: Palette
  /// Average bits stored for a weight, over linear layers and embedding tables; two levels only. nil: a
  /// quarter of the way from all channels coarse to all fine.
  package var targetBits: Double?
  /// The time that a run may take, in place of bits; two levels only.
  package var targetLatency: LatencyTarget?
  /// How runs are timed.
  package var timing = TimingOptions()
  /// What to calibrate on; nil: random token sequences, for models that take tokens.
  package var calibration: CalibrationData?
  /// The most tokens, or samples, that are run to calibrate.
  package var tokenLimit = 16384
  package var sampleLimit = 64
  /// Palettes of two levels: this part of every layer's channels at the coarse level, whatever the layer; nil: by
  /// measured sensitivity.
  package var coarseShare: Double?
  /// Whether the first and the last layer of a convolutional network keep 8 bits.
  package var keepsEnds = true
  /// Whether channels with outlying activations may form a run of their own (palettes of one level).
  package var splitsOutliers = true
  /// The CPUs that the file is made for; it runs on all of them, with the same results.
  package var target = PackTarget.any

  package init(palette: Palette) { self.palette = palette }
}

/// Turns a float model into a packed one: calibrates, gives channels to levels, rounds with compensation and
/// puts the packed constants in the place of the float ones.
package struct ModelPacker {
  package var options: PackOptions
  let progress: ProgressReport

  package init(options: PackOptions, progress: ProgressReport = .silent) {
    self.options = options
    self.progress = progress
  }

  /// - Throws: `usage` when the target does not fit the palette, `data` when a layer cannot be quantised.
  package func pack(_ imported: ImportedModel) throws(PackError) -> (ModelDescription, PackReport) {
    try checkTarget()
    let palette = options.palette
    guard !palette.isFloat else { return floatModel(imported) }
    let model = imported.description
    var layers = try WeightLayers(model.graph)
    // Nothing to choose in a model that was quantised before.
    guard !layers.isEmpty else {
      guard options.target == .any else {
        throw PackError(
          .usage, place: "--target", "cannot be kept: the model's weights are quantised already")
      }
      try checkOwnCodes(model.graph)
      return floatModel(imported)
    }
    let data = try calibrationData(imported)
    let endNodes = layers.endNodes
    var grouped = model
    if let form = palette.groups {
      try group(&grouped, layers, form, data)
      layers = try WeightLayers(grouped.graph)
    }
    let calibration = try Calibration.run(grouped, layers, data: data, progress: progress)
    var latency: PackReport.Latency?
    let assignment: [[ChannelRun]]
    if let target = options.targetLatency {
      (assignment, latency) = try assignByTime(target, grouped, layers, calibration)
    } else {
      assignment = try assign(grouped, layers, calibration, endNodes: endNodes)
    }
    var packed = try quantize(grouped, &layers, calibration, assignment)
    // Elsewhere is not here.
    if let target = options.targetLatency, target.times == nil {
      latency?.measured = try timer.whole(packed) / 1e6
    }
    var report = PackReport(
      palette: palette.text, calibration: data.source, calibrationTokens: data.count)
    report.target = options.target
    report.calibrationUnit = data.unit
    report.layers = self.layers(of: packed.graph)
    report.weights = WeightAccount(packed.graph)
    report.targetBits = options.targetBits
    report.latency = latency
    report.agreement = try agreement(model, packed, data)
    add(metadata(report, packed.graph), to: &packed)
    return (packed, report)
  }

  /// Linear layers in groups of channels, before all others: these are calibrated on what it gives.
  private func group(
    _ model: inout ModelDescription, _ layers: WeightLayers, _ form: GroupForm,
    _ data: CalibrationData
  ) throws(PackError) {
    let ends = ends(layers)
    let chosen = Set(
      layers.linears.indices.filter { layers.linears[$0].canHaveGroups && !ends.contains($0) }
        .map { layers.linears[$0].constant })
    let store = ConstantStore()
    model.owner.append(store)
    try GroupedLayers(data: data, skipsFirstRow: false, store: store, progress: progress)
      .round(&model, where: { chosen.contains($0) }, form: { _ in form })
  }

  /// The arrays of a file of samples, as "image float32 [samples, 3, height, width]".
  private static func sampleArrays(_ graph: Graph) -> [String] {
    graph.inputs.map { input in
      let value = graph.values[input.value]
      var sizes = value.shape.map { dimension in
        switch dimension {
        case .fixed(let size): "\(size)"
        case .symbol(let symbol): graph.symbols[symbol].name
        }
      }
      // A first size of its own counts samples; before a fixed one runs are counted.
      if case .symbol = value.shape[0] { sizes[0] = "samples" } else { sizes.insert("samples", at: 0) }
      return "\(value.name) \(value.elementType) [\(sizes.joined(separator: ", "))]"
    }
  }

  /// The given data, or random tokens; images are never made up: their ranges would be wrong.
  private func calibrationData(_ imported: ImportedModel) throws(PackError) -> CalibrationData {
    if let given = options.calibration {
      return given.limited(tokens: options.tokenLimit, samples: options.sampleLimit)
    }
    guard let framing = imported.framing else {
      let arrays = Self.sampleArrays(imported.description.graph).joined(separator: ", ")
      throw PackError(
        .usage, place: "--calibrate",
        "is needed: an .npz file with samples of what the model is given, \(arrays); \"python -m soniq.calibrate\" "
          + "makes one of pictures, --palette f32 packs without")
    }
    return .tokens(.random(framing: framing).limited(to: options.tokenLimit))
  }

  /// - Throws: `usage` when a model that was quantised before does not keep the target.
  func checkOwnCodes(_ graph: Graph) throws(PackError) {
    let bits = WeightAccount(graph).averageBits
    if let target = options.targetBits, bits > target {
      throw PackError(
        .usage, place: "--target-bits",
        "\(target) is too small: the model's own codes take \(decimal(bits, 3)) bits a weight")
    }
  }

  func checkTarget() throws(PackError) {
    if let target = options.targetLatency {
      try requireTwoLevels("--target-latency")
      guard target.milliseconds.isFinite, target.milliseconds > 0 else {
        throw PackError(.usage, place: "--target-latency", "must be a number of milliseconds above 0")
      }
      guard options.targetBits == nil, options.coarseShare == nil else {
        throw PackError(
          .usage, place: "--target-latency", "cannot be kept together with --target-bits or --coarse-share")
      }
    }
    guard let target = options.targetBits else { return }
    guard options.palette.hasTwoLevels else {
      throw PackError(
        .usage, place: "--target-bits",
        "needs a palette of two levels; \(options.palette.text) has none to choose")
    }
    guard target.isFinite, target > 0, target <= 32 else {
      throw PackError(.usage, place: "--target-bits", "must be a number in 0...32")
    }
  }

  /// A model of which nothing is left to pack. What was done before, by a training or by texts, its metadata say.
  private func floatModel(_ imported: ImportedModel) -> (ModelDescription, PackReport) {
    var report = PackReport(palette: options.palette.text, calibration: "none", calibrationTokens: 0)
    for entry in imported.description.metadata {
      switch (entry.key, entry.value) {
      case (MetadataKey.palette, .text(let palette)) where !options.palette.isFloat: report.palette = palette
      case (MetadataKey.calibrationTokens, .integer(let count)):
        (report.calibration, report.calibrationTokens) = ("texts", Int(count))
      default: break
      }
    }
    report.weights = WeightAccount(imported.description.graph)
    report.layers = layers(of: imported.description.graph)
    var model = imported.description
    add(metadata(report, model.graph), to: &model)
    return (model, report)
  }

  /// What the model says of itself stays: a training knows its palette.
  private func add(_ entries: [(key: String, value: MetadataValue)], to model: inout ModelDescription) {
    let stated = Set(model.metadata.map(\.key))
    model.metadata += entries.filter { !stated.contains($0.key) }
  }

  private func metadata(_ report: PackReport, _ packed: Graph) -> [(key: String, value: MetadataValue)] {
    var entries: [(key: String, value: MetadataValue)] = [
      (MetadataKey.producer, .text("soniq-pack")), (MetadataKey.palette, .text(report.palette)),
      (MetadataKey.averageBits, .real(report.weights.averageBits)),
      (MetadataKey.parameterCount, .integer(Int64(report.weights.weightCount))),
      (
        MetadataKey.calibration,
        .text(options.palette.isFloat ? "none" : Self.usesFixedScales(packed) ? "calibrated" : "dynamic")
      ),
      (MetadataKey.calibrationTokens, .integer(Int64(report.calibrationTokens))),
    ]
    if let agreement = report.agreement {
      entries.append(("soniq.calibration_cosine_mean", .real(agreement.meanCosine)))
      entries.append(("soniq.calibration_cosine_minimum", .real(agreement.minimumCosine)))
    }
    return entries
  }

  private static func usesFixedScales(_ graph: Graph) -> Bool {
    graph.constants.contains { constant in
      switch constant {
      case .depthwise: true
      case .matrix(let matrix):
        matrix.levels.contains { if case .fixed = $0.level.activation.scaling { true } else { false } }
      default: false
      }
    }
  }

  private func agreement(
    _ model: ModelDescription, _ packed: ModelDescription, _ data: CalibrationData
  ) throws(PackError) -> OutputAgreement {
    let sample = data.limited(tokens: 2048, samples: 32)
    let reference = try GraphRunner(model, data: sample).outputRows()
    let rows = try GraphRunner(packed, data: sample).outputRows()
    return OutputAgreement(reference: reference, rows: rows)
  }

  private func layers(of graph: Graph) -> [PackReport.Layer] {
    WeightAccount.weightConstants(graph).map { constant in
      let name = graph.constantNames[constant]
      switch graph.constants[constant] {
      case .matrix(let matrix):
        return PackReport.Layer(
          name: name, levels: matrix.levels.map { $0.level.spelling },
          channels: matrix.levels.map(\.channels),
          account: WeightAccount(graph.constants[constant]) ?? WeightAccount())
      case .depthwise(let depthwise):
        return PackReport.Layer(
          name: name, levels: [depthwise.level.spelling], channels: [depthwise.channels],
          account: WeightAccount(graph.constants[constant]) ?? WeightAccount())
      case .table(let table):
        return PackReport.Layer(
          name: name, levels: table.levels.map { "w\($0.code.bits)" }, channels: table.levels.map(\.channels),
          account: WeightAccount(graph.constants[constant]) ?? WeightAccount())
      case .floatMatrix(let matrix):
        return PackReport.Layer(
          name: name, levels: ["f32"], channels: [matrix.inputs],
          account: WeightAccount(graph.constants[constant]) ?? WeightAccount())
      case .dense(let dense):
        let account = WeightAccount(weightCount: dense.shape.reduce(1, *), byteCount: dense.bytes.count)
        return PackReport.Layer(
          name: name, levels: ["f32"], channels: [dense.shape.last ?? 1], account: account)
      }
    }
  }
}
