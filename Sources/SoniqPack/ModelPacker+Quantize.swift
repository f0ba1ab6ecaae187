import SoniqCore
import SoniqGraph
import SoniqQuantizers

extension ModelPacker {
  /// Channels that share a scale within a row of a table; 0: the whole row.
  static let tableBlockLength = 0

  /// The runs of every linear layer and then every table.
  func assign(
    _ model: ModelDescription, _ layers: WeightLayers, _ calibration: Calibration
  ) throws(PackError) -> [[ChannelRun]] {
    let levels = options.palette.levels
    guard levels.count == 2 else { return oneLevel(levels[0], layers, calibration) }
    let sizes = layers.linears.map(\.inputs) + layers.tables.map(\.channels)
    let sensitivity = try Sensitivity(model, layers, options.palette, calibration, progress: progress)
    let weightCount =
      layers.linears.reduce(0) { $0 + $1.weights.count } + layers.tables.reduce(0) { $0 + $1.weights.count }
    let candidates = candidates(layers, sensitivity)
    let allocation = try ChannelAllocation(
      candidates, weightCount: weightCount, byteLimit: byteLimit(candidates, weightCount))
    return zip(sizes, allocation.fineChannels).map { (size, fine) -> [ChannelRun] in
      ChannelRun.split(coarse: levels[0], fine: levels[1], fineChannels: fine, count: size)
    }
  }

  /// The target in bytes; without one, a quarter of the way from all coarse to all fine.
  private func byteLimit(_ candidates: [AllocationCandidate], _ weightCount: Int) -> Int {
    if let target = options.targetBits { return Int(target * Double(weightCount) / 8) }
    let coarse = candidates.reduce(0) { $0 + $1.byteCount(0) }
    let fine = candidates.reduce(0) { $0 + $1.byteCount($1.gains.count) }
    return coarse + max(0, fine - coarse) / 4
  }

  private func oneLevel(
    _ level: Level, _ layers: WeightLayers, _ calibration: Calibration
  ) -> [[ChannelRun]] {
    let linears = layers.linears.map { layer -> [ChannelRun] in
      guard options.splitsOutliers, let input = calibration.inputs[layer.input] else {
        return ChannelRun.whole(level, count: layer.inputs)
      }
      return OutlierSplit.runs(level: level, largest: input.largest, power: layer.channelPower)
    }
    return linears + layers.tables.map { ChannelRun.whole(level, count: $0.channels) }
  }

  private func candidates(_ layers: WeightLayers, _ sensitivity: Sensitivity) -> [AllocationCandidate] {
    let levels = options.palette.levels
    let granularity = levels.map { $0.weight.layout.tileChannels }.max() ?? 8
    var candidates: [AllocationCandidate] = []
    for layer in layers.linears {
      let (outputs, inputs, hasMap) = (layer.outputs, layer.inputs, layer.producer == nil)
      candidates.append(
        AllocationCandidate(
          name: layer.name, gains: sensitivity.gains[candidates.count], granularity: granularity
        ) { fine in
          WeightForecast.linear(
            outputs: outputs, levels: levels, channels: [inputs - fine, fine], hasMap: hasMap)
        })
    }
    for table in layers.tables {
      let (rows, channels) = (table.rows, table.channels)
      candidates.append(
        AllocationCandidate(
          name: table.name, gains: sensitivity.gains[candidates.count], granularity: 8
        ) { fine in
          WeightForecast.table(
            rows: rows, levels: levels, channels: [channels - fine, fine], blockLength: Self.tableBlockLength)
        })
    }
    return candidates
  }

  /// Puts packed constants in the place of the float ones.
  func quantize(
    _ model: ModelDescription, _ layers: inout WeightLayers, _ calibration: Calibration,
    _ assignment: [[ChannelRun]]
  ) throws(PackError) -> ModelDescription {
    let store = ConstantStore()
    let builder = PackedMatrixBuilder(store: store)
    let quantizer = LayerQuantizer()
    var packed = model
    packed.owner.append(store)
    fold(&layers, assignment)
    let count = layers.linears.count + layers.tables.count
    for (index, layer) in layers.linears.enumerated() {
      guard let input = calibration.inputs[layer.input] else {
        throw PackError(.software, place: layer.name, "was not calibrated")
      }
      let result = try quantizer.quantize(layer, moments: input.moments, assignment: assignment[index])
      let isSorted = layer.producer != nil || result.order == Array(0..<layer.inputs)
      packed.graph.constants[layer.constant] = try built(layer.name) { () throws(QuantizationError) in
        .matrix(
          try builder.matrix(
            outputs: layer.outputs, runs: result.runs,
            gather: isSorted ? nil : result.order.map { UInt32($0) }, bias: layer.bias))
      }
      progress.step("quantising", index + 1, count)
    }
    for (index, table) in layers.tables.enumerated() {
      let place = layers.linears.count + index
      let result = try quantizer.quantize(
        table, assignment: assignment[place], blockLength: Self.tableBlockLength)
      let isSorted = result.order == Array(0..<table.channels)
      packed.graph.constants[table.constant] = try built(table.name) { () throws(QuantizationError) in
        .table(
          try builder.table(
            rows: table.rows, runs: result.runs, scatter: isSorted ? nil : result.order.map { UInt32($0) }))
      }
      progress.step("quantising", place + 1, count)
    }
    return withIntegerAttention(packed)
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
      guard case .attention(let heads, let scale, _) = changed.graph.nodes[index].operation else { continue }
      changed.graph.nodes[index].operation = .attention(heads: heads, scale: scale, precision: .int8)
    }
    return changed
  }
}
