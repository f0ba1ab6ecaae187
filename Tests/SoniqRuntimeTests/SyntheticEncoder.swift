import Glibc
import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// A small random encoder of the BERT kind, as a model and as plain arithmetic in double precision.
final class SyntheticEncoder {
  struct Shape {
    var layers = 2
    var hidden = 48
    var heads = 3
    var inner = 80
    var vocabulary = 50
    var positions = 24
    var batch = 4
    var function = ElementFunction.geluErf
  }
  enum Precision { case float, quantized }

  struct Norm {
    var gamma: [Double]
    var beta: [Double]
    var constants: (ConstantID, ConstantID) = (0, 0)
  }
  struct Layer {
    var query: SyntheticMatrix
    var output: SyntheticMatrix
    var outputNorm: Norm
    var up: SyntheticMatrix
    var down: SyntheticMatrix
    var norm: Norm
  }
  let shape: Shape
  private(set) var words: [[Double]] = []
  private(set) var places: [[Double]] = []
  private(set) var embeddingNorm = Norm(gamma: [], beta: [])
  private(set) var layers: [Layer] = []
  private(set) var graph = Graph()
  private var owners: [AnyObject] = []
  private var generator: SeededGenerator

  /// `palette` gives the levels of matrix number n; the first of two gets a third of the channels.
  init(
    seed: UInt64, shape: Shape = Shape(), precision: Precision, shuffled: Bool = false,
    palette: (Int) -> [Level] = { _ in [.affine(8, 8)] }
  ) {
    self.shape = shape
    generator = SeededGenerator(seed: seed)
    graph.symbols = [Symbol(name: "B", maximum: shape.batch), Symbol(name: "S", maximum: shape.positions)]
    words = table(rows: shape.vocabulary)
    places = table(rows: shape.positions)
    embeddingNorm = norm()
    for index in 0..<shape.layers {
      func matrix(_ number: Int, _ outputs: Int, _ inputs: Int) -> SyntheticMatrix {
        let levels = palette(4 * index + number)
        let first = levels.count == 2 ? inputs / 3 : inputs
        let runs = zip(levels, [first, inputs - first]).map { ($0, $1) }
        let matrix = SyntheticMatrix(
          outputs: outputs, inputs: inputs, levels: runs, shuffled: shuffled, using: &generator)
        owners += matrix.owners
        return matrix
      }
      layers.append(
        Layer(
          query: matrix(0, 3 * shape.hidden, shape.hidden), output: matrix(1, shape.hidden, shape.hidden),
          outputNorm: norm(), up: matrix(2, shape.inner, shape.hidden),
          down: matrix(3, shape.hidden, shape.inner), norm: norm()))
    }
    buildGraph(precision)
  }

  var description: ModelDescription { ModelDescription(graph: graph, metadata: [], owner: owners) }

  private func table(rows: Int) -> [[Double]] {
    (0..<rows).map { _ in
      (0..<shape.hidden).map { _ in Double(Float.random(in: -1...1, using: &generator)) }
    }
  }

  private func dense(_ numbers: [Double], shape: [Int]) -> ConstantID {
    let buffer = AlignedBuffer(copying: numbers.map { Float($0) })
    owners.append(buffer)
    graph.constants.append(
      .dense(DenseConstant(elementType: .float32, shape: shape, bytes: ConstantBytes(buffer))))
    graph.constantNames.append("dense \(graph.constants.count)")
    return graph.constants.count - 1
  }

  private func norm() -> Norm {
    var norm = Norm(
      gamma: (0..<shape.hidden).map { _ in Double(Float.random(in: 0.7...1.3, using: &generator)) },
      beta: (0..<shape.hidden).map { _ in Double(Float.random(in: -0.2...0.2, using: &generator)) })
    norm.constants = (
      dense(norm.gamma, shape: [shape.hidden]), dense(norm.beta, shape: [shape.hidden])
    )
    return norm
  }

  // MARK: The graph

  private func value(_ name: String, _ type: ElementType, _ dimensions: [Dimension]) -> ValueID {
    graph.values.append(Value(name: name, elementType: type, shape: dimensions))
    return graph.values.count - 1
  }

  private func node(_ operation: Operation, _ inputs: [ValueID], width: Int?) -> ValueID {
    let name = "node \(graph.nodes.count)"
    let output =
      width.map { value(name, .float32, [.symbol(0), .symbol(1), .fixed($0)]) }
      ?? value(name, .int32, [.symbol(0), .symbol(1)])
    graph.nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    return output
  }

