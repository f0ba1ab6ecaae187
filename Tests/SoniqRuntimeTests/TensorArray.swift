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

  /// The patterns of the elements, narrow ones with zeros above them.
  var bits: [UInt32] { elements.map { type.bits($0) } }

  /// The elements as a host has them.
  var bytes: [UInt8] {
    bits.flatMap { element in withUnsafeBytes(of: element.littleEndian) { Array($0.prefix(type.byteCount)) } }
  }

  /// Numbers of the type, all that it has but NaN; of the wide types a few.
  static func random(
    _ shape: [Int], _ type: ElementType, using generator: inout SeededGenerator
  ) -> TensorArray {
    let elements = (0..<shape.reduce(1, *)).map { _ -> Double in
      let bits = UInt32.random(in: 0...UInt32.max, using: &generator)
      let number = type.number(bits & UInt32(truncatingIfNeeded: 1 << (8 * type.byteCount) - 1))
      return number.isNaN ? 1 : number
    }
    return TensorArray(shape, elements, type)
  }
}

extension ElementType {
  /// By the machine's own numbers, not by the library's.
  func bits(_ number: Double) -> UInt32 {
    switch self {
    case .float32: Float(number).bitPattern
    case .int32: UInt32(bitPattern: Int32(number))
    case .float16: UInt32(Float16(number).bitPattern)
    case .int8: UInt32(UInt8(bitPattern: Int8(number)))
    case .uint8: UInt32(UInt8(number))
    }
  }

  func number(_ bits: UInt32) -> Double {
    switch self {
    case .float32: Double(Float(bitPattern: bits))
    case .int32: Double(Int32(bitPattern: bits))
    case .float16: Double(Float16(bitPattern: UInt16(truncatingIfNeeded: bits)))
    case .int8: Double(Int8(truncatingIfNeeded: bits))
    case .uint8: Double(UInt8(truncatingIfNeeded: bits))
    }
  }
}
