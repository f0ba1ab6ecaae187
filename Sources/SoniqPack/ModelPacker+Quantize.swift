import SoniqCore
import SoniqGraph
import SoniqQuantizers

extension ModelPacker {
  /// Channels that share a scale within a row of a table; 0: the whole row.
  var tableBlockLength: Int { options.palette.groups?.length ?? 0 }

  /// The runs of every linear layer and then every table.
  /// * endNodes: of the layers before some were packed.
  func assign(
    _ model: ModelDescription, _ layers: WeightLayers, _ calibration: Calibration, endNodes: Set<Int>
  ) throws(PackError) -> [[ChannelRun]] {
    let levels = options.palette.levels
    guard levels.count == 2 else {
      let ends = options.keepsEnds ? layers.ends(endNodes) : []
      return withEnds(oneLevel(levels[0], layers, calibration), layers, ends)
    }
    if let share = options.coarseShare { return try shared(share, model, layers, calibration) }
    let sizes = layers.linears.map(\.inputs) + layers.tables.map(\.channels)
    let sensitivity = try Sensitivity(model, layers, options.palette, calibration, progress: progress)
    let candidates = candidates(layers, gains: sensitivity.gains)
    let allocation = ChannelAllocation(
      candidates, byteLimit: try byteLimit(candidates, layers, others: otherWeights(model.graph, layers)))
    let runs = zip(sizes, allocation.fineChannels).map { (size, fine) -> [ChannelRun] in
      ChannelRun.split(coarse: levels[0], fine: levels[1], fineChannels: fine, count: size)
    }
    return withEnds(runs, layers, ends(layers))
  }

  /// What the ends of a convolutional network keep.
  static let endLevel = Level(
    weight: .symmetric(8), activation: ActivationCode(kind: .affine, bits: 8))

  /// The first and the last layer of a convolutional network at 8 bits.
  func withEnds(_ runs: [[ChannelRun]], _ layers: WeightLayers, _ ends: Set<Int>) -> [[ChannelRun]] {
    var changed = runs
    for index in ends {
      changed[index] = ChannelRun.whole(Self.endLevel, count: layers.linears[index].inputs)
    }
    return changed
  }

  func ends(_ layers: WeightLayers) -> Set<Int> { options.keepsEnds ? layers.ends : [] }

  /// The same part of every layer's channels at the coarse level: those that it hurts least there.
  private func shared(
    _ share: Double, _ model: ModelDescription, _ layers: WeightLayers, _ calibration: Calibration
  ) throws(PackError) -> [[ChannelRun]] {
    let levels = options.palette.levels
    let sensitivity = try Sensitivity(
      model, layers, options.palette, calibration, measuresOutput: false, progress: progress)
    let runs = sensitivity.gains.map { gains -> [ChannelRun] in
      let fine = Self.fineChannels(of: gains.count, coarseShare: share)
      let order = gains.indices.sorted { (gains[$0], $1) > (gains[$1], $0) }
      return ChannelRun.split(
        coarse: levels[0], fine: levels[1], fineChannels: Array(order.prefix(fine)), count: gains.count)
    }
    return withEnds(runs, layers, ends(layers))
  }

  /// How many of a layer's channels are at the fine level when a part of them is to be coarse.
  static func fineChannels(of count: Int, coarseShare: Double) -> Int {
    min(count, Int(((1 - coarseShare) * Double(count) / 8).rounded()) * 8)
  }

  /// The bytes that candidates may take; without a target, a quarter of the way from all coarse to all fine.
  /// * others: weights that are no candidates.
  func byteLimit(
    _ candidates: [AllocationCandidate], _ layers: WeightLayers, others: WeightAccount
  ) throws(PackError) -> Int {
    let coarse = candidates.reduce(0) { $0 + $1.byteCount(0) }
    guard let target = options.targetBits else {
      let fine = candidates.reduce(0) { $0 + $1.byteCount($1.gains.count) }
      return coarse + max(0, fine - coarse) / 4
    }
    let weightCount = candidates.reduce(others.weightCount) { $0 + $1.weightCount }
    let limit = Int(target * Double(weightCount) / 8) - others.byteCount
    guard coarse <= limit else {
      let least = Double(coarse + others.byteCount) * 8 / Double(max(1, weightCount))
      throw PackError(
        .usage, place: "--target-bits",
        "\(target) is too small: at least \(decimal((least * 1000).rounded(.up) / 1000, 3)) bits a weight with "
          + "palette \(options.palette.text)" + Self.reason(ends(layers).map { layers.linears[$0] }, others))
    }
    return limit
  }

