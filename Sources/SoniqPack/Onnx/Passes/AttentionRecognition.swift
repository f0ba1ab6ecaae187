import SoniqCore
import SoniqGraph

/// Finds attention as exporters write it: products of heads, a scale, masks, softmax, a product with the values.
/// Query, key and value become one linear layer where they come from three of one input.
struct AttentionRecognition: DraftPass {
  private var draft: DraftGraph

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
    draft.nodes.append(
      DraftNode(
        name: node.name,
        operation: .attention(Attention(heads: form.heads, scale: form.scale, isCausal: form.isCausal)),
        inputs: [merged] + (form.mask.map { [$0] } ?? []), output: node.output))
  }

  /// The value of which query, key and value are the three parts.
  private static func whole(_ form: AttentionForm, _ matcher: PatternMatcher, channels: Int) -> ValueID? {
    var source: ValueID?
    for (index, part) in [form.query, form.key, form.value].enumerated() {
      guard let node = matcher.maker(part), case .tensor(.slice(let ranges)) = node.operation,
        let range = ranges.last,
        range.begin == index * (channels / 3), range.step == 1, range.count == channels / 3,
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

/// What one attention computes, found from the reshape that joins its heads.
struct AttentionForm {
  let heads: Int
  let headLength: Int
  let scale: Float
  /// [batch, positions, heads * headLength]
  let query: ValueID
  let key: ValueID
  let value: ValueID
  let mask: ValueID?
  let isCausal: Bool

  init?(_ node: DraftNode, _ matcher: PatternMatcher) {
    let draft = matcher.draft
    guard case .tensor(.reshape(let joined)) = node.operation, joined.count == 3,
      let context = matcher.transposed(node.inputs[0], [0, 2, 1, 3]),
      let product = matcher.maker(context), case .tensor(.matmul(transposesRight: false)) = product.operation,
      let scores = Self.scores(product.inputs[0], matcher),
      let value = Self.source(product.inputs[1], [0, 2, 1, 3], matcher), value.factor == 1
    else { return nil }
    var factor: Float = 1
    var mask: ValueID?
    var isCausal = false
    var current = scores
    for _ in 0..<5 {
      if let (inner, number) = Self.scaled(current, matcher) {
        factor *= number
        current = inner
      } else if mask == nil, let (inner, found) = Self.masked(current, matcher) {
        // A scale outside would scale the mask too: it would still mask.
        mask = found
        current = inner
      } else if let inner = Self.unhidden(current, matcher) {
        current = inner
      } else if !isCausal, let inner = CausalMask.masked(current, matcher) {
        isCausal = true
        current = inner
      } else {
        break
      }
    }
    guard let dot = matcher.maker(current), case .tensor(.matmul(let transposesRight)) = dot.operation,
      let query = Self.source(dot.inputs[0], [0, 2, 1, 3], matcher),
      let key = Self.source(dot.inputs[1], transposesRight ? [0, 2, 1, 3] : [0, 2, 3, 1], matcher)
    else { return nil }
    let shape = draft.shape(query.value)
    guard shape == joined, draft.shape(key.value) == shape, draft.shape(value.value) == shape,
      query.heads == key.heads, query.heads == value.heads, case .fixed(let channels) = shape[2],
      channels % query.heads == 0
    else { return nil }
    let headLength = channels / query.heads
    let scale = factor * query.factor * key.factor
    guard headLength % 4 == 0, (4...256).contains(headLength), scale.isFinite, scale > 0 else { return nil }
    if let mask { guard draft.shape(mask) == Array(shape[..<2]) else { return nil } }
    heads = query.heads
    self.headLength = headLength
    self.scale = scale
    self.query = query.value
    self.key = key.value
    self.value = value.value
    self.mask = mask
    self.isCausal = isCausal
  }

  /// What softmax over the last axis is taken of; rows that are not numbers may be set to 0 behind it.
  private static func scores(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
    guard let node = matcher.maker(value) else { return nil }
    if case .tensor(.softmax(3, false)) = node.operation { return node.inputs[0] }
    if case .tensor(.select) = node.operation, matcher.number(node.inputs[1]) == 0 {
      guard let inner = matcher.maker(node.inputs[2]), case .tensor(.softmax(3, false)) = inner.operation,
        let isNaN = matcher.unary(node.inputs[0], .not), let (left, right) = matcher.operands(isNaN, .equal),
        left == right, left == inner.output
      else { return nil }
      return inner.inputs[0]
    }
    return nil
  }

  /// A value times a number.
  private static func scaled(_ value: ValueID, _ matcher: PatternMatcher) -> (ValueID, Float)? {
    for (inner, other) in matcher.orders(value, .multiply) {
      if let number = matcher.number(other) { return (inner, number) }
    }
    if let (inner, other) = matcher.operands(value, .divide), let number = matcher.number(other), number != 0
    {
      return (inner, 1 / number)
    }
    return nil
  }

  /// Scores with a mask of the keys that the host gives.
  private static func masked(_ value: ValueID, _ matcher: PatternMatcher) -> (ValueID, ValueID)? {
    let least: Float = -10_000
    for (inner, other) in matcher.orders(value, .add) {
      if let form = MaskEvaluation.of(other, matcher), isOfKeys(form, rank: matcher.draft.rank(other)),
        form.whenKept == 0, form.whenMasked <= least
      {
        return (inner, form.mask)
      }
    }
    guard let node = matcher.maker(value), case .tensor(.select) = node.operation,
      let form = MaskEvaluation.of(node.inputs[0], matcher),
      isOfKeys(form, rank: matcher.draft.rank(node.inputs[0]))
    else { return nil }
    let (yes, no) = (node.inputs[1], node.inputs[2])
    if form.whenKept != 0, form.whenMasked == 0, let number = matcher.number(no), number <= least {
      return (yes, form.mask)
    }
    if form.whenKept == 0, form.whenMasked != 0, let number = matcher.number(yes), number <= least {
      return (no, form.mask)
    }
    return nil
  }

  /// Scores with a mask that hides nothing, whatever the host gives.
  private static func unhidden(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
    var scores: ValueID?
    for (inner, other) in matcher.orders(value, .add) where UniformValue.of(other, matcher) == 0 {
      scores = inner
    }
    if let node = matcher.maker(value), case .tensor(.select) = node.operation,
      let condition = UniformValue.of(node.inputs[0], matcher)
    {
      scores = node.inputs[condition != 0 ? 1 : 2]
    }
    guard let scores, matcher.draft.shape(scores) == matcher.draft.shape(value) else { return nil }
    return scores
  }

  private static func isOfKeys(_ form: MaskEvaluation, rank: Int) -> Bool {
    rank == 4 && form.batchAxis == 0 && form.positionAxis == 3
  }

  /// [batch, positions, channels] of which a value is the heads, in this order of [batch, positions, heads, length].
  private static func source(
    _ value: ValueID, _ permutation: [Int], _ matcher: PatternMatcher
  ) -> (value: ValueID, heads: Int, factor: Float)? {
    var factor: Float = 1
    var current = value
    while let (inner, number) = scaled(current, matcher) {
      factor *= number
      current = inner
    }
    var order = Array(permutation.indices)
    while let node = matcher.maker(current), case .tensor(.transpose(let step)) = node.operation,
      step.count == 4
    {
      order = order.map { step[$0] }
      current = node.inputs[0]
      while let (inner, number) = scaled(current, matcher) {
        factor *= number
        current = inner
      }
    }
    guard order == permutation, let whole = matcher.reshaped(current) else { return nil }
    let split = matcher.draft.shape(current)
    var source = whole
    while matcher.draft.rank(source) != 3, let inner = matcher.reshaped(source) { source = inner }
    while let (inner, number) = scaled(source, matcher) {
      factor *= number
      source = inner
    }
    let shape = matcher.draft.shape(source)
    guard shape.count == 3, split.count == 4, split[0] == shape[0], split[1] == shape[1],
      case .fixed(let heads) = split[2], heads > 0
    else { return nil }
    return (source, heads, factor)
  }
}
