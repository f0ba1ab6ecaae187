import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// A valid graph of row operations, tensor operations and reshapes at random, over values of [2, n, channels] and
/// [2 n, channels]: what a schedule has to fuse, split into segments and lay out.
struct RandomGraph {
  private(set) var graph = Graph()
  private(set) var keptValues: [ValueID] = []
  private var owners: [AnyObject] = []
  private let length: Int
  private static let widths = [16, 48, 96]

  /// The first inputs: single numbers that selections take.
  private let conditions: Int

  init(nodes: Int, conditions: Int = 0, using generator: inout SeededGenerator) {
    self.conditions = conditions
    length = Int.random(in: 1...40, using: &generator)
    for index in 0..<conditions {
      graph.values.append(Value(name: "condition \(index)", elementType: .int32, shape: [.fixed(1)]))
      graph.inputs.append(GraphInput(value: index))
    }
    for index in 0..<2 {
      let input = addValue(channels: Self.widths.randomElement(using: &generator) ?? 16, isFlat: index == 1)
      graph.inputs.append(GraphInput(value: input))
    }
    while graph.nodes.count < nodes { addNode(&generator) }
    let read = Set(graph.nodes.flatMap(\.inputs))
    let unread = graph.nodes.map(\.output).filter { !read.contains($0) }
    // Some results are wanted, some are not, and some are readable although they are only steps on the way.
    graph.outputs = unread.filter { _ in Bool.random(using: &generator) }
    if graph.outputs.isEmpty, let last = unread.last { graph.outputs = [last] }
    keptValues = graph.nodes.map(\.output).filter {
      !graph.outputs.contains($0) && Int.random(in: 0..<8, using: &generator) == 0
    }
  }

  var description: ModelDescription { ModelDescription(graph: graph, metadata: [], owner: owners) }

  private func channels(_ value: ValueID) -> Int {
    guard case .fixed(let size)? = graph.values[value].shape.last else { return 0 }
    return size
  }

  private func isFlat(_ value: ValueID) -> Bool { graph.values[value].shape.count == 2 }

  private func shape(_ channels: Int, isFlat: Bool) -> [Dimension] {
    isFlat ? [.fixed(2 * length), .fixed(channels)] : [.fixed(2), .fixed(length), .fixed(channels)]
  }

  private mutating func addValue(channels: Int, isFlat: Bool) -> ValueID {
    graph.values.append(
      Value(
        name: "v\(graph.values.count)", elementType: .float32, shape: shape(channels, isFlat: isFlat)))
    return graph.values.count - 1
  }

  private mutating func add(
    _ operation: SoniqGraph.Operation, _ inputs: [ValueID], channels: Int, isFlat: Bool
  ) {
    let output = addValue(channels: channels, isFlat: isFlat)
    graph.nodes.append(
      Node(name: "n\(graph.nodes.count)", operation: operation, inputs: inputs, output: output))
  }

  private mutating func add(_ constant: Constant) -> ConstantID {
    graph.constants.append(constant)
    graph.constantNames.append("c\(graph.constants.count)")
    return graph.constants.count - 1
  }

  private mutating func addOnes(_ count: Int) -> ConstantID {
    let buffer = AlignedBuffer(copying: [Float](repeating: 1, count: count))
    owners.append(buffer)
    return add(
      .dense(DenseConstant(elementType: .float32, shape: [count], bytes: ConstantBytes(buffer))))
  }

  private mutating func addNode(_ generator: inout SeededGenerator) {
    // Mostly what was made last: chains are what is fused.
    let first = max(conditions, graph.values.count - 4)
    let isRecent = Int.random(in: 0..<4, using: &generator) > 0
    let input = Int.random(in: (isRecent ? first : conditions)..<graph.values.count, using: &generator)
    let (width, flat) = (channels(input), isFlat(input))
    let others = graph.values.indices.filter { graph.values[$0].shape == graph.values[input].shape }
    let other = others.randomElement(using: &generator) ?? input
    if conditions > 0, other != input, Int.random(in: 0..<4, using: &generator) == 0 {
      let condition = Int.random(in: 0..<conditions, using: &generator)
      let sides = Bool.random(using: &generator) ? [input, other] : [other, input]
      return add(.select, [condition] + sides, channels: width, isFlat: flat)
    }
    switch Int.random(in: 0..<12, using: &generator) {
    case 0: add(.unary(.exponential), [input], channels: width, isFlat: flat)
    case 1: add(.activation(.relu), [input], channels: width, isFlat: flat)
    case 2: add(.activation(.silu), [input], channels: width, isFlat: flat)
    case 3: add(.add, [input, other], channels: width, isFlat: flat)
    case 4: add(.binary(.multiply), [input, other], channels: width, isFlat: flat)
    case 5:
      let norm = SoniqGraph.Operation.layerNorm(gamma: addOnes(width), beta: addOnes(width), epsilon: 1e-5)
      add(norm, [input], channels: width, isFlat: flat)
    case 6, 7, 8: addLinear(input, &generator)
    case 9:
      add(.reshape(shape(width, isFlat: !flat)), [input], channels: width, isFlat: !flat)
    case 10: add(.l2Normalize(epsilon: 1e-6), [input], channels: width, isFlat: flat)
    default:
      if !flat, width % 3 == 0 {
        let attention = Attention(heads: 2, scale: 0.5, precision: .float32)
        add(.attention(attention), [input], channels: width / 3, isFlat: false)
      } else {
        add(.softmax(axis: flat ? 1 : 2, isLogarithm: false), [input], channels: width, isFlat: flat)
      }
    }
  }

  private mutating func addLinear(_ input: ValueID, _ generator: inout SeededGenerator) {
    let width = channels(input)
    let outputs = Self.widths.randomElement(using: &generator) ?? 16
    let levels: [(Level, Int)] =
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: [(.affine(8, 8), width)]
      case 1: [(.bipolar(2, 4), width / 2), (.affine(8, 8), width - width / 2)]
      default: [(Level.affine(8, 8).fixed(0.02, zero: 100), width)]
      }
    let matrix = SyntheticMatrix(
      outputs: outputs, inputs: width, levels: levels, shuffled: levels.count == 2, using: &generator)
    owners += matrix.owners
    let isFloat = Int.random(in: 0..<4, using: &generator) == 0
    let constant = add(isFloat ? .floatMatrix(matrix.float) : .matrix(matrix.packed))
    add(.linear(matrix: constant), [input], channels: outputs, isFlat: isFlat(input))
  }
}
