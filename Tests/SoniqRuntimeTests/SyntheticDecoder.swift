import Glibc
import SoniqCore
import SoniqGraph
import SoniqRuntime
import SoniqTestSupport

/// What keys and values are.
enum CacheNumbers: CaseIterable {
  case float32, float16, bytes
  /// Codes of 4 bits, of values or of both.
  case nibbleValues, nibbles

  var type: ElementType { self == .float32 ? .float32 : self == .float16 ? .float16 : .int8 }

  func bits(isKey: Bool) -> Int {
    switch self {
    case .float32: 32
    case .float16: 16
    case .bytes: 8
    case .nibbleValues: isKey ? 8 : 4
    case .nibbles: 4
    }
  }

  /// Bytes of a position of two heads of four channels; values of 4 bits take those of 32 channels.
  func rowBytes(isKey: Bool) -> Int {
    let steps = type == .int8 ? 2 * 4 : 0
    return steps + (bits(isKey: isKey) == 4 && !isKey ? 2 * 16 : bits(isKey: isKey))
  }
}

/// A decoder of two layers with random weights: as a graph with states, and in double precision.
struct SyntheticDecoder {
  static let vocabulary = 11
  static let hidden = 16
  static let heads = 4
  static let keyHeads = 2
  static let length = 4
  static let positions = 64
  /// By layer.
  static let windows = [0, 3]
  static let softcaps: [Float] = [2, 0]

  private var matrices: [SyntheticMatrix] = []
  private let table: [Double]
  private let angles: [[Double]]
  private(set) var owners: [AnyObject] = []
  private(set) var graph = Graph()

  /// Quantised matrices have a scale for each row of activations. With chosen rows it is what decoders run, with summed
  /// ones a token sees all before it in its run outside attention, too.
  init(
    seed: UInt64, isQuantized: Bool = false, states: CacheNumbers = .float32, capacity: Int = 24,
    choosesRows: Bool = false, sumsRows: Bool = false
  ) {
    var generator = SeededGenerator(seed: seed)
    table = (0..<Self.vocabulary * Self.hidden).map { _ in Double(Float.random(in: -1...1, using: &generator))
    }
    angles = (0..<Self.positions).map { place in
      (0..<Self.length / 2).map { Double(place) / Glibc.pow(100, Double($0) / 2) }
    }
    graph.symbols = [
      Symbol(name: "batch", maximum: 4), Symbol(name: "sequence", maximum: 32),
      Symbol(name: "capacity", maximum: capacity),
    ]
    graph.values = [Value(name: "ids", elementType: .int32, shape: [.symbol(0), .symbol(1)])]
    graph.inputs = [GraphInput(value: 0)]
    if choosesRows {
      graph.symbols.append(Symbol(name: "logits", maximum: 16))
      graph.values.append(Value(name: "logit_positions", elementType: .int32, shape: [.symbol(3)]))
      graph.inputs.append(GraphInput(value: 1, fill: -1))
    }
    let width = Self.keyHeads * Self.length
    graph.states = (0..<4).map { index in
      GraphState(
        name: "\(index % 2 == 0 ? "keys" : "values") \(index / 2)", elementType: states.type,
        bits: states.bits(isKey: index % 2 == 0), shape: [.symbol(0), .symbol(2), .fixed(width)],
        kind: .growing)
    }
    build(isQuantized: isQuantized, choosesRows: choosesRows, sumsRows: sumsRows, &generator)
  }

  private mutating func dense(_ numbers: [Float], _ shape: [Int]) -> ConstantID {
    let buffer = AlignedBuffer(copying: numbers)
    owners.append(buffer)
    graph.constants.append(
      .dense(DenseConstant(elementType: .float32, shape: shape, bytes: ConstantBytes(buffer))))
    graph.constantNames.append("constant \(graph.constants.count)")
    return graph.constants.count - 1
  }

  private mutating func linear(
    _ input: ValueID, _ outputs: Int, isQuantized: Bool, _ generator: inout SeededGenerator
  ) -> ValueID {
    let matrix = SyntheticMatrix(
      outputs: outputs, inputs: Self.hidden, levels: [(.affine(8, 8), Self.hidden)], shuffled: false,
      using: &generator)
    matrices.append(matrix)
    owners += matrix.owners
    graph.constants.append(isQuantized ? .matrix(matrix.packed) : .floatMatrix(matrix.float))
    graph.constantNames.append("matrix \(graph.constants.count)")
    return graph.add(.linear(matrix: graph.constants.count - 1), [input])
  }

