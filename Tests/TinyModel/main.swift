import SoniqCore
import SoniqFormat
import SoniqGraph
import SoniqQuantizers
import SoniqTestSupport

// Writes Tests/Golden/tiny-bert.soniq: a sentence encoder with one layer and random weights, small enough to
// commit. It holds every operation, a matrix of two levels with scattered channels, levels of 1 to 8 bits,
// bipolar and affine, measured and fixed activation scales.
//
// usage: swift run tiny-model PATH

let hidden = 32
let heads = 2
let vocabulary = 64
let longest = 32

/// Random weights, quantised and packed.
struct Builder {
  var random = SeededGenerator(seed: 2311)
  let store = ConstantStore()
  var graph = Graph()

  mutating func numbers(_ count: Int, scale: Float, around middle: Float = 0) -> [Float] {
    (0..<count).map { _ in middle + Float.random(in: -scale...scale, using: &random) }
  }

  mutating func add(_ constant: Constant, _ name: String) -> ConstantID {
    graph.constants.append(constant)
    graph.constantNames.append(name)
    return graph.constants.count - 1
  }

  mutating func value(_ name: String, _ shape: [Dimension], _ type: ElementType = .float32) -> ValueID {
    graph.values.append(Value(name: name, elementType: type, shape: shape))
    return graph.values.count - 1
  }

  mutating func node(_ name: String, _ operation: Operation, _ inputs: [ValueID], _ shape: [Dimension])
    -> ValueID
  {
    let type: ElementType = if case .positions = operation { .int32 } else { .float32 }
    let output = value(name, shape, type)
    graph.nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    return output
  }

  mutating func table(_ name: String, rows: Int, code: WeightCode) throws -> ConstantID {
    let weights = numbers(rows * hidden, scale: 1)
    let run = try weights.withUnsafeBufferPointer {
      try TableQuantizer(code: code, blockLength: 0).quantize(weights: $0, rows: rows, channels: hidden)
    }
    let level = TableLevel(
      code: code, channels: hidden, blockLength: run.blockLength, codes: store.store(run.codes),
      scales: store.store(run.scales))
    return add(.table(PackedTable(rows: rows, channels: hidden, levels: [level])), name)
  }

  mutating func norm(_ name: String) -> (gamma: ConstantID, beta: ConstantID) {
    func vector(_ values: [Float]) -> Constant {
      .dense(DenseConstant(elementType: .float32, shape: [hidden], bytes: store.store(values)))
    }
    return (
      add(vector(numbers(hidden, scale: 0.2, around: 1)), "\(name).gamma"),
      add(vector(numbers(hidden, scale: 0.2)), "\(name).beta")
    )
  }

  /// One level for all channels, or two that share them: every third channel gets the second.
  mutating func matrix(_ name: String, outputs: Int, inputs: Int, _ levels: [Level]) throws -> ConstantID {
    let weights = numbers(outputs * inputs, scale: 0.3)
    let groups =
      levels.count == 1
      ? [Array(0..<inputs)] : [(0..<inputs).filter { $0 % 3 != 1 }, (0..<inputs).filter { $0 % 3 == 1 }]
    let runs = try zip(levels, groups).map { level, channels in
      let part = (0..<outputs).flatMap { output in channels.map { weights[output * inputs + $0] } }
      return try part.withUnsafeBufferPointer {
        try MatrixQuantizer(level: level).quantize(weights: $0, outputs: outputs, channels: channels.count)
      }
    }
    let order = groups.flatMap { $0 }.map { UInt32($0) }
    let packed = try PackedMatrixBuilder(store: store).matrix(
      outputs: outputs, runs: runs, gather: levels.count == 1 ? nil : order,
      bias: numbers(outputs, scale: 0.1))
    return add(.matrix(packed), name)
  }
}

func level(_ weight: WeightCode, _ kind: CodeKind = .affine, _ bits: Int = 8, fixed: Float? = nil) -> Level {
  let scaling = fixed.map {
    ActivationCode.Scaling.fixed(scale: $0, zero: kind == .affine ? 1 << (bits - 1) : 0)
  }
  return Level(
    weight: weight, activation: ActivationCode(kind: kind, bits: bits, scaling: scaling ?? .dynamicPerRow))
}

