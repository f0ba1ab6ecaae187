import SoniqGraph
import SoniqTestSupport

/// A tensor of the oracle: row-major, in double precision.
struct TensorArray {
  var shape: [Int]
  var elements: [Double]
  var type = ElementType.float32

  init(_ shape: [Int], _ elements: [Double], _ type: ElementType = .float32) {
    self.shape = shape
    self.elements = elements
    self.type = type
  }

  /// Every element by its index.
  init(_ shape: [Int], _ type: ElementType = .float32, _ element: ([Int]) -> Double) {
    self.shape = shape
    self.type = type
    elements = Self.indices(shape).map(element)
  }

  static func random(
    _ shape: [Int], _ range: ClosedRange<Float> = -3...3, using generator: inout SeededGenerator
  ) -> TensorArray {
    let count = shape.reduce(1, *)
    return TensorArray(shape, (0..<count).map { _ in Double(Float.random(in: range, using: &generator)) })
  }

  static func integers(
    _ shape: [Int], _ range: ClosedRange<Int32>, using generator: inout SeededGenerator
  ) -> TensorArray {
    let count = shape.reduce(1, *)
    return TensorArray(
      shape, (0..<count).map { _ in Double(Int32.random(in: range, using: &generator)) }, .int32)
  }

  static func indices(_ shape: [Int]) -> [[Int]] {
    let count = shape.reduce(1, *)
    return (0..<count).map { position in
      var rest = position
      var index = [Int](repeating: 0, count: shape.count)
      for dimension in shape.indices.reversed() {
        index[dimension] = rest % shape[dimension]
        rest /= shape[dimension]
      }
      return index
    }
  }

  subscript(index: [Int]) -> Double {
    var position = 0
    for (size, place) in zip(shape, index) { position = position * size + place }
    return elements[position]
  }

  /// The element that a broadcast to a larger shape has at `index`.
  func broadcast(_ index: [Int]) -> Double {
    self[zip(shape, index.suffix(shape.count)).map { size, place in size == 1 ? 0 : place }]
  }

  /// The 32-bit patterns of the elements.
  var bits: [UInt32] {
    elements.map { type == .float32 ? Float($0).bitPattern : UInt32(bitPattern: Int32($0)) }
  }
}
