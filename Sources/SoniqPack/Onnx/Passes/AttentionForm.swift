import SoniqCore
import SoniqGraph

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
  /// Added to the scores after the scale; each has up to four axes.
  let biases: [ScoreBias]

  init?(_ node: DraftNode, _ matcher: PatternMatcher) {
    let draft = matcher.draft
    guard case .tensor(.reshape(let joined)) = node.operation, joined.shape.count == 3,
      let context = matcher.transposed(node.inputs[0], [0, 2, 1, 3]),
      let product = matcher.maker(context),
      case .tensor(.matmul(Matmul(transposesRight: false))) = product.operation,
      let scores = Self.scores(product.inputs[0], matcher),
      let value = HeadSource(product.inputs[1], [0, 2, 1, 3], matcher), value.factor == 1
    else { return nil }
    guard let sum = AttentionScores.of(scores, matcher) else { return nil }
    let (query, key) = (sum.query, sum.key)
    let shape = draft.shape(query.value)
    guard shape == joined.shape, draft.shape(key.value) == shape, draft.shape(value.value) == shape,
      query.heads == key.heads, query.heads == value.heads, case .fixed(let channels) = shape[2],
      channels % query.heads == 0
    else { return nil }
    let headLength = channels / query.heads
    let scale = sum.factor * query.factor * key.factor
    guard headLength % 4 == 0, (4...256).contains(headLength), scale.isFinite, scale > 0 else { return nil }
    if let mask = sum.mask { guard draft.shape(mask) == Array(shape[..<2]) else { return nil } }
    guard let biases = Self.narrowed(sum.biases, heads: query.heads, Array(shape[..<2]), draft, matcher)
    else { return nil }
    heads = query.heads
    self.headLength = headLength
    self.scale = scale
    self.query = query.value
    self.key = key.value
    self.value = value.value
    mask = sum.mask
    isCausal = sum.isCausal
    self.biases = biases
  }

  /// What softmax over the last axis is taken of; rows that are not numbers may be set to 0 behind it.
  private static func scores(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
    guard let node = matcher.maker(value) else { return nil }
    if case .tensor(.softmax(Softmax(axis: 3))) = node.operation { return node.inputs[0] }
    if case .tensor(.select) = node.operation, matcher.number(node.inputs[1]) == 0 {
      guard let inner = matcher.maker(node.inputs[2]),
        case .tensor(.softmax(Softmax(axis: 3))) = inner.operation,
        let isNaN = matcher.inverted(node.inputs[0]), let (left, right) = matcher.operands(isNaN, .equal),
        left == right, left == inner.output
      else { return nil }
      return inner.inputs[0]
    }
    return nil
  }

  /// The biases without copies for what is the same of all; nil when one is not of these scores.
  private static func narrowed(
    _ biases: [ScoreBias], heads: Int, _ rows: [Dimension], _ draft: DraftGraph, _ matcher: PatternMatcher
  ) -> [ScoreBias]? {
    func fits(_ value: ValueID) -> Bool {
      let missing = 4 - draft.rank(value)
      guard missing >= 0 else { return false }
      let shape = [Dimension](repeating: .fixed(1), count: missing) + draft.shape(value)
      return Attention(heads: heads, scale: 1).takesBias(shape, batch: rows[0], positions: rows[1])
    }
    var result: [ScoreBias] = []
    for bias in biases {
      guard fits(bias.value) else { return nil }
      var narrow = bias
      while let node = matcher.maker(narrow.value), case .tensor(.expand) = node.operation,
        fits(node.inputs[0])
      {
        narrow.value = node.inputs[0]
      }
      result.append(narrow)
    }
    return result
  }
}
