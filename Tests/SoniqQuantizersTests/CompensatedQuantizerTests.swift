import SoniqCore
import SoniqQuantizers
import SoniqTestSupport
import Testing

@Suite struct CompensatedQuantizerTests {
  static let activation = ActivationCode(kind: .affine, bits: 8)

  static func level(_ code: WeightCode) -> Level { Level(weight: code, activation: activation) }

  private static func quantize(
    _ weights: [Float], outputs: Int, _ moments: SecondMoments, _ order: [Int],
    _ runs: [(level: Level, channels: Int)], damping: Float
  ) throws -> [QuantizedRun] {
    let quantizer = try #require(
      try CompensatedQuantizer(moments: moments, order: order, runs: runs, damping: damping))
    return try weights.withUnsafeBufferPointer { try quantizer.quantize(weights: $0, outputs: outputs) }
  }

  /// What the codes stand for: [outputs][channels] in the order of the input channels.
  private static func values(_ runs: [QuantizedRun], outputs: Int, order: [Int]) -> [[Double]] {
    var values = [[Double]](repeating: [Double](repeating: 0, count: order.count), count: outputs)
    var begin = 0
    for run in runs {
      for output in 0..<outputs {
        for position in 0..<run.channels {
          let integer = run.level.weight.integer(Int(run.codes[output * run.channels + position]))
          values[output][order[begin + position]] = Double(run.scales[output]) * Double(integer)
        }
      }
      begin += run.channels
    }
    return values
  }

  /// The mean squared error of an output on the rows that the moments were made of, damped.
  private static func objective(
    _ weights: ArraySlice<Float>, _ values: [Double], _ moments: SecondMoments, damping: Double
  ) -> Double {
    let difference = zip(weights, values).map { Double($0) - $1 }
    var sum = 0.0
    for (first, left) in difference.enumerated() {
      for (second, right) in difference.enumerated() {
        sum += left * right * Double(moments.mean(first, second))
      }
    }
    let mean = moments.meanSquares.reduce(0.0) { $0 + Double($1) } / Double(moments.channels)
    return sum + damping * mean * difference.reduce(0) { $0 + $1 * $1 }
  }

  /// 3, -1/2, 5/2 at one bit: the scale is their mean magnitude 2. Rounding gives + - +. Compensation rounds 3 to 2 and
  /// moves 2/3 of the error 1 to the second weight and -1/3 to the third: 1/6 becomes 2, and half of that error -11/6
  /// takes 11/12 off the third: 5/4 becomes 2.
  @Test func threeChannelsByHand() throws {
    let moments = SecondMomentsTests.tridiagonal
    let weights: [Float] = [3, -0.5, 2.5]
    let runs = try Self.quantize(
      weights, outputs: 1, moments, [0, 1, 2], [(Self.level(.bipolar(1)), 3)], damping: 0)
    #expect(runs.count == 1 && runs[0].scales == [2] && runs[0].codes == [1, 1, 1])
    let compensated = Self.values(runs, outputs: 1, order: [0, 1, 2])[0]
    #expect(compensated == [2, 2, 2])
    #expect(Self.objective(weights[...], compensated, moments, damping: 0) == 7.5)
    #expect(Self.objective(weights[...], [2, -2, 2], moments, damping: 0) == 11.5)
  }

  /// The same three with the last channel first: 5/2 becomes 2, and of its error 1/2 2/3 go to the second and -1/3 to
  /// the first; -1/6 becomes -2, and half of the error 11/6 goes to the first: 3 - 1/6 + 11/12 becomes 2.
  @Test func theOrderDecidesWhoCompensates() throws {
    let runs = try Self.quantize(
      [3, -0.5, 2.5], outputs: 1, SecondMomentsTests.tridiagonal, [2, 1, 0],
      [(Self.level(.bipolar(1)), 3)], damping: 0)
    #expect(runs[0].codes == [1, 0, 1])
  }

  /// Channels that have nothing to do with each other cannot make up for each other.
  @Test(arguments: MatrixQuantizerTests.codes) func identityGivesRounding(code: WeightCode) throws {
    for importance in [[Float](repeating: 4, count: 16), (0..<16).map { Float($0 % 5 + 1) }] {
      let moments = SecondMomentsTests.moments(
        importance.indices.map { row in importance.indices.map { $0 == row ? importance[row] : 0 } })
      let squares = importance.map { $0 * $0 / 16 }
      let outputs = 19
      let weights = MatrixQuantizerTests.weights(outputs * 16, seed: 23)
      let runs = try Self.quantize(
        weights, outputs: outputs, moments, Array(0..<16), [(Self.level(code), 16)], damping: 0.01)
      let rounded = try weights.withUnsafeBufferPointer {
        try MatrixQuantizer(level: Self.level(code)).quantize(
          weights: $0, outputs: outputs, channels: 16, importance: squares)
      }
      #expect(runs == [rounded], "\(code)")
    }
  }

  /// Optimal Brain Quantization as its paper says it, with the inverse itself in double precision: how far a code is
  /// from the weight as the errors before it have changed it, in steps, and what the codes add to the objective.
  private static func follow(
    _ weights: [Float], _ run: (values: [[Double]], scales: [[Double]]), _ moments: SecondMoments,
    _ order: [Int], damping: Double, outputs: Int
  ) -> (worstCode: Double, added: [Double]) {
    let channels = order.count
    var inverse = Self.inverse(moments, order, damping: damping)
    var current = (0..<outputs).map { output in order.map { Double(weights[output * channels + $0]) } }
    var added = [Double](repeating: 0, count: outputs)
    var worst = 0.0
    for position in 0..<channels {
      let pivot = inverse[position][position]
      for output in 0..<outputs {
        let error = current[output][position] - run.values[output][order[position]]
        worst = max(worst, abs(error) / run.scales[output][position])
        added[output] += error * error / pivot
        for later in position..<channels {
          current[output][later] -= error / pivot * inverse[position][later]
        }
      }
      let row = inverse[position]
      for first in position..<channels {
        for second in position..<channels { inverse[first][second] -= row[first] * row[second] / pivot }
      }
    }
    return (worst, added)
  }

  /// By Gauss and Jordan.
  private static func inverse(_ moments: SecondMoments, _ order: [Int], damping: Double) -> [[Double]] {
    let count = order.count
    let mean = moments.meanSquares.reduce(0.0) { $0 + Double($1) } / Double(count)
    var rows = (0..<count).map { row in
      (0..<count).map { Double(moments.mean(order[row], order[$0])) + ($0 == row ? damping * mean : 0) }
        + (0..<count).map { $0 == row ? 1.0 : 0 }
    }
    for pivot in 0..<count {
      let scale = 1 / rows[pivot][pivot]
      rows[pivot] = rows[pivot].map { $0 * scale }
      for row in 0..<count where row != pivot {
        let factor = rows[row][pivot]
        rows[row] = zip(rows[row], rows[pivot]).map { $0 - factor * $1 }
      }
    }
    return rows.map { Array($0[count...]) }
  }

  @Test(arguments: UInt64(6400)..<6408) func everyCodeIsTheNearestToTheCompensatedWeight(seed: UInt64) throws
  {
    var generator = SeededGenerator(seed: seed)
    let channels = Int.random(in: 2...24, using: &generator)
    let outputs = Int.random(in: 1...35, using: &generator)
    let moments = SecondMomentsTests.moments(
      SecondMomentsTests.rows(4 * channels, channels: channels, using: &generator))
    let order = Array(0..<channels).shuffled(using: &generator)
    let first = Int.random(in: 1..<channels, using: &generator)
    let runs = [(Self.level(.symmetric(4)), first), (Self.level(.symmetric(8)), channels - first)]
    let weights = MatrixQuantizerTests.weights(outputs * channels, seed: seed)
    let quantized = try Self.quantize(weights, outputs: outputs, moments, order, runs, damping: 0.01)
    let values = Self.values(quantized, outputs: outputs, order: order)
    let scales = (0..<outputs).map { output in
      quantized.flatMap { [Double](repeating: Double($0.scales[output]), count: $0.channels) }
    }
    let (worst, added) = Self.follow(
      weights, (values, scales), moments, order, damping: Double(Float(0.01)), outputs: outputs)
    // 4 bits and a scale of least error: the largest weight of a row may be cut off by a step.
    #expect(worst < 2, "seed \(seed): \(worst) steps")
    for output in 0..<outputs {
      let wanted = Self.objective(
        weights[output * channels..<(output + 1) * channels], values[output], moments,
        damping: Double(Float(0.01)))
      #expect(abs(added[output] - wanted) <= 1e-6 + 1e-3 * wanted, "seed \(seed), output \(output)")
    }
  }

  /// On rows in which neighbours go together, over all outputs, at every width: not only no worse, but clearly better.
  /// (Of a single output it can be worse: the order of the channels is given.)
  @Test(arguments: MatrixQuantizerTests.codes, UInt64(6500)..<6504)
  func itIsNeverWorseThanRounding(code: WeightCode, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let channels = Int.random(in: 16...40, using: &generator)
    let outputs = 64
    let moments = SecondMomentsTests.moments(
      SecondMomentsTests.rows(4 * channels, channels: channels, using: &generator))
    let weights = MatrixQuantizerTests.weights(outputs * channels, seed: seed)
    let order = Array(0..<channels)
    let compensated = Self.values(
      try Self.quantize(
        weights, outputs: outputs, moments, order, [(Self.level(code), channels)], damping: 0.01),
      outputs: outputs, order: order)
    let rounded = Self.values(
      [
        try weights.withUnsafeBufferPointer {
          try MatrixQuantizer(level: Self.level(code)).quantize(
            weights: $0, outputs: outputs, channels: channels, importance: moments.meanSquares)
        }
      ], outputs: outputs, order: order)
    var (better, worse) = (0.0, 0.0)
    for output in 0..<outputs {
      let row = weights[output * channels..<(output + 1) * channels]
      better += Self.objective(row, compensated[output], moments, damping: 0)
      worse += Self.objective(row, rounded[output], moments, damping: 0)
    }
    #expect(better < 0.9 * worse, "\(code), seed \(seed): \(better) compensated, \(worse) rounded")
  }

  /// The errors of the coarse level fall to the fine one, which has the steps to make up for them.
  @Test func fineChannelsMakeUpForCoarseOnes() throws {
    var generator = SeededGenerator(seed: 6600)
    let moments = SecondMomentsTests.moments(SecondMomentsTests.rows(200, channels: 32, using: &generator))
    let weights = MatrixQuantizerTests.weights(40 * 32, seed: 6600)
    let order = (0..<32).map { $0 < 16 ? 2 * $0 : 2 * ($0 - 16) + 1 }
    let coarse = Self.level(.bipolar(2))
    let fine = Self.level(.symmetric(8))
    func total(_ runs: [QuantizedRun]) -> Double {
      let values = Self.values(runs, outputs: 40, order: order)
      return (0..<40).reduce(0) {
        $0 + Self.objective(weights[$1 * 32..<($1 + 1) * 32], values[$1], moments, damping: 0)
      }
    }
    let together = total(
      try Self.quantize(
        weights, outputs: 40, moments, order, [(coarse, 16), (fine, 16)], damping: 0.01))
    let turned = total(
      try Self.quantize(
        weights, outputs: 40, moments, order, [(fine, 16), (coarse, 16)], damping: 0.01))
    #expect(together < 0.7 * turned, "\(together), the other way round \(turned)")
  }

  @Test func refusesBadParts() throws {
    let moments = SecondMomentsTests.tridiagonal
    let good = Self.level(.bipolar(2))
    func make(_ order: [Int], _ runs: [(level: Level, channels: Int)]) throws(QuantizationError) {
      _ = try CompensatedQuantizer(moments: moments, order: order, runs: runs, damping: 0.01)
    }
    #expect(throws: QuantizationError.invalidLevel(index: 1)) {
      try make([0, 1, 2], [(good, 2), (Self.level(.bipolar(8)), 1)])
    }
    #expect(throws: QuantizationError.invalidLevel(index: 0)) {
      try make([0, 1, 2], [(good, 0), (good, 3)])
    }
    #expect(throws: QuantizationError.size(.secondMoments, got: 3, expected: 2)) {
      try make([0, 1], [(good, 2)])
    }
    #expect(throws: QuantizationError.notAPermutation(.gather, position: 2)) {
      try make([0, 1, 1], [(good, 3)])
    }
    #expect(throws: QuantizationError.notAPermutation(.gather, position: 1)) {
      try make([0, -1, 2], [(good, 3)])
    }
    let quantizer = try #require(
      try CompensatedQuantizer(moments: moments, order: [0, 1, 2], runs: [(good, 3)], damping: 0.01))
    let weights: [Float] = [0, 1, 2, 3, .infinity, 5]
    weights.withUnsafeBufferPointer { buffer in
      #expect(throws: QuantizationError.invalidNumber(.weights, index: 4)) {
        _ = try quantizer.quantize(weights: buffer, outputs: 2)
      }
      #expect(throws: QuantizationError.size(.weights, got: 6, expected: 9)) {
        _ = try quantizer.quantize(weights: buffer, outputs: 3)
      }
    }
  }
}
