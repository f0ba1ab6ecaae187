import SoniqCore
import SoniqGraph

/// Finds attention as exporters write it: products of heads, a scale, masks, softmax, a product with the values.
/// Query, key and value become one linear layer where they come from three of one input.
struct AttentionRecognition: DraftPass {
  private var draft: DraftGraph
  /// What layers add to their scores, made so far.
  private var biases: [[ScoreBias]: ValueID] = [:]

  private init(draft: DraftGraph) { self.draft = draft }

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    var pass = AttentionRecognition(draft: draft)
    pass.draft.nodes = []
    for node in draft.nodes {
      guard let form = AttentionForm(node, matcher) else {
        pass.draft.nodes.append(node)
        continue
      }
      pass.add(form, node, matcher)
    }
    draft = pass.draft
  }

  private mutating func add(_ form: AttentionForm, _ node: DraftNode, _ matcher: PatternMatcher) {
    let shape = draft.shape(node.output)
    let channels = 3 * form.heads * form.headLength
    let wide = Array(shape.dropLast()) + [.fixed(channels)]
    let merged: ValueID
    if let whole = Self.whole(form, matcher, channels: channels) {
      merged = whole
    } else if let (input, weights) = Self.linears(form, matcher) {
      merged = draft.append(node.name + ".qkv", .linear(weights), [input], wide)
    } else {
      merged = draft.append(
        node.name + ".qkv", .tensor(.concatenate(axis: 2)), [form.query, form.key, form.value], wide)
    }
    let bias = biasInput(form, node)
    let attention = Attention(
      heads: form.heads, scale: form.scale, isCausal: form.isCausal, hasBias: bias != nil)
    draft.nodes.append(
      DraftNode(
        name: node.name, operation: .attention(attention),
        inputs: [merged] + [form.mask, bias].compactMap { $0 }, output: node.output))
  }

  /// What is added to the scores as one value of four axes, made once for all layers that add it.
  private mutating func biasInput(_ form: AttentionForm, _ node: DraftNode) -> ValueID? {
    guard !form.biases.isEmpty else { return nil }
    if let made = biases[form.biases] { return made }
    var sum: ValueID?
    for bias in form.biases {
      let part = scaled(bias, node.name + ".bias")
      guard let left = sum else {
        sum = part
        continue
      }
      let shape = zip(draft.shape(left), draft.shape(part)).map { $0 == .fixed(1) ? $1 : $0 }
      sum = draft.append(node.name + ".biases", .tensor(.binary(.add)), [left, part], shape)
    }
    biases[form.biases] = sum
    return sum
  }

  /// A bias with four axes, times its factor.
  private mutating func scaled(_ bias: ScoreBias, _ name: String) -> ValueID {
    var value = bias.value
    let missing = max(0, 4 - draft.rank(value))
    let shape = [Dimension](repeating: .fixed(1), count: missing) + draft.shape(value)
    if let floats = draft.known(value)?.floats, let sizes = draft.fixedShape(value) {
      let numbers = bias.factor == 1 ? floats : floats.map { $0 * bias.factor }
      return draft.constant(
        KnownTensor(floats: numbers, shape: [Int](repeating: 1, count: missing) + sizes), name: name)
    }
    if missing > 0 { value = draft.append(name, .tensor(.reshape(shape)), [value], shape) }
    guard bias.factor != 1 else { return value }
    let factor = draft.constant(KnownTensor(scalar: bias.factor), name: name + ".factor")
    return draft.append(name + ".scaled", .tensor(.binary(.multiply)), [value, factor], shape)
  }

  /// The value of which query, key and value are the three parts.
  private static func whole(_ form: AttentionForm, _ matcher: PatternMatcher, channels: Int) -> ValueID? {
    var source: ValueID?
    for (index, part) in [form.query, form.key, form.value].enumerated() {
      guard let node = matcher.maker(part), case .tensor(.slice(let slice)) = node.operation,
        let range = slice.ranges.last,
        range.begin == index * (channels / 3), range.beginSymbol == nil, range.step == 1,
        range.count == .fixed(channels / 3),
        matcher.draft.shape(node.inputs[0]).last == .fixed(channels),
        source == nil || source == node.inputs[0]
      else { return nil }
      source = node.inputs[0]
    }
    return source
  }

  /// One layer in the place of three of one input.
  private static func linears(_ form: AttentionForm, _ matcher: PatternMatcher) -> (ValueID, DraftWeights)? {
    var parts: [DraftWeights] = []
    var source: ValueID?
    for part in [form.query, form.key, form.value] {
      guard let node = matcher.maker(part), case .linear(let weights) = node.operation,
        source == nil || source == node.inputs[0]
      else { return nil }
      source = node.inputs[0]
      parts.append(weights)
    }
    guard let source, let merged = DraftWeights(joining: parts) else { return nil }
    return (source, merged)
  }
}

extension DraftWeights {
  /// The outputs of several layers of one input, one after the other; nil when only some state codes, or trained
  /// ones differ in the precisions of their channels.
  init?(joining parts: [DraftWeights]) {
    guard let first = parts.first, parts.allSatisfy({ $0.inputs == first.inputs }) else { return nil }
    let outputs = parts.reduce(0) { $0 + $1.outputs }
    self.init(outputs: outputs, inputs: first.inputs, values: parts.flatMap(\.values), bias: nil, grid: nil)
    let trainedParts = parts.compactMap(\.trained)
    if !trainedParts.isEmpty {
      guard trainedParts.count == parts.count, let joined = TrainedCodes(joining: trainedParts) else {
        return nil
      }
      trained = joined
    }
    let blockParts = parts.compactMap(\.blocks)
    if !blockParts.isEmpty {
      guard blockParts.count == parts.count, let joined = BlockCodes(joining: blockParts) else { return nil }
      blocks = joined
    }
    if parts.contains(where: { $0.bias != nil }) {
      bias = parts.flatMap { $0.bias ?? [Float](repeating: 0, count: $0.outputs) }
    }
    let grids = parts.compactMap { part in part.grid.map { ($0, part.outputs) } }
    guard grids.count == parts.count else {
      if !grids.isEmpty { return nil }
      return
    }
    guard
      grids.allSatisfy({ $0.0.isSigned == grids[0].0.isSigned && $0.0.activation == grids[0].0.activation })
    else { return nil }
    func spread<Number>(_ list: [Number], _ count: Int) -> [Number] {
      list.count == 1 ? [Number](repeating: list[0], count: count) : list
    }
    grid = CodeGrid(
      scales: grids.flatMap { spread($0.0.scales, $0.1) }, zeros: grids.flatMap { spread($0.0.zeros, $0.1) },
      axis: 0,
      isSigned: grids[0].0.isSigned, activation: grids[0].0.activation)
  }
}
