import SoniqCore
import SoniqGraph

/// Products of whole numbers from -255 to 255, exact in int32: by float32 on parts so small that no sum of products
/// reaches 2^24.
extension OnnxConversion {
  /// The most products of whole numbers below 256, or of 16 and 8 for parts, whose sum is exact.
  private static let exactSum = 1 << 24
  private static let (whole, part) = (255, 16)

  mutating func integerProduct(_ left: ValueID, _ right: ValueID) throws(PackError) -> ValueID {
    guard case .fixed(let terms)? = draft.shape(left).last else { throw fault("sums of dynamic length") }
    if terms <= Self.exactSum / (Self.whole * Self.whole) {
      return try exactProduct(real(left), real(right))
    }
    let parts = try nibbles(right)
    if terms <= Self.exactSum / (Self.whole * Self.part) {
      return try joined(
        high: exactProduct(real(left), parts.high), low: exactProduct(real(left), parts.low))
    }
    guard terms <= Self.exactSum / (Self.part * Self.part) else {
      throw fault("sums of \(terms) products; \(Self.exactSum / (Self.part * Self.part)) are exact")
    }
    let others = try nibbles(left)
    return try joined(
      high: joined(
        high: exactProduct(others.high, parts.high), low: exactProduct(others.low, parts.high)),
      low: joined(high: exactProduct(others.high, parts.low), low: exactProduct(others.low, parts.low)))
  }

  private mutating func exactProduct(_ left: ValueID, _ right: ValueID) throws(PackError) -> ValueID {
    // No layer, whose weights would be rounded.
    try tensor(.cast(.int32), tensor(.matmul(transposesRight: false), left, right))
  }

  /// 16 * high + low.
  private mutating func joined(high: ValueID, low: ValueID) throws(PackError) -> ValueID {
    let sixteen = constant(KnownTensor(integers: [16], shape: []))
    return try binary(.add, binary(.multiply, high, sixteen), low)
  }

  /// x = 16 * high + low, high from -16 to 16, low from -8 to 8.
  private mutating func nibbles(_ value: ValueID) throws(PackError) -> (high: ValueID, low: ValueID) {
    let number = try real(value)
    let high = try tensor(.unary(.round), binary(.multiply, number, scalar(1 / 16)))
    return (high, try binary(.subtract, number, binary(.multiply, high, scalar(16))))
  }

  /// The convolution of whole numbers with known weights. Each half of them is multiplied by a layer that states its codes,
  /// so that no palette rounds it: the input above 0 and that below, which are bytes each.
  mutating func integerConvolution(
    _ value: ValueID, _ weights: KnownTensor
  ) throws(PackError) -> ValueID {
    guard let numbers = weights.floats else { throw fault("its weights are not whole numbers") }
    let terms = weights.shape.dropFirst().reduce(1, *)
    guard terms <= Self.exactSum / (Self.whole * Self.part) else {
      throw fault(
        "sums of \(terms) products; \(Self.exactSum / (Self.whole * Self.part)) are exact outside of what quantize_dynamic writes"
      )
    }
    var sums: [ValueID] = []
    let high = numbers.map { ($0 / 16).rounded(.toNearestOrEven) }
    let low = zip(numbers, high).map { $0 - 16 * $1 }
    for (part, factor) in [(high, 16), (low, 1)] {
      let kernel = constant(
        KnownTensor(
          shape: weights.shape, type: .float32, elements: .floats(part),
          grid: CodeGrid(scales: [1], zeros: [0], isSigned: true)))
      for (function, zero) in [(BinaryFunction.maximum, 0), (.minimum, 255)] {
        let side = try binary(function, real(value), scalar(0))
        let codes = append(
          .quantized(ActivationGrid(scale: 1, zero: zero)), [side], draft.shape(side))
        let sum = try tensor(
          .cast(.int32), apply("Conv", [codes, kernel], Array(node.attributes.values))[0])
        let multiple = constant(KnownTensor(integers: [Int64(factor)], shape: []))
        sums.append(try binary(.multiply, sum, multiple))
      }
    }
    var total = sums[0]
    for sum in sums.dropFirst() { total = try binary(.add, total, sum) }
    return total
  }
}
