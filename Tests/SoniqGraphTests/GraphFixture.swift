import SoniqCore
import SoniqGraph

/// A valid graph with one node of every kind, to be broken in one place by each test.
struct GraphFixture {
  var graph = Graph()
  private(set) var owners: [AlignedBuffer] = []

  /// Constants by what they are for.
  let gamma = 0
  let packed = 1
  let table = 2
  let float = 3

  init() {
    graph.symbols = [Symbol(name: "B", maximum: 4), Symbol(name: "S", maximum: 16)]
    addConstants()
    let tokens: [Dimension] = [.symbol(0), .symbol(1)]
    func value(_ name: String, _ type: ElementType, _ shape: [Dimension]) -> ValueID {
      graph.values.append(Value(name: name, elementType: type, shape: shape))
      return graph.values.count - 1
    }
    func node(_ operation: Operation, _ inputs: [ValueID], _ type: ElementType, _ shape: [Dimension]) -> Int {
      let output = value("v\(graph.values.count)", type, shape)
      graph.nodes.append(
        Node(name: "n\(graph.nodes.count)", operation: operation, inputs: inputs, output: output))
      return output
    }
    let ids = value("ids", .int32, tokens)
    let mask = value("mask", .int32, tokens)
    graph.inputs = [GraphInput(value: ids), GraphInput(value: mask, fill: 1)]
    let narrow = tokens + [.fixed(32)]
    let word = node(.embedding(table: table), [ids], .float32, narrow)
    let place = node(.positions, [ids], .int32, tokens)
    let position = node(.embedding(table: table), [place], .float32, narrow)
    let sum = node(.add, [word, position], .float32, narrow)
    let norm = node(.layerNorm(gamma: gamma, beta: gamma, epsilon: 1e-5), [sum], .float32, narrow)
    let wide = node(.linear(matrix: packed), [norm], .float32, tokens + [.fixed(96)])
    let mixed = node(
      .attention(Attention(heads: 4, scale: 0.5, precision: .int8)), [wide, mask], .float32, narrow)
    let line = node(.linear(matrix: float), [mixed], .float32, tokens + [.fixed(20)])
    let gelu = node(.activation(.geluErf), [line], .float32, tokens + [.fixed(20)])
    let pooled = node(.meanPool, [gelu, mask], .float32, [.symbol(0), .fixed(20)])
    let unit = node(.l2Normalize(epsilon: 1e-12), [pooled], .float32, [.symbol(0), .fixed(20)])
    graph.outputs = [unit]
  }

  mutating func keep<T: BitwiseCopyable>(_ elements: [T]) -> ConstantBytes {
    let buffer = AlignedBuffer(copying: elements)
    owners.append(buffer)
    return ConstantBytes(buffer)
  }

  private mutating func addConstants() {
    let dense = DenseConstant(
      elementType: .float32, shape: [32], bytes: keep([Float](repeating: 1, count: 32)))
    let levels = [(WeightCode.symmetric(4), 12), (WeightCode.symmetric(8), 20)].map { code, channels in
      let stride = (channels + code.layout.tileChannels - 1) / code.layout.tileChannels * 64
      return MatrixLevel(
        level: Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8)), channels: channels,
        weights: keep([UInt8](repeating: 0, count: stride * 6)),
        scales: keep([Float](repeating: 0.5, count: 96)),
        storedSums: keep([Int32](repeating: 0, count: 96)))
    }
    let matrix = PackedMatrix(
      outputs: 96, inputs: 32, levels: levels, gather: keep((0..<32).map { UInt32(31 - $0) }),
      bias: keep([Float](repeating: 0, count: 96)))
    let codes = TableLevel(
      code: .symmetric(4), channels: 32, blockLength: 16, codes: keep([UInt8](repeating: 0, count: 16 * 16)),
      scales: keep([UInt16](repeating: 0x3c00, count: 16 * 2)))
    let float = FloatMatrix(
      outputs: 20, inputs: 32, panels: keep([Float](repeating: 0, count: 32 * 32)), bias: nil)
    graph.constants = [
      .dense(dense), .matrix(matrix), .table(PackedTable(rows: 16, channels: 32, levels: [codes])),
      .floatMatrix(float),
    ]
    graph.constantNames = ["gamma", "packed", "table", "float"]
  }

  /// Replaces the packed matrix by a changed copy.
  mutating func changeMatrix(_ change: (inout PackedMatrix) -> Void) {
    guard case .matrix(var matrix) = graph.constants[packed] else { return }
    change(&matrix)
    graph.constants[packed] = .matrix(matrix)
  }

  /// Replaces the packed table by a changed copy.
  mutating func changeTable(_ change: (inout PackedTable) -> Void) {
    guard case .table(var changed) = graph.constants[table] else { return }
    change(&changed)
    graph.constants[table] = .table(changed)
  }

  /// The fault that validation finds.
  func fault() -> GraphError? {
    defer { withExtendedLifetime(owners) {} }
    do throws(GraphError) {
      try graph.validate()
      return nil
    } catch {
      return error
    }
  }
}
