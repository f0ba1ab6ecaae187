import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// The words' table of a decoder whose words are still floats.
struct FloatWords {
  private let node: Int
  private let table: DenseConstant
  /// The output matrix, if it has the same numbers.
  private let twin: ConstantID?

  /// nil where the table has codes.
  init?(_ graph: Graph) {
    for (index, node) in graph.nodes.enumerated() {
      guard case .embedding(let embedding) = node.operation,
        case .dense(let table) = graph.constants[embedding.table], table.shape.count == 2
      else { continue }
      (self.node, self.table) = (index, table)
      twin =
        graph.nodes.lazy.compactMap { node -> ConstantID? in
          guard node.name == DecoderPart.head, case .linear(let linear) = node.operation,
            case .floatMatrix(let matrix) = graph.constants[linear.matrix],
            matrix.bias == nil, Self.areEqual(table, matrix)
          else { return nil }
          return linear.matrix
        }.first
      return
    }
    return nil
  }

  private static func areEqual(_ table: DenseConstant, _ matrix: FloatMatrix) -> Bool {
    guard table.shape == [matrix.outputs, matrix.inputs] else { return false }
    let (rows, panels) = (table.bytes.bound(to: Float.self), matrix.panels.bound(to: Float.self))
    return (0..<matrix.outputs).allSatisfy { output in
      let start = output / panelOutputs * panelOutputs * matrix.inputs + output % panelOutputs
      return (0..<matrix.inputs).allSatisfy {
        rows[output * matrix.inputs + $0] == panels[start + $0 * panelOutputs]
      }
    }
  }

  /// Puts codes in its place: those of the output matrix where they are the same, else the nearest ones.
  /// * graph: with codes in the output matrix.
  func replace(in graph: inout Graph, _ rounding: GroupRounding, _ store: ConstantStore) throws(PackError) {
    if let twin {
      graph.nodes[node].operation = .embedding(table: twin)
      UsedConstants.keep(&graph)
      return
    }
    let words = WordRounding(rounding: rounding, isStated: true)
    let matrices = DecoderMatrices(store: store, treatment: .rounded(rounding, words: words))
    guard case .embedding(let embedding) = graph.nodes[node].operation else { return }
    graph.constants[embedding.table] = try matrices.table(Rows(table: table))
  }

  /// Its rows as those of a file.
  private struct Rows: StoredRows {
    let table: DenseConstant
    var count: Int { table.shape[0] }
    var length: Int { table.shape[1] }

    func read(_ row: Int, into target: UnsafeMutableBufferPointer<Float>) {
      let numbers = table.bytes.bound(to: Float.self)
      for index in 0..<length { target[index] = numbers[row * length + index] }
    }

    func fault(_ message: String) -> PackError { PackError(.data, place: "the words' table", message) }
  }
}
