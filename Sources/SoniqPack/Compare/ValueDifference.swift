/// How far the numbers of a packed model are from those of the float one, summed up over runs.
///
/// Numbers whose float one is not finite are passed over and counted; a packed one that alone is not finite is
/// infinitely far.
package struct ValueDifference: Sendable, Hashable {
  private var distance = 0.0
  private var length = 0.0
  /// The largest |difference|.
  package private(set) var largest = 0.0
  /// The largest |number| of the float model.
  package private(set) var magnitude = 0.0
  package private(set) var passedOver = 0

  package init() {}

  /// * order: which number of a row the packed model has at each place; nil: its own.
  package mutating func add(
    reference: UnsafeBufferPointer<Float>, packed: UnsafeBufferPointer<Float>, order: [Int]? = nil
  ) {
    guard let order, !order.isEmpty else {
      for index in 0..<min(reference.count, packed.count) { add(reference[index], packed[index]) }
      return
    }
    for row in stride(from: 0, to: packed.count, by: order.count) {
      for (place, source) in order.enumerated() { add(reference[row + source], packed[row + place]) }
    }
  }

  private mutating func add(_ reference: Float, _ packed: Float) {
    guard reference.isFinite else {
      passedOver += 1
      return
    }
    let difference = packed.isFinite ? abs(Double(packed) - Double(reference)) : .infinity
    distance += difference * difference
    length += Double(reference) * Double(reference)
    largest = max(largest, difference)
    magnitude = max(magnitude, abs(Double(reference)))
  }

  /// The length of the differences over that of the float model's numbers; 0 where both are 0.
  package var relativeError: Double { Self.ratio(distance.squareRoot(), length.squareRoot()) }

  /// The largest difference over the largest number of the float model; 0 where both are 0.
  package var relativeLargest: Double { Self.ratio(largest, magnitude) }

  private static func ratio(_ part: Double, _ whole: Double) -> Double {
    part == 0 ? 0 : whole == 0 ? .infinity : part / whole
  }
}
