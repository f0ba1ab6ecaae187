package import SoniqCore
import SoniqGraph

/// What packing would do, as far as it can be told without calibration.
package struct PackPlan: Sendable {
  /// The weights of a node, or of a group of a convolution.
  package struct Layer: Sendable, Hashable {
    package var name: String
    package var kind: String
    /// Such as "64 x 3 x 9 taps": outputs, inputs and taps, or rows and channels.
    package var shape: String
    /// The levels that its channels may get, coarse first; empty for float32.
    package var levels: [Level] = []
    /// How its activations become codes, by level; empty where it has none.
    package var activations: [String] = []
    package var weightCount: Int
    /// What it takes: the range where calibration decides.
    package var bytes: ClosedRange<Int>
    /// Whether the model states its codes, which stay.
    package var hasOwnCodes = false
  }

  package var palette: String
  package var layers: [Layer] = []
  /// Nodes of the graph, by their kind.
  package var operations: [String: Int] = [:]
  /// The most bytes of all layers that --target-bits, or its default, allows; nil where nothing is chosen.
  package var byteLimit: Int?
  /// Inputs that calibration needs samples of; empty where it needs none.
  package var samplesNeeded: [String] = []

  package var weightCount: Int { layers.reduce(0) { $0 + $1.weightCount } }
  /// What all layers take.
  package var bytes: ClosedRange<Int> {
    let least = layers.reduce(0) { $0 + $1.bytes.lowerBound }
    let most = layers.reduce(0) { $0 + $1.bytes.upperBound }
    return least...max(least, min(most, byteLimit ?? most))
  }
}

extension ModelPacker {
  /// What `pack` would do with a model.
  /// - Throws: what `pack` throws before it calibrates.
  package func plan(_ imported: ImportedModel) throws(PackError) -> PackPlan {
    try checkTarget()
    let graph = imported.description.graph
    var plan = PackPlan(palette: options.palette.text)
    for node in graph.nodes { plan.operations[node.operation.schema.name, default: 0] += 1 }
    let layers = try WeightLayers(graph)
    let planned = try planned(layers)
    guard !options.palette.isFloat, !layers.isEmpty else {
      if !options.palette.isFloat { try checkOwnCodes(graph) }
      plan.layers = WeightAccount.weightConstants(graph).map { stored($0, graph, planned[$0]) }
      return plan
    }
    if imported.framing == nil {
      plan.samplesNeeded = graph.inputs.filter { $0.fill == nil }.map { graph.values[$0.value].name }
    }
    if options.palette.hasTwoLevels, options.coarseShare == nil, options.targetLatency == nil {
      let channels = layers.linears.map(\.inputs) + layers.tables.map(\.channels)
      let candidates = candidates(layers, gains: channels.map { [Double](repeating: 0, count: $0) })
      let others = otherWeights(graph, layers)
      plan.byteLimit = try byteLimit(candidates, layers, others: others) + others.byteCount
    }
    let float = FloatLayers(graph, layers).constants { constant in
      planned[constant]?.bytes.lowerBound ?? FloatLayers.bytes(constant, graph)
    }
    plan.layers = WeightAccount.weightConstants(graph).map { constant in
      guard !float.contains(constant), let layer = planned[constant] else {
        return stored(constant, graph, planned[constant])
      }
      return layer
    }
    return plan
  }

  /// A constant that stays as it is.
  /// * planned: the layer that it would be if it were packed.
  private func stored(_ constant: ConstantID, _ graph: Graph, _ planned: PackPlan.Layer?) -> PackPlan.Layer {
    let bytes = FloatLayers.bytes(constant, graph)
    if var layer = planned {
      (layer.levels, layer.activations, layer.bytes) = ([], [], bytes...bytes)
      return layer
    }
    var layer = PackPlan.Layer(
      name: graph.constantNames[constant], kind: "", shape: "", weightCount: 0, bytes: bytes...bytes)
    layer.weightCount = WeightAccount(graph.constants[constant])?.weightCount ?? 0
    switch graph.constants[constant] {
    case .matrix(let matrix):
      layer.kind = matrix.taps == 1 ? "linear" : "convolution"
      layer.shape = Self.shape(matrix.outputs, matrix.inputs, taps: matrix.taps)
      layer.levels = matrix.levels.map(\.level)
    case .depthwise(let depthwise):
      layer.kind = "depthwise"
      layer.shape = "\(depthwise.channels) x \(depthwise.taps) taps"
      layer.levels = [depthwise.level]
    case .table(let table):
      layer.kind = "table"
      layer.shape = "\(table.rows) x \(table.channels)"
      layer.levels = table.levels.map {
        Level(weight: $0.code, activation: ActivationCode(kind: .affine, bits: 8))
      }
    case .floatMatrix(let matrix):
      layer.kind = "linear"
      layer.shape = Self.shape(matrix.outputs, matrix.inputs, taps: 1)
    case .dense(let dense):
      layer.kind = "table"
      layer.shape = dense.shape.map(String.init).joined(separator: " x ")
      layer.weightCount = dense.shape.reduce(1, *)
    }
    layer.hasOwnCodes = !layer.levels.isEmpty
    if layer.kind != "table" {
      layer.activations = layer.levels.map { Self.words($0.activation, isStatic: false) }
    }
    return layer
  }

