import CSoniq
import SoniqTestSupport
import Testing

@Suite struct MatrixTests {
  /// Weights that are whole multiples of a step survive 8 bits exactly up to rounding of the scale.
  @Test func unpackIsCloseToTheWeights() throws {
    var random = SeededGenerator(seed: 7)
    let weights = (0..<12 * 50).map { _ in Float.random(in: -1...1, using: &random) }
    let matrix = try Matrix(weights, outputs: 12, inputs: 50)
    var unpacked = [Float](repeating: .nan, count: weights.count)
    #expect(call { soniq_matrix_unpack(matrix.pointer, &unpacked, unpacked.count, $0) }.status == SONIQ_OK)
    let error = zip(weights, unpacked).map { abs($0 - $1) }.max() ?? 1
    #expect(error < 0.5 / 127 * 1.1, "seed 7: \(error)")
  }

  @Test func biasIsAddedAsItIs() throws {
    let bias: [Float] = [0.125, -3, 1e6]
    try bias.withUnsafeBufferPointer { pointer in
      var options = soniq_matrix_options.fresh
      options.bias = pointer.baseAddress
      let matrix = try Matrix([Float](repeating: 1, count: 12), outputs: 3, inputs: 4, options)
      var output = [Float](repeating: 0, count: 3)
      let result = call { soniq_matrix_multiply(matrix.pointer, [0, 0, 0, 0], 0, 1, &output, 0, $0) }
      #expect(result.status == SONIQ_OK && output == bias)
    }
  }

  /// One call with many rows, whatever block it is worked on in.
  @Test(arguments: [1, 2, 5, 64])
  func blockRowsChangeNothing(blockRows: UInt32) throws {
    var random = SeededGenerator(seed: 11)
    let weights = (0..<20 * 30).map { _ in Float.random(in: -1...1, using: &random) }
    let input = (0..<7 * 30).map { _ in Float.random(in: -4...4, using: &random) }
    var outputs: [[Float]] = []
    for rows in [0, blockRows] {
      var options = soniq_matrix_options.fresh
      options.block_rows = rows
      let matrix = try Matrix(weights, outputs: 20, inputs: 30, options)
      var output = [Float](repeating: 0, count: 7 * 20)
      #expect(call { soniq_matrix_multiply(matrix.pointer, input, 0, 7, &output, 0, $0) }.status == SONIQ_OK)
      outputs.append(output)
    }
    #expect(outputs[0] == outputs[1])
  }

  /// Callers on several threads share one matrix.
  @Test func concurrentCallersGetTheSameBits() async throws {
    var random = SeededGenerator(seed: 13)
    let weights = (0..<64 * 48).map { _ in Float.random(in: -1...1, using: &random) }
    let input = (0..<48).map { _ in Float.random(in: -4...4, using: &random) }
    let matrix = try Matrix(weights, outputs: 64, inputs: 48)
    let address = UInt(bitPattern: matrix.pointer)
    let results = await withTaskGroup(of: [[Float]].self) { group in
      for _ in 0..<4 {
        group.addTask {
          (0..<100).map { _ in
            var output = [Float](repeating: 0, count: 64)
            _ = soniq_matrix_multiply(OpaquePointer(bitPattern: address), input, 0, 1, &output, 0, nil)
            return output
          }
        }
      }
      return await group.reduce(into: []) { $0 += $1 }
    }
    withExtendedLifetime(matrix) {}
    #expect(results.count == 400 && Set(results).count == 1 && results[0] != [Float](repeating: 0, count: 64))
  }
}