  private func linear(_ matrix: SyntheticMatrix, _ input: ValueID, _ precision: Precision) -> ValueID {
    graph.constants.append(precision == .float ? .floatMatrix(matrix.float) : .matrix(matrix.packed))
    graph.constantNames.append("matrix \(graph.constants.count)")
    return node(.linear(matrix: graph.constants.count - 1), [input], width: matrix.packed.outputs)
  }

  private func layerNorm(_ norm: Norm, _ input: ValueID) -> ValueID {
    node(
      .layerNorm(gamma: norm.constants.0, beta: norm.constants.1, epsilon: 1e-12), [input],
      width: shape.hidden)
  }

  private func buildGraph(_ precision: Precision) {
    let width = shape.hidden
    let ids = value("input_ids", .int32, [.symbol(0), .symbol(1)])
    let mask = value("attention_mask", .int32, [.symbol(0), .symbol(1)])
    graph.inputs = [GraphInput(value: ids), GraphInput(value: mask, fill: 1)]
    let wordTable = dense(words.flatMap { $0 }, shape: [shape.vocabulary, width])
    let placeTable = dense(places.flatMap { $0 }, shape: [shape.positions, width])
    let word = node(.embedding(table: wordTable), [ids], width: width)
    let place = node(.embedding(table: placeTable), [node(.positions, [ids], width: nil)], width: width)
    var x = layerNorm(embeddingNorm, node(.add, [word, place], width: width))
    let scale = 1 / Float(width / shape.heads).squareRoot()
    for layer in layers {
      let attention = Operation.attention(
        Attention(heads: shape.heads, scale: scale, precision: precision == .float ? .float32 : .int8))
      let mixed = node(attention, [linear(layer.query, x, precision), mask], width: width)
      let projected = linear(layer.output, mixed, precision)
      x = layerNorm(layer.outputNorm, node(.add, [projected, x], width: width))
      let inner = node(
        .activation(shape.function), [linear(layer.up, x, precision)], width: shape.inner)
      x = layerNorm(layer.norm, node(.add, [linear(layer.down, inner, precision), x], width: width))
    }
    let pooled = value("pooled", .float32, [.symbol(0), .fixed(width)])
    graph.nodes.append(Node(name: "pool", operation: .meanPool, inputs: [x, mask], output: pooled))
    let sentence = value("sentence", .float32, [.symbol(0), .fixed(width)])
    graph.nodes.append(
      Node(name: "norm", operation: .l2Normalize(epsilon: 1e-12), inputs: [pooled], output: sentence))
    graph.outputs = [sentence, x]
  }

  // MARK: Plain arithmetic

  /// Hidden states [S][hidden] and the sentence vector of one sequence.
  func reference(ids: [Int], mask: [Bool]) -> (hidden: [[Double]], sentence: [Double]) {
    var x = ids.enumerated().map { position, id in
      normalized(zip(words[id], places[position]).map { $0 + $1 }, embeddingNorm)
    }
    for layer in layers {
      let projected = attention(x.map(layer.query.apply), mask).map(layer.output.apply)
      x = zip(projected, x).map { normalized(zip($0, $1).map { $0 + $1 }, layer.outputNorm) }
      x = x.map { row in
        let inner = layer.up.apply(row).map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }
        return normalized(zip(layer.down.apply(inner), row).map { $0 + $1 }, layer.norm)
      }
    }
    let valid = zip(x, mask).filter { $0.1 }.map { $0.0 }
    let mean = (0..<shape.hidden).map { channel in
      valid.reduce(0) { $0 + $1[channel] } / Double(max(1, valid.count))
    }
    let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return (x, mean.map { $0 / max(length, 1e-12) })
  }

  private func normalized(_ row: [Double], _ norm: Norm) -> [Double] {
    let mean = row.reduce(0, +) / Double(row.count)
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
    return row.indices.map {
      (row[$0] - mean) / (variance + 1e-12).squareRoot() * norm.gamma[$0] + norm.beta[$0]
    }
  }

  private func attention(_ qkv: [[Double]], _ mask: [Bool]) -> [[Double]] {
    let width = shape.hidden
    let length = width / shape.heads
    var result = [[Double]](repeating: [Double](repeating: 0, count: width), count: qkv.count)
    for head in 0..<shape.heads {
      let channels = head * length..<(head + 1) * length
      for row in qkv.indices {
        let scores = qkv.indices.map { other -> Double in
          guard mask[other] else { return -Double.infinity }
          let dot = channels.reduce(0.0) { $0 + qkv[row][$1] * qkv[other][width + $1] }
          return dot / Double(length).squareRoot()
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        for channel in channels {
          var mixed = 0.0
          for other in qkv.indices where mask[other] {
            mixed += weights[other] * qkv[other][2 * width + channel]
          }
          result[row][channel] = mixed / sum
        }
      }
    }
    return result
  }
}
