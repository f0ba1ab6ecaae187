import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

/// Attention with numbers added to its scores in graphs: wherever they come from, the outputs are those of the same
/// arithmetic in tensor operations.
@Suite struct AttentionBiasTests {
  static let (batch, length, heads, channels) = (3, 21, 2, 16)
  static let rows: [Dimension] = [.symbol(0), .symbol(1)]

  /// Inputs x [batch, length, 3 * channels] and bias; dynamic sizes of which a run uses less than the most.
  static func graph(bias shape: [Dimension], masked: Bool = false) -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 5), Symbol(name: "length", maximum: 30)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: rows + [.fixed(3 * channels)]),
      Value(name: "bias", elementType: .float32, shape: shape),
    ]
    if masked { graph.values.append(Value(name: "mask", elementType: .int32, shape: rows)) }
    graph.inputs = graph.values.indices.map { GraphInput(value: $0) }
    return graph
  }

  static func sizes(_ shape: [Dimension]) -> [Int] {
    shape.map { dimension in
      switch dimension {
      case .fixed(let size): size
      case .symbol(let symbol): symbol == 0 ? batch : length
      }
    }
  }

  static func attention(_ precision: AttentionPrecision = .float32, causal: Bool = false)
    -> SoniqGraph.Operation
  {
    .attention(Attention(heads: heads, scale: 0.35, precision: precision, isCausal: causal, hasBias: true))
  }

  /// softmax(q k^T * 0.35 + bias) v as tensor operations.
  static func addArithmetic(_ graph: inout Graph, _ x: ValueID, _ bias: ValueID) -> ValueID {
    let split: [Dimension] = rows + [.fixed(heads), .fixed(channels / heads)]
    let parts = (0..<3).map { part in
      let ranges = [
        SliceRange(begin: 0, step: 1, count: nil), SliceRange(begin: 0, step: 1, count: nil),
        SliceRange(begin: part * channels, step: 1, count: channels),
      ]
      return graph.add(
        .transpose([0, 2, 1, 3]), [graph.add(.reshape(split), [graph.add(.slice(ranges), [x])])])
    }
    let scale = graph.addScale()
    let scores = graph.add(
      .binary(.multiply), [graph.add(.matmul(transposesRight: true), [parts[0], parts[1]]), scale])
    let weights = graph.add(
      .softmax(axis: 3, isLogarithm: false), [graph.add(.binary(.add), [scores, bias])])
    let context = graph.add(.matmul(transposesRight: false), [weights, parts[2]])
    return graph.add(.reshape(rows + [.fixed(channels)]), [graph.add(.transpose([0, 2, 1, 3]), [context])])
  }

  static let shapes: [[Dimension]] = [
    [.symbol(0), .fixed(heads), .symbol(1), .symbol(1)], [.fixed(1), .fixed(heads), .symbol(1), .symbol(1)],
    [.symbol(0), .fixed(1), .symbol(1), .symbol(1)], [.fixed(1), .fixed(1), .symbol(1), .symbol(1)],
    [.symbol(0), .fixed(heads), .fixed(1), .symbol(1)], [.fixed(1), .fixed(heads), .fixed(1), .symbol(1)],
    [.symbol(0), .fixed(1), .fixed(1), .symbol(1)], [.fixed(1), .fixed(1), .fixed(1), .symbol(1)],
  ]

  /// The bits with 1, 2 and 3 lanes, which must agree.
  static func bits(_ graph: Graph, _ inputs: [TensorArray]) throws -> [UInt32] {
    try graph.validate()
    let (one, owners) = (graph, Numbers.owner)
    let bits = try one.run(inputs, lanes: 1, owners: [owners]).bits
    for lanes in 2...3 {
      #expect(try one.run(inputs, lanes: lanes, owners: [owners]).bits == bits, "\(lanes) lanes")
    }
    return bits
  }

  static func distance(_ left: [UInt32], _ right: [UInt32]) -> Float {
    guard left.count == right.count else { return .infinity }
    return zip(left, right).map { abs(Float(bitPattern: $0) - Float(bitPattern: $1)) }.max() ?? 0
  }

  enum Place: CaseIterable {
    /// The host's input is added, and nothing else is in the network.
    case alone
    /// What is added is computed before.
    case computed
    /// It is used by two, and what lies between them could take its memory.
    case shared
    /// The network goes on.
    case first
  }

  private static func network(
    _ place: Place, _ shape: [Dimension], _ add: (inout Graph, ValueID, ValueID) -> ValueID
  ) -> Graph {
    var graph = graph(bias: shape)
    switch place {
    case .alone: graph.outputs = [add(&graph, 0, 1)]
    case .computed: graph.outputs = [add(&graph, 0, graph.add(.unary(.negative), [1]))]
    case .first:
      let context = add(&graph, 0, 1)
      graph.outputs = [graph.add(.activation(.relu), [graph.add(.add, [context, context])])]
    case .shared:
      let bias = graph.add(.unary(.negative), [1])
      let first = graph.add(.unary(.negative), [add(&graph, 0, bias)])
      let wide = graph.add(.concatenate(axis: 2), [first, first, first])
      graph.outputs = [add(&graph, graph.add(.activation(.silu), [wide]), bias)]
    }
    return graph
  }

  @Test(arguments: Place.allCases, shapes) func equalsTensorOperations(place: Place, shape: [Dimension])
    throws
  {
    var generator = SeededGenerator(seed: 6101)
    let inputs = [
      TensorArray.random([Self.batch, Self.length, 3 * Self.channels], using: &generator),
      TensorArray.random(Self.sizes(shape), using: &generator),
    ]
    let wanted = try Self.bits(Self.network(place, shape) { Self.addArithmetic(&$0, $1, $2) }, inputs)
    let got = try Self.bits(Self.network(place, shape) { $0.add(Self.attention(), [$1, $2]) }, inputs)
    #expect(Self.distance(got, wanted) < 2e-5)
    let integers = try Self.bits(
      Self.network(place, shape) { $0.add(Self.attention(.int8), [$1, $2]) }, inputs)
    #expect(integers != got)
    #expect(Self.distance(integers, wanted) < (place == .first ? 0.4 : 0.2))
  }

  /// A mask of the keys is as if the added number were -infinity.
  @Test(arguments: [AttentionPrecision.float32, .int8], [false, true])
  func maskAndBias(precision: AttentionPrecision, causal: Bool) throws {
    var generator = SeededGenerator(seed: 6102)
    let shape = Self.shapes[0]
    let x = TensorArray.random([Self.batch, Self.length, 3 * Self.channels], using: &generator)
    let bias = TensorArray.random(Self.sizes(shape), using: &generator)
    let mask = TensorArray([Self.batch, Self.length], .int32) { ($0[0] + $0[1]) % 3 == 0 ? 0 : 1 }
    var masked = Self.graph(bias: shape, masked: true)
    masked.outputs = [masked.add(Self.attention(precision, causal: causal), [0, 2, 1])]
    var plain = Self.graph(bias: shape)
    plain.outputs = [plain.add(Self.attention(precision), [0, 1])]
    let hiding = TensorArray(bias.shape) { index in
      let isHidden = mask[[index[0], index[3]]] == 0 || causal && index[3] > index[2]
      return isHidden ? -.infinity : bias[index]
    }
    let got = try Self.bits(masked, [x, bias, mask])
    let wanted = try Self.bits(plain, [x, hiding])
    #expect(Self.distance(got, wanted) < (precision == .float32 ? 1e-5 : 0.05))
  }

  /// One that lies in the file.
  @Test func constant() throws {
    var generator = SeededGenerator(seed: 6103)
    let bias = TensorArray.random([1, Self.heads, 9, 9], using: &generator)
    let x = TensorArray.random([2, 9, 3 * Self.channels], using: &generator)
    let buffer = AlignedBuffer(copying: bias.bits)
    func network(isConstant: Bool) -> Graph {
      var graph = Graph()
      graph.values = [
        Value(name: "x", elementType: .float32, shape: [.fixed(2), .fixed(9), .fixed(3 * Self.channels)])
      ]
      if isConstant {
        graph.constants = [
          .dense(DenseConstant(elementType: .float32, shape: bias.shape, bytes: ConstantBytes(buffer)))
        ]
        graph.constantNames = ["bias"]
        graph.add(.constant(0), [])
      } else {
        graph.values.append(
          Value(name: "bias", elementType: .float32, shape: bias.shape.map { .fixed($0) }))
      }
      graph.inputs = (isConstant ? [0] : [0, 1]).map { GraphInput(value: $0) }
      graph.outputs = [graph.add(Self.attention(), [0, 1])]
      return graph
    }
    let wanted = try network(isConstant: false).run([x, bias], lanes: 1).bits
    for lanes in 1...3 {
      #expect(try network(isConstant: true).run([x], lanes: lanes, owners: [buffer]).bits == wanted)
    }
  }
}

/// Numbers that graphs have as constants.
private enum Numbers {
  static let owner = AlignedBuffer(copying: [Float(0.35)])
}

extension Graph {
  fileprivate mutating func addScale() -> ValueID {
    constants.append(
      .dense(DenseConstant(elementType: .float32, shape: [1], bytes: ConstantBytes(Numbers.owner))))
    constantNames.append("number\(constantNames.count)")
    return add(.constant(constants.count - 1), [])
  }
}
