package import SoniqGraph

/// What packing a model cost: its outputs and layers against those of the float model on the same samples.
package struct Comparison: Sendable {
  package struct Layer: Sendable, Hashable {
    package var name: String
    /// The kind of operation that makes it.
    package var operation: String
    /// The relative error of its numbers.
    package var error: Double
    /// By how much the error is above that of the worst layer that it is computed from.
    package var added: Double
    /// That layer; nil for one that is computed from inputs alone.
    package var source: String?
    /// Numbers of it that are not finite in the float model: they are passed over.
    package var notFinite: Int
  }
  package private(set) var outputs: [OutputDifference] = []
  package private(set) var layers: [Layer] = []
  /// Values of one name in both that are not compared: the packed model has their channels in an order that cannot be told.
  package private(set) var reordered: [String] = []

  /// The first layer whose error is above this.
  package func firstLayer(beyond threshold: Double) -> Layer? { layers.first { $0.error > threshold } }

  /// The layer that adds most; nil when none adds any error.
  package var largestJump: Layer? {
    layers.filter { $0.added > 0 }.max { ($0.added, $1.name) < ($1.added, $0.name) }
  }

  /// Runs both models over the samples.
  ///
  /// * model: float, with the interface of the packed one (`PackedInterface.require`).
  /// * comparesLayers: also the values between inputs and outputs.
  /// * mostBytes: what the values that are kept at a time may take in memory, of both models together.
  /// - Throws: `data` when samples do not fit the model, or no layer has one name in both; `system`.
  package static func run(
    _ model: ModelDescription, _ packed: ModelDescription, data: SampleArrays, comparesLayers: Bool = true,
    mostBytes: Int = 512 << 20, progress: ProgressReport = .silent
  ) throws(PackError) -> Comparison {
    let layers = comparesLayers ? try ComparedLayers(model.graph, packed.graph) : nil
    if let layers { try requireCommon(layers, packed.graph) }
    let samples = CalibrationData.samples(data)
    let batch = min(
      GraphRunner.maximumBatch(model.graph, samples), GraphRunner.maximumBatch(packed.graph, samples))
    let pair = ModelPair(model: model, packed: packed, data: samples, batch: batch, mostBytes: mostBytes)
    var comparison = Comparison()
    comparison.reordered = layers?.reordered ?? []
    var differences: [ValueDifference] = []
    let groups = try pair.groups(layers?.layers ?? [])
    for (index, group) in groups.enumerated() {
      let found = try pair.differences(group, outputs: index == 0) { done, total in
        progress.step("comparing", index * total + done, groups.count * total)
      }
      differences += found.layers
      if index == 0 { comparison.outputs = found.outputs }
    }
    comparison.layers = summary(layers?.layers ?? [], differences)
    return comparison
  }

  private static func summary(_ layers: [ComparedLayers.Layer], _ differences: [ValueDifference]) -> [Layer] {
    let errors = differences.map(\.relativeError)
    return layers.indices.map { index in
      let source = layers[index].sources.max { errors[$0] < errors[$1] }
      let before = source.map { errors[$0] } ?? 0
      // Infinity after infinity adds nothing.
      let added = errors[index] == before ? 0 : errors[index] - before
      return Layer(
        name: layers[index].name, operation: layers[index].operation, error: errors[index], added: added,
        source: source.map { layers[$0].name }, notFinite: differences[index].passedOver)
    }
  }

  /// - Throws: `data`.
  private static func requireCommon(_ layers: ComparedLayers, _ packed: Graph) throws(PackError) {
    let outputs = Set(packed.outputs)
    guard layers.reordered.isEmpty, layers.layers.allSatisfy({ outputs.contains($0.packed) }) else { return }
    let weighted = packed.nodes.contains { node in
      switch node.operation {
      case .linear, .convolution, .depthwiseConvolution, .embedding, .recurrence:
        !outputs.contains(node.output)
      default: false
      }
    }
    guard weighted || layers.layers.isEmpty else { return }
    throw PackError(
      .data, place: "layers",
      "no layer has one name in both models: the packed file was made from another model or by another version; "
        + "--layers 0 compares the outputs alone")
  }
}

/// Two models that run over the same samples.
private struct ModelPair {
  let model: ModelDescription
  let packed: ModelDescription
  let data: CalibrationData
  let batch: Int
  let mostBytes: Int

  private static let purpose = "comparison"

  /// Layers whose values can be kept together; one group at least.
  func groups(_ layers: [ComparedLayers.Layer]) throws(PackError) -> [[ComparedLayers.Layer]] {
    guard layers.count > 1, !(try fits(layers)) else { return [layers] }
    let half = layers.count / 2
    return try groups(Array(layers[..<half])) + groups(Array(layers[half...]))
  }

  private func fits(_ layers: [ComparedLayers.Layer]) throws(PackError) -> Bool {
    let first = try GraphRunner.workspaceSize(
      model, keptValues: layers.map(\.model), data: data, maximumBatch: batch)
    let second = try GraphRunner.workspaceSize(
      packed, keptValues: layers.map(\.packed), data: data, maximumBatch: batch)
    guard let first, let second else { return false }
    return first <= mostBytes - min(second, mostBytes)
  }

  /// * outputs: whether to compare them too.
  func differences(
    _ layers: [ComparedLayers.Layer], outputs comparesOutputs: Bool, progress: (Int, Int) -> Void
  ) throws(PackError) -> (layers: [ValueDifference], outputs: [OutputDifference]) {
    let first = try GraphRunner(
      model, keptValues: layers.map(\.model), data: data, maximumBatch: batch, purpose: Self.purpose)
    let second = try GraphRunner(
      packed, keptValues: layers.map(\.packed), data: data, maximumBatch: batch, purpose: Self.purpose)
    var found = [ValueDifference](repeating: ValueDifference(), count: layers.count)
    let names = model.graph.outputs.map { model.graph.values[$0].name }
    let others = packed.graph.outputs.map { packed.graph.values[$0].name }
    var outputs = comparesOutputs ? names.map { OutputDifference(name: $0) } : []
    for run in 0..<first.runCount {
      try first.run(run)
      try second.run(run)
      for (index, layer) in layers.enumerated() {
        let (reference, shape) = try first.keptFloats(layer.model)
        let (numbers, other) = try second.keptFloats(layer.packed)
        guard shape == other else { throw Self.shapesDiffer(layer.name, shape, other) }
        found[index].add(reference: reference, packed: numbers, order: layer.order)
      }
      for index in outputs.indices {
        guard let place = others.firstIndex(of: names[index]) else { continue }
        let (reference, shape) = try first.output(index)
        let (numbers, other) = try second.output(place)
        guard shape == other else { throw Self.shapesDiffer("output \(names[index])", shape, other) }
        outputs[index].add(
          reference: reference, packed: numbers, shape: shape, sampleCount: first.sampleCount(ofRun: run))
      }
      progress(run + 1, first.runCount)
    }
    return (found, outputs)
  }

  private static func shapesDiffer(_ place: String, _ model: [Int], _ packed: [Int]) -> PackError {
    PackError(.data, place: place, "its shape is \(model) in the float model and \(packed) in the packed one")
  }
}
