import SoniqQuantizers
import SoniqTestSupport
import Testing

@Suite struct SecondMomentsTests {
  static func moments(_ rows: [[Float]]) -> SecondMoments {
    var moments = SecondMoments(channels: rows[0].count)
    add(rows, to: &moments)
    return moments
  }

  private static func add(_ rows: [[Float]], to moments: inout SecondMoments) {
    rows.flatMap { $0 }.withUnsafeBufferPointer { buffer in
      if let base = buffer.baseAddress { moments.add(rows: base, count: rows.count) }
    }
  }

  /// Rows whose neighbouring channels go together, as activations do.
  static func rows(_ count: Int, channels: Int, using generator: inout SeededGenerator) -> [[Float]] {
    (0..<count).map { _ in
      var level: Float = 0
      return (0..<channels).map { _ in
        level = 0.8 * level + Float.random(in: -1...1, using: &generator)
        return level
      }
    }
  }

  /// Four rows with the moments [[2, 1, 0], [1, 2, 1], [0, 1, 2]].
  static let tridiagonal = moments([[2, 2, 0], [0, 2, 2], [2, 0, 0], [0, 0, 2]])

  @Test func threeChannelsByHand() {
    let moments = Self.tridiagonal
    let wanted: [[Float]] = [[2, 1, 0], [1, 2, 1], [0, 1, 2]]
    #expect((0..<3).map { row in (0..<3).map { moments.mean(row, $0) } } == wanted)
    #expect(moments.meanSquares == [2, 2, 2] && moments.rowCount == 4)
  }

  /// Blocks of rows and tiles of channels have borders at 64 and 16.
  @Test(arguments: [1, 2, 15, 16, 17, 33], [1, 63, 64, 65, 130])
  func everyPairIsTheMeanOfItsProducts(channels: Int, count: Int) {
    var generator = SeededGenerator(seed: UInt64(6000 + channels * 1000 + count))
    let rows = Self.rows(count, channels: channels, using: &generator)
    let whole = Self.moments(rows)
    var pieces = SecondMoments(channels: channels)
    var begin = 0
    while begin < count {
      let size = min(Int.random(in: 1...50, using: &generator), count - begin)
      Self.add(Array(rows[begin..<begin + size]), to: &pieces)
      begin += size
    }
    #expect(pieces.rowCount == count)
    for first in 0..<channels {
      for second in 0..<channels {
        let wanted = rows.reduce(0.0) { $0 + Double($1[first]) * Double($1[second]) } / Double(count)
        for got in [whole, pieces] {
          #expect(
            abs(Double(got.mean(first, second)) - wanted) < 1e-4,
            "seed \(generator.seed): \(first), \(second)")
        }
      }
    }
  }

  @Test func nothingSeenIsZero() {
    #expect(SecondMoments(channels: 3).meanSquares == [0, 0, 0])
  }
}

@Suite struct TriangularFactorTests {
  @Test func threeChannelsByHand() throws {
    let factor = try #require(TriangularFactor(SecondMomentsTests.tridiagonal, order: [0, 1, 2], damping: 0))
    // inverse(H) = [[3, -2, 1], [-2, 4, -2], [1, -2, 3]] / 4, whose upper Cholesky factor has these squares.
    let third = Double(1) / 3
    let wanted = [
      0.75, -third, third / 4,
      0, 2 * third, -third / 2,
      0, 0, 0.5,
    ]
    #expect(factor.size == 3)
    for (element, wanted) in zip(factor.elements, wanted) {
      let signed = Double(element) * Double(abs(element))
      #expect(abs(signed - wanted) < 1e-6, "\(factor.elements)")
    }
  }

  /// U H U^T = 1, which says inverse(H) = U^T U; with damping and in any order.
  @Test(arguments: [1, 2, 7, 8, 9, 16, 17, 40]) func itIsTheFactorOfTheInverse(channels: Int) throws {
    var generator = SeededGenerator(seed: UInt64(6300 + channels))
    let rows = SecondMomentsTests.rows(3 * channels, channels: channels, using: &generator)
    let moments = SecondMomentsTests.moments(rows)
    let order = Array(0..<channels).shuffled(using: &generator)
    let factor = try #require(TriangularFactor(moments, order: order, damping: 0.01))
    let mean = order.reduce(0.0) { $0 + Double(moments.mean($1, $1)) } / Double(channels)
    func damped(_ row: Int, _ column: Int) -> Double {
      Double(moments.mean(order[row], order[column])) + (row == column ? 0.01 * mean : 0)
    }
    let upper = (0..<channels).map { row in
      (0..<channels).map { Double(factor.elements[row * channels + $0]) }
    }
    let left = upper.map { row in
      (0..<channels).map { column in (0..<channels).reduce(0.0) { $0 + row[$1] * damped($1, column) } }
    }
    for row in 0..<channels {
      for column in 0..<channels {
        let product = (0..<channels).reduce(0.0) { $0 + left[row][$1] * upper[column][$1] }
        #expect(
          abs(product - (row == column ? 1 : 0)) < 1e-4, "seed \(generator.seed): \(row), \(column)")
        if column < row { #expect(upper[row][column] == 0) }
      }
    }
  }

  @Test func whatHasNoInverseHasNoFactor() {
    // Two channels that are always equal.
    let moments = SecondMomentsTests.moments([[2, 2], [-2, -2]])
    #expect(TriangularFactor(moments, order: [0, 1], damping: 0) == nil)
    #expect(TriangularFactor(moments, order: [0, 1], damping: 0.01) != nil)
    // Nothing seen at all still has the damping of the least mean.
    #expect(TriangularFactor(SecondMoments(channels: 2), order: [0, 1], damping: 0.01) != nil)
    #expect(TriangularFactor(moments, order: [], damping: 0.01) == nil)
    #expect(TriangularFactor(moments, order: [0, 2], damping: 0.01) == nil)
    #expect(TriangularFactor(moments, order: [0, -1], damping: 0.01) == nil)
  }
}