func makeModel() throws -> ModelDescription {
  var build = Builder()
  build.graph.symbols = [Symbol(name: "batch", maximum: 4), Symbol(name: "sequence", maximum: longest)]
  let rows: [Dimension] = [.symbol(0), .symbol(1)]
  let states = rows + [.fixed(hidden)]
  let ids = build.value("input_ids", rows, .int32)
  let mask = build.value("attention_mask", rows, .int32)
  build.graph.inputs = [GraphInput(value: ids), GraphInput(value: mask, fill: 1)]

  let words = try build.table("embeddings.words", rows: vocabulary, code: .symmetric(8))
  let places = try build.table("embeddings.positions", rows: longest, code: .bipolar(4))
  let word = build.node("embed words", .embedding(table: words), [ids], states)
  let position = build.node("positions", .positions, [ids], rows)
  let place = build.node("embed positions", .embedding(table: places), [position], states)
  let sum = build.node("add positions", .add, [word, place], states)
  let first = build.norm("embeddings.norm")
  let norm = Operation.layerNorm(gamma: first.gamma, beta: first.beta, epsilon: 1e-12)
  let embedded = build.node("embedding norm", norm, [sum], states)

  let qkv = try build.matrix(
    "attention.qkv", outputs: 3 * hidden, inputs: hidden, [level(.symmetric(4)), level(.symmetric(8))])
  let projected = build.node(
    "attention qkv", .linear(matrix: qkv), [embedded], rows + [.fixed(3 * hidden)])
  let attention = Operation.attention(Attention(heads: heads, scale: 0.25, precision: .int8))
  let attended = build.node("attention", attention, [projected, mask], states)
  let output = try build.matrix("attention.output", outputs: hidden, inputs: hidden, [level(.symmetric(8))])
  let mixed = build.node("attention output", .linear(matrix: output), [attended], states)
  let residual = build.node("attention residual", .add, [mixed, embedded], states)
  let second = build.norm("attention.norm")
  let secondNorm = Operation.layerNorm(gamma: second.gamma, beta: second.beta, epsilon: 1e-12)
  let state = build.node("attention norm", secondNorm, [residual], states)

  let wide = rows + [.fixed(2 * hidden)]
  let up = try build.matrix(
    "feed.up", outputs: 2 * hidden, inputs: hidden,
    [level(.bipolar(1), .bipolar, 1), level(.bipolar(4), .bipolar, 4)])
  let inner = build.node("feed up", .linear(matrix: up), [state], wide)
  let activated = build.node("feed gelu", .activation(.geluErf), [inner], wide)
  let down = try build.matrix(
    "feed.down", outputs: hidden, inputs: 2 * hidden,
    [level(.symmetric(2), .affine, 8, fixed: 0.02), level(.bipolar(3), .affine, 5)])
  let outer = build.node("feed down", .linear(matrix: down), [activated], states)
  let total = build.node("feed residual", .add, [outer, state], states)
  let third = build.norm("feed.norm")
  let thirdNorm = Operation.layerNorm(gamma: third.gamma, beta: third.beta, epsilon: 1e-12)
  let last = build.node("last_hidden_state", thirdNorm, [total], states)
  let pooled = build.node("pool", .meanPool, [last, mask], [.symbol(0), .fixed(hidden)])
  let unit = build.node(
    "sentence_embedding", .l2Normalize(epsilon: 1e-12), [pooled], [.symbol(0), .fixed(hidden)])
  build.graph.outputs = [unit, last]
  let metadata: [(key: String, value: MetadataValue)] = [
    ("general.name", .text("tiny-bert")), ("general.license", .text("Apache-2.0")),
    ("general.producer", .text("tiny-model")), ("source.architecture", .text("bert")),
    ("test.vocabulary", .integer(Int64(vocabulary))), ("test.is_random", .boolean(true)),
    ("test.scale", .real(0.25)),
  ]
  return ModelDescription(graph: build.graph, metadata: metadata, owner: [build.store])
}

guard CommandLine.arguments.count == 2 else {
  print("usage: tiny-model PATH")
  throw FormatError(.cannotWrite, offset: 0, field: "PATH")
}
try ModelWriter.write(try makeModel(), toPath: CommandLine.arguments[1])
