import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// How long a run may take, and where that is known from.
package struct LatencyTarget: Sendable {
  package var milliseconds: Double
  /// What `soniq-pack measure-layers` wrote on the machine that the file is for; nil: this machine is, and is measured.
  package var times: LayerTimes?

  package init(milliseconds: Double, times: LayerTimes? = nil) {
    (self.milliseconds, self.times) = (milliseconds, times)
  }
}

/// Where and how runs are timed.
package struct TimingOptions: Sendable {
  package var threads = 1
  /// Of dynamic sizes, by name.
  package var sizes: [String: Int] = [:]
  /// What reports call the machine.
  package var machine = ""

  package init() {}
}

extension ModelPacker {
  var timer: LayerTimer {
    LayerTimer(threads: options.timing.threads, sizes: options.timing.sizes, progress: progress)
  }

  /// What the layers of a model take on this machine at the levels of the palette.
  /// - Throws: `usage` for a palette without two levels, or sizes that the model has not.
  package func measureLayers(_ imported: ImportedModel) throws(PackError) -> LayerTimes {
    try requireTwoLevels("--palette")
    let model = imported.description
    let layers = try WeightLayers(model.graph)
    guard !layers.isEmpty else {
      throw PackError(.data, place: "layers", "the model has none to pack: its weights are quantised already")
    }
    var random = RandomSamples(model.graph, count: 1, seed: 1)
    let data = CalibrationData.samples(try random.arrays())
    let calibration = try Calibration.run(model, layers, data: data, progress: progress)
    return try layerTimes(model, layers, calibration)
  }

  package func requireTwoLevels(_ option: String) throws(PackError) {
    guard options.palette.hasTwoLevels else {
      throw PackError(
        .usage, place: option,
        "needs a palette of two levels; \(options.palette.text) has none to choose")
    }
  }

  func layerTimes(
    _ model: ModelDescription, _ layers: WeightLayers, _ calibration: Calibration
  ) throws(PackError) -> LayerTimes {
    let names = nodeNames(model.graph, layers)
    var twins: [ModelDescription] = []
    for share in [0, 0.5, 1] {
      twins.append(try twin(model, layers, calibration, runs(layers, fineShare: share)))
    }
    let (whole, nodes) = try timer.nodes(twins, Set(names.flatMap { $0 }))
    var times = LayerTimes(
      levels: options.palette.levels.map(\.spelling), target: options.target, machine: options.timing.machine,
      threads: options.timing.threads, sizes: timer.dynamicSizes(model.graph), whole: whole)
    let shares = nodeShares(model.graph, layers)
    for (index, layer) in layers.linears.enumerated() {
      let parts = nodes.map { times in names[index].reduce(0) { $0 + (times[$1] ?? 0) } * shares[index] }
      times.layers.append(
        LayerTimes.Layer(name: layer.name, coarse: parts[0], mixed: parts[1], fine: parts[2]))
    }
    return times
  }

  /// The nodes that each layer's weights are used by.
  private func nodeNames(_ graph: Graph, _ layers: WeightLayers) -> [[String]] {
    layers.linears.map { layer in Set(layer.uses.map { graph.nodes[$0.node].name }).sorted() }
  }

  /// A node of several layers (the groups of a convolution, the gates of a GRU) is theirs by their weights.
  private func nodeShares(_ graph: Graph, _ layers: WeightLayers) -> [Double] {
    var weights: [Int: Int] = [:]
    for layer in layers.linears { weights[layer.node, default: 0] += layer.weights.count }
    return layers.linears.map { Double($0.weights.count) / Double(max(1, weights[$0.node] ?? 1)) }
  }

  /// Every layer with this part of its channels at the fine level.
  private func runs(_ layers: WeightLayers, fineShare: Double) -> [[ChannelRun]] {
    let levels = options.palette.levels
    let linears = layers.linears.map { layer -> [ChannelRun] in
      // Spread, as measured sensitivity spreads them.
      let evens = stride(from: 0, to: layer.inputs, by: 2)
      let odds = stride(from: 1, to: layer.inputs, by: 2)
      let count =
        fineShare == 1 ? layer.inputs : Self.fineChannels(of: layer.inputs, coarseShare: 1 - fineShare)
      let fine = Array((Array(evens) + Array(odds)).prefix(count))
      return ChannelRun.split(coarse: levels[0], fine: levels[1], fineChannels: fine, count: layer.inputs)
    }
    return withEnds(
      linears + layers.tables.map { ChannelRun.whole(levels[1], count: $0.channels) }, layers, ends(layers))
  }

  /// The model packed by nearest codes: its numbers are of no use, its time is.
  private func twin(
    _ model: ModelDescription, _ layers: WeightLayers, _ calibration: Calibration, _ runs: [[ChannelRun]]
  ) throws(PackError) -> ModelDescription {
    var copied = layers
    return try quantize(model, &copied, calibration, runs, compensates: false)
  }

