import SoniqGraph

/// Gives the codes that a QDQ model states for values to the layers that multiply them. What is left of the marks is
/// the cut at 0 that exporters drop a ReLU for.
enum CodeAdoption: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    var replacement: [ValueID: ValueID] = [:]
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      if case .quantized(let grid) = node.operation {
        if grid.zero == 0, !isNeverNegative(node.inputs[0], matcher), draft.rank(node.output) >= 2,
          case .fixed? = draft.shape(node.output).last
        {
          draft.nodes[index].operation = .element(.relu)
        } else if grid.zero == 0 {
          draft.nodes[index].operation = .element(.clip(low: 0, high: .infinity))
        } else {
          replacement[node.output] = node.inputs[0]
        }
        continue
      }
      guard let activation = grid(node.inputs.first, matcher) else { continue }
      draft.nodes[index].operation = adopting(activation, node.operation)
    }
    draft.replaceUses(replacement)
  }

  /// The code of the value that a layer multiplies, through what only moves it.
  private static func grid(_ value: ValueID?, _ matcher: PatternMatcher) -> ActivationGrid? {
    guard var value else { return nil }
    while let node = matcher.maker(value) {
      switch node.operation {
      case .quantized(let grid): return grid
      case .tensor(.transpose), .tensor(.reshape): value = node.inputs[0]
      default: return nil
      }
    }
    return nil
  }

  private static func isNeverNegative(_ value: ValueID, _ matcher: PatternMatcher) -> Bool {
    switch matcher.maker(value)?.operation {
    case .element(.relu), .element(.relu6), .element(.sigmoid): true
    case .tensor(.softmax(let softmax)): !softmax.isLogarithm
    // Codes of the host: (code - 0) * scale.
    case .tensor(.binary(Binary(.multiply))): isOfUnsignedBytes(matcher.maker(value)?.inputs.first, matcher)
    default: false
    }
  }

  private static func isOfUnsignedBytes(_ value: ValueID?, _ matcher: PatternMatcher) -> Bool {
    guard var value else { return false }
    while let node = matcher.maker(value), case .tensor(.cast) = node.operation { value = node.inputs[0] }
    return matcher.draft.values[value].elementType == .uint8
  }

  private static func adopting(_ activation: ActivationGrid, _ operation: DraftOperation) -> DraftOperation {
    switch operation {
    case .linear(var weights):
      weights.grid?.activation = activation
      return .linear(weights)
    case .convolution(let window, var groups):
      for index in groups.indices { groups[index].grid?.activation = activation }
      return .convolution(window, groups: groups)
    case .depthwise(let window, let weights, let bias, var grid):
      grid?.activation = activation
      return .depthwise(window, weights: weights, bias: bias, grid: grid)
    default: return operation
    }
  }
}
