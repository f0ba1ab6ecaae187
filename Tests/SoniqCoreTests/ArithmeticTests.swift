import SoniqCore
import SoniqTestSupport
import Testing

@Suite struct ArithmeticTests {
  static let edges = [Int.min, -1, 0, 1, 2, 3, 1 << 31, 1 << 32, 1 << 62, Int.max - 1, Int.max]

  /// The product without a limit: its upper and lower half.
  private static func wide(_ left: Int, _ right: Int) -> Int? {
    guard left >= 0, right >= 0 else { return nil }
    let (high, low) = left.multipliedFullWidth(by: right)
    return high == 0 && low <= UInt(Int.max) ? Int(low) : nil
  }

  @Test func productsOfTwoAtTheEdges() {
    for left in Self.edges {
      for right in Self.edges {
        let wanted = Self.wide(left, right)
        #expect(checkedProduct(left, right) == wanted, "\(left) * \(right)")
        #expect(checkedProduct(left, right, 1) == wanted, "\(left) * \(right) * 1")
        #expect(checkedProduct(1, left, 1, right) == wanted, "1 * \(left) * 1 * \(right)")
      }
    }
  }

  /// Where every partial product fits, three or more factors give what plain numbers give.
  @Test(arguments: UInt64(6700)..<6710) func productsOfMany(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let factors = (0..<4).map { _ in
        Int.random(in: 0...Int.max, using: &generator) >> Int.random(in: 0...62, using: &generator)
      }
      let wanted = factors.reduce(Optional(1)) { product, factor in product.flatMap { Self.wide($0, factor) }
      }
      #expect(
        checkedProduct(factors[0], factors[1], factors[2], factors[3]) == wanted, "seed \(seed): \(factors)")
      let three = factors[0..<3].reduce(Optional(1)) { product, factor in
        product.flatMap { Self.wide($0, factor) }
      }
      #expect(checkedProduct(factors[0], factors[1], factors[2]) == three, "seed \(seed): \(factors)")
    }
  }

  @Test func negativeFactorsNeverMultiply() {
    for other in Self.edges {
      #expect(checkedProduct(-1, other) == nil && checkedProduct(other, -1) == nil)
      #expect(checkedProduct(0, 0, -1) == nil && checkedProduct(-1, -1, other) == nil)
      #expect(checkedProduct(0, 0, 0, -1) == nil && checkedProduct(-1, 1, -1, 1) == nil)
    }
    #expect(checkedProduct() == 1 && checkedProduct(7) == 7 && checkedProduct(-7) == nil)
  }

  @Test(arguments: [1, 2, 3, 16, 64, 4096]) func roundingUp(step: Int) {
    for value in 0...200 {
      let rounded = roundedUp(value, to: step)
      #expect(rounded.map { $0 >= value && $0 < value + step && $0 % step == 0 } == true)
    }
    #expect(roundedUp(-1, to: step) == nil && roundedUp(.min, to: step) == nil)
    let most = Int.max / step * step
    #expect(roundedUp(most - step + 1, to: step) == most)
    #expect(roundedUp(.max, to: step) == (step == 1 ? .max : nil))
  }
}