  private mutating func build(
    isQuantized: Bool, choosesRows: Bool, sumsRows: Bool, _ generator: inout SeededGenerator
  ) {
    let pairs = Self.length / 2
    let words = dense(table.map { Float($0) }, [Self.vocabulary, Self.hidden])
    let cosine = dense(angles.flatMap { $0.map { Float(Glibc.cos($0)) } }, [Self.positions, pairs])
    let sine = dense(angles.flatMap { $0.map { Float(Glibc.sin($0)) } }, [Self.positions, pairs])
    let gamma = dense([Float](repeating: 1, count: Self.hidden), [Self.hidden])
    let places = graph.add(.statePositions(StatePositions(state: 0)), [0])
    var x = graph.add(.embedding(table: words), [0])
    for layer in 0..<2 {
      let normed = graph.add(.rmsNorm(gamma: gamma, epsilon: 1e-6), [x])
      let width = Self.keyHeads * Self.length
      var query = linear(normed, Self.hidden, isQuantized: isQuantized, &generator)
      var key = linear(normed, width, isQuantized: isQuantized, &generator)
      let value = linear(normed, width, isQuantized: isQuantized, &generator)
      query = graph.add(
        .rotary(Rotary(heads: Self.heads, isInterleaved: false, cosine: cosine, sine: sine)), [query, places])
      key = graph.add(
        .rotary(Rotary(heads: Self.keyHeads, isInterleaved: false, cosine: cosine, sine: sine)),
        [key, places])
      let attention = GroupedAttention(
        heads: Self.heads, keyValueHeads: Self.keyHeads, scale: 0.5, isCausal: true,
        window: Self.windows[layer], softcap: Self.softcaps[layer], keyState: 2 * layer,
        valueState: 2 * layer + 1)
      let seen = graph.add(.groupedAttention(attention), [query, key, value])
      x = graph.add(.add, [x, linear(seen, Self.hidden, isQuantized: isQuantized, &generator)])
    }
    if sumsRows { x = graph.add(.cumulate(axis: 1, isExclusive: false, isReversed: false), [x]) }
    if choosesRows { x = graph.add(.gather(axis: 1), [x, 1]) }
    graph.outputs = [linear(x, Self.vocabulary, isQuantized: isQuantized, &generator)]
    graph.values[graph.outputs[0]].name = "logits"
  }

  func model() throws -> Model { try Model(ModelDescription(graph: graph, metadata: [], owner: owners)) }

  // MARK: In double precision

  /// Logits of every position.
  func truth(_ ids: [Int32]) -> [[Double]] {
    var x = ids.map { id in (0..<Self.hidden).map { table[Int(id) * Self.hidden + $0] } }
    for layer in 0..<2 {
      let normed = x.map { row in
        let mean = row.reduce(0) { $0 + $1 * $1 } / Double(Self.hidden)
        return row.map { $0 / (mean + 1e-6).squareRoot() }
      }
      let parts = (0..<3).map { part in normed.map { matrices[4 * layer + part].apply($0) } }
      let queries = parts[0].enumerated().map { turned($1, $0) }
      let keys = parts[1].enumerated().map { turned($1, $0) }
      for position in ids.indices {
        let seen = attended(position, queries[position], keys, parts[2], layer)
        let added = matrices[4 * layer + 3].apply(seen)
        x[position] = zip(x[position], added).map { $0 + $1 }
      }
    }
    return x.map { matrices[8].apply($0) }
  }

  private func turned(_ row: [Double], _ position: Int) -> [Double] {
    var row = row
    let pairs = Self.length / 2
    for head in 0..<row.count / Self.length {
      for pair in 0..<pairs {
        let (first, second) = (head * Self.length + pair, head * Self.length + pair + pairs)
        let (cosine, sine) = (Glibc.cos(angles[position][pair]), Glibc.sin(angles[position][pair]))
        (row[first], row[second]) = (
          row[first] * cosine - row[second] * sine, row[second] * cosine + row[first] * sine
        )
      }
    }
    return row
  }

  private func attended(
    _ position: Int, _ query: [Double], _ keys: [[Double]], _ values: [[Double]], _ layer: Int
  ) -> [Double] {
    let window = Self.windows[layer]
    let first = window > 0 ? max(0, position - window + 1) : 0
    var result: [Double] = []
    for head in 0..<Self.heads {
      let shared = head / (Self.heads / Self.keyHeads) * Self.length
      let scores = (first...position).map { key -> Double in
        let dot = (0..<Self.length).reduce(0) { $0 + query[head * Self.length + $1] * keys[key][shared + $1] }
        let cap = Double(Self.softcaps[layer])
        return cap > 0 ? cap * tanh(dot * 0.5 / cap) : dot * 0.5
      }
      let weights = scores.map { exp($0) }
      let total = weights.reduce(0, +)
      for channel in 0..<Self.length {
        result.append(
          zip(weights, first...position).reduce(0) { $0 + $1.0 * values[$1.1][shared + channel] } / total)
      }
    }
    return result
  }
}