  /// Why the least is as much as it is, where it is more than the coarse level.
  private static func reason(_ ends: [LinearLayer], _ others: WeightAccount) -> String {
    var parts: [String] = []
    if !ends.isEmpty {
      let names = Set(ends.sorted { $0.node < $1.node }.map(\.name)).sorted().joined(separator: ", ")
      parts.append("the first and the last layer (\(names)) keep 8 bits unless --no-ends is given")
    }
    if others.weightCount > 0 {
      parts.append(
        "\(others.weightCount) weights have levels of their own (depthwise, or packed by the model)")
    }
    return parts.isEmpty ? "" : "; " + parts.joined(separator: "; ")
  }

  /// Weights that the palette does not concern: of depthwise convolutions, and those that the model states codes of.
  func otherWeights(_ graph: Graph, _ layers: WeightLayers) -> WeightAccount {
    let chosen = Set(layers.linears.map(\.constant) + layers.tables.map(\.constant))
    let depthwise = Set(layers.depthwise.map(\.constant))
    var account = WeightAccount()
    for constant in WeightAccount.weightConstants(graph)
    where !chosen.contains(constant) && !depthwise.contains(constant) {
      if let stored = WeightAccount(graph.constants[constant]) { account += stored }
    }
    for layer in layers.depthwise {
      account += WeightAccount(
        weightCount: layer.weights.count,
        byteCount: WeightForecast.depthwise(channels: layer.channels, taps: layer.taps))
    }
    return account
  }

  private func oneLevel(
    _ level: Level, _ layers: WeightLayers, _ calibration: Calibration
  ) -> [[ChannelRun]] {
    let linears = zip(layers.linears, calibration.layers).map { layer, input -> [ChannelRun] in
      guard options.splitsOutliers, !layer.isStatic else {
        return ChannelRun.whole(level, count: layer.inputs)
      }
      return OutlierSplit.runs(level: level, largest: input.largest, power: layer.channelPower)
    }
    return linears + layers.tables.map { ChannelRun.whole(level, count: $0.channels) }
  }

  /// * gains: of every linear layer's channels and then every table's.
  func candidates(_ layers: WeightLayers, gains: [[Double]]) -> [AllocationCandidate] {
    let levels = options.palette.levels
    let granularity = levels.map { $0.weight.layout.tileChannels }.max() ?? 8
    var candidates: [AllocationCandidate] = []
    let ends = ends(layers)
    for (index, layer) in layers.linears.enumerated() {
      let (outputs, inputs, hasMap, taps) = (layer.outputs, layer.inputs, layer.producer == nil, layer.taps)
      guard !ends.contains(index) else {
        let bytes = WeightForecast.linear(
          outputs: outputs, levels: [Self.endLevel], channels: [inputs], taps: taps, hasMap: false)
        candidates.append(
          AllocationCandidate(weightCount: layer.weights.count, gains: [], granularity: 1) { _ in bytes })
        continue
      }
      candidates.append(
        AllocationCandidate(
          weightCount: layer.weights.count, gains: gains[index], granularity: granularity
        ) { fine in
          WeightForecast.linear(
            outputs: outputs, levels: levels, channels: [inputs - fine, fine], taps: taps, hasMap: hasMap)
        })
    }
    for table in layers.tables {
      let (rows, channels) = (table.rows, table.channels)
      candidates.append(
        AllocationCandidate(
          weightCount: table.weights.count, gains: gains[candidates.count], granularity: 8
        ) { fine in
          WeightForecast.table(
            rows: rows, levels: levels, channels: [channels - fine, fine], blockLength: tableBlockLength)
        })
    }
    return candidates
  }

