import Glibc
import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct TensorElementTests {
  /// Pairs of shapes, and the shape in which they meet.
  static let broadcasts: [([Int], [Int], [Int])] = [
    ([2, 3, 37], [2, 3, 37], [2, 3, 37]), ([2, 5, 8], [8], [2, 5, 8]), ([2, 5, 8], [1], [2, 5, 8]),
    ([3], [4, 2, 1], [4, 2, 3]), ([2, 1, 4, 1, 3], [5, 1, 2, 1], [2, 5, 4, 2, 3]),
    ([1, 9, 7, 5], [9, 1, 5], [1, 9, 7, 5]),
    ([2, 3, 4, 2, 1, 2, 2, 2], [1, 2, 1, 1], [2, 3, 4, 2, 1, 2, 2, 2]),
    ([1], [1], [1]), ([170, 100], [170, 100], [170, 100]), ([70, 40], [70, 1], [70, 40]),
  ]

  static func truth(_ function: BinaryFunction, _ a: Double, _ b: Double) -> Double {
    switch function {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .minimum: min(a, b)
    case .maximum: max(a, b)
    case .power: pow(a, b)
    case .prelu: a < 0 ? a * b : a
    case .equal: a == b ? 1 : 0
    case .less: a < b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .greater: a > b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    case .and: a != 0 && b != 0 ? 1 : 0
    case .or: a != 0 || b != 0 ? 1 : 0
    case .xor: (a != 0) != (b != 0) ? 1 : 0
    case .remainder: fmod(a, b)
    case .bitAnd: Double(Int32(a) & Int32(b))
    case .bitOr: Double(Int32(a) | Int32(b))
    case .bitXor: Double(Int32(a) ^ Int32(b))
    case .shiftLeft: b < 0 || b > 31 ? 0 : Double(Int32(truncatingIfNeeded: Int64(a) << Int64(b)))
    case .shiftRight: b < 0 || b > 31 ? (a < 0 ? -1 : 0) : (a / exp2(b)).rounded(.down)
    }
  }

  static func output(_ function: BinaryFunction, _ type: ElementType) -> ElementType {
    switch function {
    case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual, .and, .or, .xor: .int32
    default: type
    }
  }

  @Test(arguments: BinaryFunction.allCases)
  func binaryOfFloats(function: BinaryFunction) throws {
    let ofBits: Set<BinaryFunction> = [.and, .or, .xor, .bitAnd, .bitOr, .bitXor, .shiftLeft, .shiftRight]
    guard !ofBits.contains(function) else { return }
    var generator = SeededGenerator(seed: 101)
    for (left, right, shape) in Self.broadcasts {
      let range: ClosedRange<Float> = function == .power ? 0.1...4 : -3...3
      var a = TensorArray.random(left, range, using: &generator)
      let b = TensorArray.random(right, range, using: &generator)
      if left == right { a.elements[0] = b.elements[0] }
      let expected = TensorArray(shape, Self.output(function, .float32)) {
        Self.truth(function, a.broadcast($0), b.broadcast($0))
      }
      try TensorRun(.binary(function), [a, b]).expect(expected, relative: 1.2e-7)
    }
  }

  @Test(arguments: BinaryFunction.allCases)
  func binaryOfIntegers(function: BinaryFunction) throws {
    guard function != .prelu else { return }
    var generator = SeededGenerator(seed: 102)
    for (left, right, shape) in Self.broadcasts {
      let a = TensorArray.integers(left, -4...4, using: &generator)
      let b = TensorArray.integers(right, (function == .power ? 0 : -3)...3, using: &generator)
      let expected = TensorArray(shape, .int32) { index in
        let (x, y) = (a.broadcast(index), b.broadcast(index))
        if function == .remainder, y == 0 { return 0 }
        if function == .divide { return y == 0 ? 0 : (x / y).rounded(.towardZero) }
        return Self.truth(function, x, y)
      }
      try TensorRun(.binary(function), [a, b]).expect(expected)
    }
  }

  /// What would trap: the quotient that does not fit, division by 0, and sums that wrap.
  @Test func integersNeverTrap() throws {
    let least = Double(Int32.min)
    let a = TensorArray([4], [least, least, Double(Int32.max), -1], .int32)
    let b = TensorArray([4], [-1, 0, Double(Int32.max), least], .int32)
    try TensorRun(.binary(.divide), [a, b]).expect(TensorArray([4], [least, 0, 1, 0], .int32))
    try TensorRun(.binary(.add), [a, b]).expect(
      TensorArray([4], [Double(Int32.max), least, -2, Double(Int32.max)], .int32))
    try TensorRun(.binary(.power), [a, b]).expect(TensorArray([4], [0, 1, Double(Int32.max), 1], .int32))
    try TensorRun(.binary(.remainder), [a, b]).expect(TensorArray([4], [0, 0, 0, -1], .int32))
  }

  /// As far as there are bits, farther, and by negative numbers, of which the least is its own opposite.
  @Test func shiftsNeverTrap() throws {
    let least = Double(Int32.min)
    let a = TensorArray([2, 1], [-6, 6], .int32)
    let b = TensorArray([8], [0, 1, 30, 31, 32, -1, Double(Int32.max), least], .int32)
    let left: [Double] = [-6, -12, Double(Int32.min), 0, 0, 0, 0, 0, 6, 12, Double(Int32.min), 0, 0, 0, 0, 0]
    let right: [Double] = [-6, -3, -1, -1, -1, -1, -1, -1, 6, 3, 0, 0, 0, 0, 0, 0]
    try TensorRun(.binary(.shiftLeft), [a, b]).expect(TensorArray([2, 8], left, .int32))
    try TensorRun(.binary(.shiftRight), [a, b]).expect(TensorArray([2, 8], right, .int32))
  }

  @Test func powersOfSpecialNumbers() throws {
    let numbers: [Double] = [
      0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, .infinity, -.infinity, .nan, 1e-40, 3e38, 16777217, 1.0000001,
    ]
    let a = TensorArray([17, 1], numbers)
    let b = TensorArray([17], numbers)
    let expected = TensorArray([17, 17]) { index in
      Double(powf(Float(numbers[index[0]]), Float(numbers[index[1]])))
    }
    try TensorRun(.binary(.power), [a, b]).expect(expected, relative: 1.2e-7)
  }

  @Test func selectAndTruth() throws {
    var generator = SeededGenerator(seed: 103)
    for (left, right, shape) in Self.broadcasts {
      let a = TensorArray.random(left, using: &generator)
      let b = TensorArray.random(right, using: &generator)
      for condition in [shape, [shape[shape.count - 1]], [1]] {
        let c = TensorArray.integers(condition, -1...1, using: &generator)
        let expected = TensorArray(shape) { c.broadcast($0) != 0 ? a.broadcast($0) : b.broadcast($0) }
        try TensorRun(.select, [c, a, b]).expect(expected)
        try TensorRun(.unary(.not), [c]).expect(TensorArray(condition, .int32) { c[$0] == 0 ? 1 : 0 })
      }
    }
  }

  @Test func casts() throws {
    let numbers: [Double] = [
      0, -0.9, 0.9, 1.5, -2.5, 1e10, -1e10, 2147483648, .infinity, -.infinity, .nan, 7,
    ]
    let integers: [Double] = [
      0, 0, 0, 1, -2, 2147483647, -2147483648, 2147483647, 2147483647, -2147483648, 0, 7,
    ]
    let floats = TensorArray([3, 4], numbers.map { Double(Float($0)) })
    try TensorRun(.cast(.int32), [floats]).expect(TensorArray([3, 4], integers, .int32))
    try TensorRun(.cast(.float32), [TensorArray([3, 4], integers, .int32)]).expect(
      TensorArray([3, 4], integers.map { Double(Float($0)) }))
    try TensorRun(.cast(.float32), [floats]).expect(floats)
  }

  /// The unary functions are activation kernels; here: that the right one is called, also on shapes without rows.
  @Test func unaryFunctions() throws {
    var generator = SeededGenerator(seed: 104)
    let cases: [(ElementFunction, (Double) -> Double)] = [
      (.leakyRelu(alpha: 0.2), { $0 < 0 ? Double(Float(0.2)) * $0 : $0 }),
      (.clip(low: -1, high: 2), { min(max($0, -1), 2) }), (.clip(low: 0, high: .infinity), { max($0, 0) }),
      (.hardSigmoid(alpha: 0.25, beta: 0.5), { min(max(0.25 * $0 + 0.5, 0), 1) }),
      (.init(.hardSwish), { $0 * min(max($0 / 6 + 0.5, 0), 1) }),
      (.elu(alpha: 1.5), { $0 < 0 ? 1.5 * expm1($0) : $0 }),
      (.init(.softplus), { log1p(exp($0)) }), (.init(.mish), { $0 * tanh(log1p(exp($0))) }),
      (.init(.absolute), { abs($0) }),
      (.init(.negative), { -$0 }), (.init(.reciprocal), { 1 / $0 }),
      (.init(.squareRoot), { $0.squareRoot() }),
      (.init(.exponential), { exp($0) }), (.init(.logarithm), { log($0) }), (.init(.erf), { erf($0) }),
      (.init(.floor), { floor($0) }),
      (.init(.ceiling), { ceil($0) }), (.init(.round), { $0.rounded(.toNearestOrEven) }),
      (.init(.sign), { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }),
    ]
    for shape in [[1], [33], [2, 3, 5], [70, 40]] {
      for (function, truth) in cases {
        let isPositive = [.squareRoot, .logarithm].contains(function.kind)
        let x = TensorArray.random(shape, (isPositive ? 0 : -5)...5, using: &generator)
        try TensorRun(.unary(function), [x]).expect(
          TensorArray(shape, x.elements.map(truth)), absolute: 2e-6, relative: 4e-7)
      }
    }
  }

  @Test func symbolsAnywhere() throws {
    var generator = SeededGenerator(seed: 105)
    for batch in [1, 3, 5] {
      let a = TensorArray.random([batch, 1, 6], using: &generator)
      let b = TensorArray.random([4, 6], using: &generator)
      let sum = TensorArray([batch, 4, 6]) { a.broadcast($0) + b.broadcast($0) }
      try TensorRun(.binary(.add), [a, b], batched: [0]).expect(sum, relative: 1.2e-7)
      // The symbol as the only, and so the last dimension.
      let line = TensorArray.random([batch], using: &generator)
      try TensorRun(.unary(.negative), [line], batched: [0]).expect(
        TensorArray([batch], line.elements.map { -$0 }))
      try TensorRun(.binary(.multiply), [line, line], batched: [0, 1]).expect(
        TensorArray([batch], line.elements.map { $0 * $0 }), relative: 1.2e-7)
    }
  }
}
