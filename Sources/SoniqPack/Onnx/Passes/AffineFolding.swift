import SoniqGraph

/// Puts factors and terms by channel, which stand for biases and batch norms, into the layer before them.
struct AffineFolding: DraftPass {
  /// y * factor + term, one for each channel.
  struct Affine {
    var factors: [Float]?
    var terms: [Float]?
  }

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let makers = draft.makers()
    var uses = draft.useCounts()
    var replacement: [ValueID: ValueID] = [:]
    for index in draft.nodes.indices {
      draft.nodes[index].inputs = draft.nodes[index].inputs.map { replacement[$0] ?? $0 }
      let node = draft.nodes[index]
      guard case .tensor(.binary(let binary)) = node.operation,
        let (value, affine) = Self.affine(draft, node, binary.function),
        draft.shape(value) == draft.shape(node.output),
        let layer = Self.layer(draft, behind: value, makers, uses),
        Self.fold(affine, into: layer, of: &draft, makers, uses)
      else { continue }
      replacement[node.output] = value
      uses[value] = uses[node.output]
      draft.values[value].name = draft.values[node.output].name
    }
    draft.replaceUses(replacement)
  }

  /// The operand that is computed, and what the node does to its channels; nil when it does something else.
  private static func affine(
    _ draft: DraftGraph, _ node: DraftNode, _ function: BinaryFunction
  ) -> (ValueID, Affine)? {
    let (left, right) = (node.inputs[0], node.inputs[1])
    let isFlipped = draft.known(left) != nil
    let value = isFlipped ? right : left
    guard draft.known(value) == nil, case .fixed(let channels)? = draft.shape(value).last,
      let numbers = numbers(draft, isFlipped ? left : right, channels: channels)
    else { return nil }
    switch function {
    case .add: return (value, Affine(terms: numbers))
    case .multiply: return (value, Affine(factors: numbers))
    case .subtract where isFlipped:
      return (value, Affine(factors: numbers.map { _ in -1 }, terms: numbers))
    case .subtract: return (value, Affine(terms: numbers.map { -$0 }))
    case .divide where !isFlipped && !numbers.contains(0):
      return (value, Affine(factors: numbers.map { 1 / $0 }))
    default: return nil
    }
  }

  /// The numbers of a constant that differ by the last axis only.
  private static func numbers(_ draft: DraftGraph, _ value: ValueID, channels: Int) -> [Float]? {
    guard let known = draft.known(value), let floats = known.floats, floats.allSatisfy(\.isFinite) else {
      return nil
    }
    if floats.count == 1 { return [Float](repeating: floats[0], count: channels) }
    return known.shape.last == channels && floats.count == channels ? floats : nil
  }

  /// The layer whose output nobody else uses, through reshapes that keep the channels.
  private static func layer(
    _ draft: DraftGraph, behind value: ValueID, _ makers: [Int?], _ uses: [Int]
  ) -> Int? {
    var value = value
    while uses[value] == 1, let maker = makers[value] {
      switch draft.nodes[maker].operation {
      case .linear, .convolution, .depthwise, .foldTaps: return maker
      case .tensor(.reshape) where draft.shape(draft.nodes[maker].inputs[0]).last == draft.shape(value).last:
        value = draft.nodes[maker].inputs[0]
      default: return nil
      }
    }
    return nil
  }

  private static func fold(
    _ affine: Affine, into layer: Int, of draft: inout DraftGraph, _ makers: [Int?], _ uses: [Int]
  ) -> Bool {
    switch draft.nodes[layer].operation {
    case .linear(var weights):
      guard weights.apply(affine, from: 0) else { return false }
      draft.nodes[layer].operation = .linear(weights)
    case .convolution(let window, var groups):
      var first = 0
      for index in groups.indices {
        guard groups[index].apply(affine, from: first) else { return false }
        first += groups[index].outputs
      }
      draft.nodes[layer].operation = .convolution(window, groups: groups)
    case .depthwise(let window, var weights, let bias, var grid):
      if let factors = affine.factors {
        guard grid?.apply(factors) ?? true else { return false }
        for index in weights.indices { weights[index] *= factors[index % factors.count] }
      }
      draft.nodes[layer].operation = .depthwise(
        window, weights: weights, bias: affine.applied(to: bias), grid: grid)
    case .foldTaps(let window, let height, let width, let bias):
      if let factors = affine.factors {
        let input = draft.nodes[layer].inputs[0]
        guard uses[input] == 1, let maker = makers[input],
          case .linear(var weights) = draft.nodes[maker].operation,
          weights.apply(
            Affine(factors: (0..<weights.outputs).map { factors[$0 % factors.count] }), from: 0)
        else { return false }
        draft.nodes[maker].operation = .linear(weights)
      }
      draft.nodes[layer].operation = .foldTaps(
        window, height: height, width: width, bias: affine.applied(to: bias))
    default: return false
    }
    return true
  }
}

extension AffineFolding.Affine {
  /// bias * factor + term.
  func applied(to bias: [Float]?) -> [Float]? {
    guard var result = bias ?? terms.map({ $0.map { _ in 0 } }) else { return nil }
    if let factors, bias != nil { for index in result.indices { result[index] *= factors[index] } }
    if let terms { for index in result.indices { result[index] += terms[index] } }
    return result
  }
}

extension DraftWeights {
  /// Takes over the factors and terms of its outputs, the first of which is the affine's `first`.
  /// - Returns: false, with nothing changed, when the codes that the model states would change.
  mutating func apply(_ affine: AffineFolding.Affine, from first: Int) -> Bool {
    let rows = first..<first + outputs
    let part = AffineFolding.Affine(
      factors: affine.factors.map { Array($0[rows]) }, terms: affine.terms.map { Array($0[rows]) })
    if trained != nil || blocks != nil, part.factors != nil { return false }
    if let factors = part.factors {
      guard grid?.apply(factors) ?? true else { return false }
      for row in 0..<outputs {
        for column in row * inputs..<(row + 1) * inputs { values[column] *= factors[row] }
      }
    }
    bias = part.applied(to: bias)
    return true
  }
}

extension CodeGrid {
  /// Codes stay when every factor is above 0.
  mutating func apply(_ factors: [Float]) -> Bool {
    guard factors.allSatisfy({ $0 > 0 }) else { return false }
    if scales.count == 1 {
      zeros = factors.map { _ in zeros[0] }
      scales = factors.map { _ in scales[0] }
      axis = 0
    }
    for index in scales.indices { scales[index] *= factors[index] }
    return true
  }
}