  /// Puts packed constants in the place of the float ones.
  /// * compensates: see `LayerQuantizer`.
  func quantize(
    _ model: ModelDescription, _ layers: inout WeightLayers, _ calibration: Calibration,
    _ assignment: [[ChannelRun]], compensates: Bool = true
  ) throws(PackError) -> ModelDescription {
    let store = ConstantStore()
    let builder = PackedMatrixBuilder(store: store)
    let quantizer = LayerQuantizer(range: options.target.weightRange, compensates: compensates)
    var packed = model
    packed.owner.append(store)
    fold(&layers, assignment)
    let count = layers.linears.count + layers.tables.count
    for (index, layer) in layers.linears.enumerated() {
      let runs = withFixedScales(assignment[index], layer, calibration)
      let result = try quantizer.quantize(layer, calibration.layers[index], assignment: runs)
      let isSorted = layer.producer != nil || result.order == Array(0..<layer.inputs)
      packed.graph.constants[layer.constant] = try built(layer.name) { () throws(QuantizationError) in
        .matrix(
          try builder.matrix(
            outputs: layer.outputs, runs: result.runs,
            gather: isSorted ? nil : result.order.map { UInt32($0) }, bias: layer.bias))
      }
      if compensates { progress.step("quantising", index + 1, count) }
    }
    var channels = EvenChannels()
    for layer in layers.depthwise {
      guard let seen = calibration.samples[layer.inputValues] else { continue }
      let (layer, sample) = channels.even(layer, seen)
      let activation = sample.fixed(ActivationCode(kind: .affine, bits: 8))
      packed.graph.constants[layer.constant] = .depthwise(
        try quantizer.quantize(layer, activation: activation, store: store))
    }
    for (index, table) in layers.tables.enumerated() {
      let place = layers.linears.count + index
      let result = try quantizer.quantize(
        table, assignment: assignment[place], blockLength: tableBlockLength)
      let isSorted = result.order == Array(0..<table.channels)
      packed.graph.constants[table.constant] = try built(table.name) { () throws(QuantizationError) in
        .table(
          try builder.table(
            rows: table.rows, runs: result.runs, scatter: isSorted ? nil : result.order.map { UInt32($0) }))
      }
      if compensates { progress.step("quantising", place + 1, count) }
    }
    FloatLayers(model.graph, layers).restore(&packed.graph)
    channels.insert(into: &packed.graph, store: store)
    return withIntegerAttention(packed)
  }

  /// Pixels are not scaled one by one: a window covers many.
  private func withFixedScales(
    _ runs: [ChannelRun], _ layer: LinearLayer, _ calibration: Calibration
  ) -> [ChannelRun] {
    guard layer.isStatic, let sample = calibration.samples[layer.inputValues] else { return runs }
    return runs.map { run in
      var fixed = run
      fixed.level.activation = sample.fixed(run.level.activation)
      return fixed
    }
  }

  private func built(
    _ name: String, _ body: () throws(QuantizationError) -> Constant
  ) throws(PackError) -> Constant {
    do throws(QuantizationError) {
      return try body()
    } catch {
      throw PackError(.data, place: name, "cannot be packed: \(error)")
    }
  }

  /// Puts the outputs of producing layers into the channel order of the layers they feed.
  private func fold(_ layers: inout WeightLayers, _ assignment: [[ChannelRun]]) {
    for index in layers.linears.indices {
      guard let producer = layers.linears[index].producer else { continue }
      let order = assignment[index].flatMap(\.channels)
      let source = layers.linears[producer]
      layers.linears[producer].weights = order.flatMap { output in
        source.weights[output * source.inputs..<(output + 1) * source.inputs]
      }
      layers.linears[producer].bias = source.bias.map { bias in order.map { bias[$0] } }
    }
  }

  private func withIntegerAttention(_ model: ModelDescription) -> ModelDescription {
    var changed = model
    for index in changed.graph.nodes.indices {
      guard case .attention(var attention) = changed.graph.nodes[index].operation else { continue }
      attention.precision = .int8
      changed.graph.nodes[index].operation = .attention(attention)
    }
    return changed
  }
}
