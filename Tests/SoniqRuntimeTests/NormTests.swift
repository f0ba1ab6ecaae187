import SoniqGraph
import SoniqTestSupport
import Testing

/// Norms of rows by the root of their mean square: alone between the host's input and output, and with an addition.
@Suite struct NormTests {
  private static func norm(_ rows: TensorArray, _ gamma: TensorArray, epsilon: Double) -> TensorArray {
    let width = rows.shape[rows.shape.count - 1]
    return TensorArray(rows.shape) { index in
      let row = (0..<width).map { rows[index.dropLast() + [$0]] }
      let root = (row.reduce(0) { $0 + $1 * $1 } / Double(width) + epsilon).squareRoot()
      return rows[index] / root * gamma.elements[index[index.count - 1]]
    }
  }

  @Test(arguments: [[3, 1], [5, 16], [2, 7, 37], [4, 3, 2, 100]])
  func rootMeanSquareAlone(shape: [Int]) throws {
    var generator = SeededGenerator(seed: 9100)
    let rows = TensorArray.random(shape, using: &generator)
    let gamma = TensorArray.random([shape[shape.count - 1]], using: &generator)
    try TensorRun(.rmsNorm(gamma: 0, epsilon: 1e-5), [rows], batched: [0], constants: [gamma])
      .expect(Self.norm(rows, gamma, epsilon: 1e-5), absolute: 1e-5)
  }

  /// The norm does the addition, and the sum that somebody else reads as well is made all the same.
  @Test(arguments: [false, true])
  func rootMeanSquareOfASum(isSumRead: Bool) throws {
    var generator = SeededGenerator(seed: 9101)
    let inputs = (0..<2).map { _ in TensorArray.random([5, 48], using: &generator) }
    let gamma = TensorArray.random([48], using: &generator)
    var (graph, owners) = try TensorRun(.add, inputs, batched: [0, 1], constants: [gamma]).graph()
    let sum = graph.outputs[0]
    let norm = graph.add(.rmsNorm(gamma: 0, epsilon: 1e-6), [sum])
    graph.outputs = isSumRead ? [graph.add(.add, [norm, sum])] : [norm]
    try graph.validate()
    let sums = TensorArray([5, 48]) { inputs[0][$0] + inputs[1][$0] }
    let normed = Self.norm(sums, gamma, epsilon: 1e-6)
    let expected = isSumRead ? TensorArray([5, 48]) { normed[$0] + sums[$0] } : normed
    for lanes in 1...3 {
      let bits = try graph.run(inputs, lanes: lanes, owners: owners).bits
      for (index, truth) in expected.elements.enumerated() {
        #expect(abs(Double(Float(bitPattern: bits[index])) - truth) < 1e-4, "\(lanes) lanes, \(index)")
      }
    }
  }
}
