import SoniqCore
import SoniqGraph

/// The float values that a model and its packed form have in common, by their names, in the model's order.
struct ComparedLayers {
  struct Layer {
    var name: String
    var operation: String
    var model: ValueID
    var packed: ValueID
    /// The layers that it is computed from, by their places in `layers`.
    var sources: [Int]
    /// Which channel the packed model has at each place; nil: its own.
    var order: [Int]?
  }
  private(set) var layers: [Layer] = []
  /// Values of one name in both whose channels lie in an order that cannot be told.
  private(set) var reordered: [String] = []

  /// - Throws: `software` when the model's weights are not float ones.
  init(_ model: Graph, _ packed: Graph) throws(PackError) {
    let orders = try ChannelOrders(model, packed)
    let made = Self.made(packed)
    /// By value of the model: the layers that it is, or is computed from.
    var origins = [Set<Int>](repeating: [], count: model.values.count)
    for node in model.nodes {
      let sources = node.inputs.reduce(into: Set<Int>()) { $0.formUnion(origins[$1]) }
      for output in node.outputs {
        origins[output] = sources
        guard Self.computes(node.operation), model.values[output].elementType == .float32,
          let other = made[model.values[output].name], Self.isAlike(model, output, packed, other)
        else { continue }
        let order = orders.order(of: output)
        guard order != .unknown else {
          reordered.append(model.values[output].name)
          continue
        }
        origins[output] = [layers.count]
        layers.append(
          Layer(
            name: model.values[output].name, operation: node.operation.schema.name, model: output,
            packed: other, sources: sources.sorted(), order: order.places))
      }
    }
  }

  /// What nodes make, by name.
  private static func made(_ graph: Graph) -> [String: ValueID] {
    var made: [String: ValueID] = [:]
    for node in graph.nodes {
      for output in node.outputs { made[graph.values[output].name] = output }
    }
    return made
  }

  private static func isAlike(_ model: Graph, _ value: ValueID, _ packed: Graph, _ other: ValueID) -> Bool {
    let (first, second) = (model.values[value], packed.values[other])
    return first.elementType == second.elementType && first.shape.count == second.shape.count
      && zip(first.shape, second.shape).allSatisfy { $0.isDynamic && $1.isDynamic || $0 == $1 }
  }

  /// Whether numbers come out that did not go in.
  static func computes(_ operation: Operation) -> Bool {
    switch operation {
    case .constant, .cast, .transpose, .reshape, .expand, .concatenate, .slice, .split, .pad, .gather,
      .select,
      .positions, .statePositions:
      false
    default: true
    }
  }
}

/// In which order the packed model has the channels of a value: packing may sort the outputs of a layer for the one that
/// multiplies them.
enum ChannelOrder: Equatable {
  case same
  case permuted([Int])
  case unknown

  /// nil: its own.
  var places: [Int]? { if case .permuted(let places) = self { places } else { nil } }
}

private struct ChannelOrders {
  private var orders: [ValueID: ChannelOrder] = [:]

  func order(of value: ValueID) -> ChannelOrder { orders[value] ?? .same }

  init(_ model: Graph, _ packed: Graph) throws(PackError) {
    let linears = try WeightLayers(model).linears
    var makers: [ValueID: Node] = [:]
    for node in model.nodes { for output in node.outputs { makers[output] = node } }
    let matrices = Self.matrices(packed)
    for layer in linears {
      guard let producer = layer.producer else { continue }
      let consumer = matrices[model.values[model.nodes[layer.node].output].name]
      let order: ChannelOrder
      if let consumer, consumer.gather != nil || consumer.levels.count <= 1 {
        order = .same
      } else {
        let source = matrices[model.values[model.nodes[linears[producer].node].output].name]
        order = source.map { Self.order(linears[producer].bias, $0) } ?? .same
      }
      guard order != .same else { continue }
      var value = layer.input
      while case .activation? = makers[value]?.operation, let maker = makers[value] {
        orders[value] = order
        value = maker.inputs[0]
      }
      orders[value] = order
    }
  }

  /// Packed matrices by the name of what they make.
  private static func matrices(_ graph: Graph) -> [String: PackedMatrix] {
    var matrices: [String: PackedMatrix] = [:]
    for node in graph.nodes {
      guard case .linear(let linear) = node.operation,
        case .matrix(let matrix) = graph.constants[linear.matrix]
      else { continue }
      matrices[graph.values[node.output].name] = matrix
    }
    return matrices
  }

  /// Biases keep their numbers, and move with their outputs.
  private static func order(_ bias: [Float]?, _ packed: PackedMatrix) -> ChannelOrder {
    guard let bias, let numbers = packed.bias?.bound(to: Float.self), numbers.count >= bias.count else {
      return .unknown
    }
    var places: [UInt32: Int] = [:]
    for (place, number) in bias.enumerated() {
      guard places.updateValue(place, forKey: number.bitPattern) == nil else { return .unknown }
    }
    let order = numbers.prefix(bias.count).compactMap { places[$0.bitPattern] }
    guard Set(order).count == bias.count else { return .unknown }
    return order == Array(order.indices) ? .same : .permuted(order)
  }
}
