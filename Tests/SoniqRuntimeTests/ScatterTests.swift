import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Updates at places along an axis, against loops over all updates in their order.
@Suite struct ScatterTests {
  struct Case: CustomTestStringConvertible {
    var data: [Int]
    var indices: [Int]
    var updates: [Int]
    var axis: Int
    var testDescription: String { "\(data) \(indices) \(updates) axis \(axis)" }
  }
  static let cases = [
    Case(data: [9], indices: [5], updates: [5], axis: 0),
    Case(data: [9], indices: [1], updates: [4], axis: 0),
    Case(data: [4, 7], indices: [4, 3], updates: [4, 3], axis: 1),
    Case(data: [4, 7], indices: [2, 11], updates: [2, 11], axis: 1),
    Case(data: [6, 5], indices: [8, 1], updates: [8, 5], axis: 0),
    Case(data: [6, 5], indices: [8, 3], updates: [8, 3], axis: 0),
    Case(data: [3, 4, 5, 6], indices: [2, 9, 3, 6], updates: [2, 9, 3, 6], axis: 1),
    Case(data: [3, 4, 5, 6], indices: [3, 1, 5, 1], updates: [3, 7, 5, 2], axis: 1),
    Case(data: [3, 4, 5, 6], indices: [1, 1, 1, 5], updates: [2, 3, 1, 5], axis: 3),
    Case(data: [40, 300], indices: [50, 1], updates: [50, 300], axis: 0),
  ]
  static let reductions: [ScatterReduction] = [.replace, .add, .multiply, .maximum, .minimum]

  /// The bits of the data with every update, one after the other in row-major order.
  private static func reference(
    _ test: Case, _ reduction: ScatterReduction, _ data: TensorArray, _ indices: TensorArray,
    _ updates: TensorArray
  ) -> [UInt32] {
    var bits = data.bits
    let updateBits = updates.bits
    let count = test.updates.reduce(1, *)
    for position in 0..<count {
      var rest = position
      var place = [Int](repeating: 0, count: test.updates.count)
      for dimension in test.updates.indices.reversed() {
        place[dimension] = rest % test.updates[dimension]
        rest /= test.updates[dimension]
      }
      let stated = indices[zip(place, test.indices).map { $1 == 1 ? 0 : $0 }]
      let size = test.data[test.axis]
      place[test.axis] = Int(stated) < 0 ? Int(stated) + size : Int(stated)
      let target = zip(place, test.data).reduce(0) { $0 * $1.1 + $1.0 }
      bits[target] = met(bits[target], updateBits[position], reduction, data.type)
    }
    return bits
  }

  private static func met(
    _ old: UInt32, _ update: UInt32, _ reduction: ScatterReduction, _ type: ElementType
  ) -> UInt32 {
    if reduction == .replace { return update }
    if type == .float32 {
      let (a, b) = (Float(bitPattern: old), Float(bitPattern: update))
      return switch reduction {
      case .replace: update
      case .add: (a + b).bitPattern
      case .multiply: (a * b).bitPattern
      case .maximum: (a > b || a.isNaN ? a : b).bitPattern
      case .minimum: (a < b || a.isNaN ? a : b).bitPattern
      }
    }
    let (a, b) = (Int32(bitPattern: old), Int32(bitPattern: update))
    let result =
      switch reduction {
      case .replace: b
      case .add: a &+ b
      case .multiply: a &* b
      case .maximum: max(a, b)
      case .minimum: min(a, b)
      }
    return UInt32(bitPattern: result)
  }

  private static func graph(_ inputs: [TensorArray], isDynamic: Bool) -> Graph {
    var graph = Graph()
    graph.symbols = isDynamic ? [Symbol(name: "size", maximum: 200)] : []
    for (index, input) in inputs.enumerated() {
      var shape = input.shape.map(Dimension.fixed)
      if isDynamic, index > 0, input.shape[0] > 1 { shape[0] = .symbol(0) }
      graph.values.append(Value(name: "input\(index)", elementType: input.type, shape: shape))
      graph.inputs.append(GraphInput(value: index))
    }
    return graph
  }

  @Test(arguments: cases, reductions)
  func isALoopOverTheUpdates(test: Case, reduction: ScatterReduction) throws {
    let seed: UInt64 = 7300
    var generator = SeededGenerator(seed: seed)
    let size = test.data[test.axis]
    let indices = TensorArray.integers(test.indices, Int32(-size)...Int32(size - 1), using: &generator)
    for type in ElementType.allCases where type.isComputed || reduction == .replace {
      func random(_ shape: [Int]) -> TensorArray {
        // Small ones, whose sums and products are no NaN.
        type == .float32
          ? .random(shape, -3...3, using: &generator) : .random(shape, type, using: &generator)
      }
      let (data, updates) = (random(test.data), random(test.updates))
      // The first dimension may be of a run where the axis is the first.
      for isDynamic in test.axis == 0 ? [false, true] : [false] {
        var graph = Self.graph([data, indices, updates], isDynamic: isDynamic)
        graph.outputs = [graph.add(.scatter(axis: test.axis, reduction), [0, 1, 2])]
        try graph.validate()
        let expected = Self.reference(test, reduction, data, indices, updates)
        for lanes in 1...3 {
          let bits = try graph.run([data, indices, updates], lanes: lanes).bits
          #expect(bits == expected, "\(type), \(lanes) lanes, dynamic \(isDynamic), seed \(seed)")
        }
      }
    }
  }

  /// Between other steps, with data and updates that are read again.
  @Test func inANetwork() throws {
    var generator = SeededGenerator(seed: 7301)
    let data = TensorArray.random([5, 6], using: &generator)
    let indices = TensorArray.integers([5, 2], -6...5, using: &generator)
    let updates = TensorArray.random([5, 2], using: &generator)
    var graph = Self.graph([data, indices, updates], isDynamic: false)
    let before = graph.add(.unary(.negative), [0])
    let put = graph.add(.scatter(axis: 1, .add), [before, 1, 2])
    graph.outputs = [graph.add(.binary(.multiply), [put, before])]
    try graph.validate()
    let test = Case(data: [5, 6], indices: [5, 2], updates: [5, 2], axis: 1)
    let negated = TensorArray([5, 6]) { -data[$0] }
    let sums = Self.reference(test, .add, negated, indices, updates)
    let expected = zip(sums, negated.bits).map {
      (Float(bitPattern: $0) * Float(bitPattern: $1)).bitPattern
    }
    for lanes in 1...3 {
      #expect(try graph.run([data, indices, updates], lanes: lanes).bits == expected, "\(lanes) lanes")
    }
  }

  /// The first index out of range is the error, whatever lane meets it; nothing is written elsewhere.
  @Test(arguments: [Int32(6), -7, .max, .min]) func indexOutOfRange(index: Int32) throws {
    let data = TensorArray([40, 6]) { Double($0[1]) }
    let indices = TensorArray([40, 2], .int32) { $0 == [17, 1] || $0[0] > 30 ? Double(index) : 0 }
    let updates = TensorArray([40, 2]) { _ in 1 }
    var graph = Self.graph([data, indices, updates], isDynamic: false)
    graph.outputs = [graph.add(.scatter(axis: 1), [0, 1, 2])]
    try graph.validate()
    for lanes in 1...3 {
      let error = #expect(throws: RuntimeError.self) {
        try graph.run([data, indices, updates], lanes: lanes)
      }
      #expect("\(error.map { "\($0)" } ?? "")".contains("\(index)"), "\(String(describing: error))")
    }
  }
}