  /// The runs of every layer under a target for the time of a run.
  func assignByTime(
    _ target: LatencyTarget, _ model: ModelDescription, _ layers: WeightLayers, _ calibration: Calibration
  ) throws(PackError) -> (runs: [[ChannelRun]], report: PackReport.Latency) {
    let times: LayerTimes
    if let given = target.times {
      times = try checked(given, layers)
    } else {
      times = try layerTimes(model, layers, calibration)
    }
    let sensitivity = try Sensitivity(model, layers, options.palette, calibration, progress: progress)
    let candidates = timedCandidates(layers, times, sensitivity.gains)
    let others = times.whole - times.layers.reduce(0) { $0 + $1.fine }
    let wanted = target.milliseconds * 1e6
    let least = LatencyAllocation.least(candidates)
    guard others + least <= wanted else { throw tooShort(target, others + least, times) }
    // Layers that pass codes to each other take less together than alone, and those that do not any more take more: what
    // a run was too long by is taken off.
    var limit = wanted - others
    var found: (whole: Double, runs: [[ChannelRun]], report: PackReport.Latency)?
    for _ in 0..<Self.timingTries {
      let allocation = LatencyAllocation(candidates, limit: max(least, limit))
      let runs = allocated(allocation, layers)
      let report = PackReport.Latency(
        target: target.milliseconds, predicted: (others + allocation.time) / 1e6, conditions: times.conditions
      )
      let whole = target.times == nil ? try timer.whole(twin(model, layers, calibration, runs)) : 0
      if whole < found?.whole ?? .infinity { found = (whole, runs, report) }
      guard whole > wanted, limit > least else { break }
      limit -= whole - wanted
    }
    guard let found, found.whole <= wanted * Self.tolerance else {
      throw tooShort(target, min(found?.whole ?? .infinity, times.whole), times)
    }
    return (found.runs, found.report)
  }

  private static let timingTries = 4
  /// What measuring may err by.
  private static let tolerance = 1.02

  private func tooShort(_ target: LatencyTarget, _ least: Double, _ times: LayerTimes) -> PackError {
    PackError(
      .usage, place: "--target-latency",
      "\(decimal(target.milliseconds, 3)) ms is too short: the shortest run that was found with palette "
        + "\(options.palette.text) takes \(decimal(least / 1e6, 3)) ms (\(times.conditions))")
  }

  private func timedCandidates(
    _ layers: WeightLayers, _ times: LayerTimes, _ gains: [[Double]]
  ) -> [TimedCandidate] {
    let granularity = options.palette.levels.map { $0.weight.layout.tileChannels }.max() ?? 8
    let ends = ends(layers)
    let linears = layers.linears.indices.map { index in
      let layer = times.layers[index]
      return TimedCandidate(
        gains: ends.contains(index) ? [] : gains[index], granularity: granularity,
        coarse: layer.coarse, mixed: layer.mixed, fine: layer.fine)
    }
    // Looking up costs no time to speak of.
    let tables = layers.tables.indices.map { index in
      TimedCandidate(
        gains: gains[layers.linears.count + index], granularity: 8, coarse: 0, mixed: 0, fine: 0)
    }
    return linears + tables
  }

  private func allocated(_ allocation: LatencyAllocation, _ layers: WeightLayers) -> [[ChannelRun]] {
    let levels = options.palette.levels
    let sizes = layers.linears.map(\.inputs) + layers.tables.map(\.channels)
    let runs = zip(sizes, allocation.fineChannels).map { size, fine in
      ChannelRun.split(coarse: levels[0], fine: levels[1], fineChannels: fine, count: size)
    }
    return withEnds(runs, layers, ends(layers))
  }

  /// - Throws: `data` for times of another model, palette or target.
  private func checked(_ times: LayerTimes, _ layers: WeightLayers) throws(PackError) -> LayerTimes {
    let levels = options.palette.levels.map(\.spelling)
    guard times.levels == levels, times.target == options.target else {
      throw PackError(
        .data, place: "--layer-times",
        "were measured for \(times.levels.joined(separator: " and ")) (--target \(times.target.rawValue)), and "
          + "\(levels.joined(separator: " and ")) (--target \(options.target.rawValue)) are to be packed")
    }
    guard times.layers.map(\.name) == layers.linears.map(\.name) else {
      throw PackError(.data, place: "--layer-times", "are of a model with other layers")
    }
    return times
  }
}

extension LayerTimes {
  /// Such as "one thread, sequence 128, on AMD EPYC".
  var conditions: String {
    let parts = [threads == 1 ? "one thread" : "\(threads) threads"] + sizes.map { "\($0.name) \($0.value)" }
    return parts.joined(separator: ", ") + (machine.isEmpty ? "" : ", on \(machine)")
  }
}