  private static func shape(_ outputs: Int, _ inputs: Int, taps: Int) -> String {
    "\(outputs) x \(inputs)" + (taps == 1 ? "" : " x \(taps) taps")
  }

  private static func words(_ code: ActivationCode, isStatic: Bool) -> String {
    let scaling: String
    switch code.scaling {
    case .dynamicPerRow: scaling = isStatic ? "one scale, calibrated" : "a scale a row"
    case .dynamicPerGroup(let channels): scaling = "a scale for \(channels) channels"
    case .fixed(let scale, _): scaling = "scale \(scale)"
    }
    return "\(code.bits) bits \(code.kind), \(scaling)"
  }

  /// The layers that are quantised, by constant.
  private func planned(_ layers: WeightLayers) throws(PackError) -> [ConstantID: PackPlan.Layer] {
    var planned: [ConstantID: PackPlan.Layer] = [:]
    let ends = ends(layers)
    for (index, layer) in layers.linears.enumerated() {
      if let groups = options.palette.groups, layer.canHaveGroups, !ends.contains(index) {
        planned[layer.constant] = grouped(layer, groups)
        continue
      }
      let levels = ends.contains(index) ? [Self.endLevel] : options.palette.levels
      planned[layer.constant] = PackPlan.Layer(
        name: layer.name, kind: layer.window == nil ? "linear" : "convolution",
        shape: Self.shape(layer.outputs, layer.inputs, taps: layer.taps), levels: levels,
        activations: levels.map { Self.words($0.activation, isStatic: layer.isStatic) },
        weightCount: layer.weights.count, bytes: bytes(layer, levels))
    }
    for table in layers.tables {
      planned[table.constant] = PackPlan.Layer(
        name: table.name, kind: "table", shape: "\(table.rows) x \(table.channels)",
        levels: options.palette.levels, weightCount: table.weights.count,
        bytes: range(table.channels, options.palette.levels, granularity: 8) { levels, channels in
          WeightForecast.table(
            rows: table.rows, levels: levels, channels: channels, blockLength: tableBlockLength)
        })
    }
    let eight = Self.endLevel
    for layer in layers.depthwise {
      let bytes = WeightForecast.depthwise(channels: layer.channels, taps: layer.taps)
      planned[layer.constant] = PackPlan.Layer(
        name: layer.name, kind: "depthwise", shape: "\(layer.channels) x \(layer.taps) taps", levels: [eight],
        activations: [Self.words(eight.activation, isStatic: true)], weightCount: layer.weights.count,
        bytes: bytes...bytes)
    }
    return planned
  }

  private func grouped(_ layer: LinearLayer, _ form: GroupForm) -> PackPlan.Layer {
    let layout = form.layout(.uint8)
    let bytes = WeightForecast.grouped(outputs: layer.outputs, channels: layer.inputs, layout)
    return PackPlan.Layer(
      name: layer.name, kind: "linear", shape: Self.shape(layer.outputs, layer.inputs, taps: 1),
      levels: [layout.level],
      activations: [Self.words(layout.level.activation, isStatic: false)],
      weightCount: layer.weights.count, bytes: bytes...bytes)
  }

  private func bytes(_ layer: LinearLayer, _ levels: [Level]) -> ClosedRange<Int> {
    let granularity = levels.map { $0.weight.layout.tileChannels }.max() ?? 8
    let forecast = { (levels: [Level], channels: [Int]) in
      WeightForecast.linear(
        outputs: layer.outputs, levels: levels, channels: channels, taps: layer.taps,
        hasMap: layer.producer == nil)
    }
    guard levels.count == 1, options.splitsOutliers, !layer.isStatic else {
      return range(layer.inputs, levels, granularity: granularity, forecast)
    }
    // Channels with outlying activations may get a run of their own.
    let whole = forecast(levels, [layer.inputs])
    let outliers = max(OutlierSplit.channelCount, granularity)
    guard layer.inputs >= 4 * outliers else { return whole...whole }
    let split = forecast(levels + levels, [outliers, layer.inputs - outliers])
    return min(whole, split)...max(whole, split)
  }

  /// The least and the most over all numbers of channels that the fine level may get.
  private func range(
    _ channels: Int, _ levels: [Level], granularity: Int, _ forecast: ([Level], [Int]) -> Int
  ) -> ClosedRange<Int> {
    guard levels.count == 2 else {
      let bytes = forecast(levels, [channels])
      return bytes...bytes
    }
    var counts = Array(stride(from: 0, to: channels, by: granularity)) + [channels]
    if let share = options.coarseShare { counts = [Self.fineChannels(of: channels, coarseShare: share)] }
    let bytes = counts.map { forecast(levels, [channels - $0, $0]) }
    return (bytes.min() ?? 0)...(bytes.max() ?? 0)
  }
}
