import Glibc
import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct TensorSumTests {
  static func truth(_ function: ReduceFunction, _ x: [Double]) -> Double {
    switch function {
    case .sum: x.reduce(0, +)
    case .mean: x.reduce(0, +) / Double(x.count)
    case .maximum: x.max() ?? 0
    case .minimum: x.min() ?? 0
    case .product: x.reduce(1, *)
    case .sumOfSquares: x.reduce(0) { $0 + $1 * $1 }
    case .l1: x.reduce(0) { $0 + abs($1) }
    case .l2: x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
  }

  /// What `value` makes of the elements over the axes.
  static func reduced(
    _ x: TensorArray, _ axes: [Int], keeps: Bool, _ type: ElementType = .float32,
    _ value: ([Double]) -> Double
  ) -> TensorArray {
    var kept = x.shape
    for axis in axes { kept[axis] = 1 }
    let inner = axes.map { x.shape[$0] }
    var result = TensorArray(kept, type) { index in
      value(
        TensorArray.indices(inner).map { place in
          var source = index
          for (axis, position) in zip(axes, place) { source[axis] = position }
          return x[source]
        })
    }
    if !keeps {
      let shape = x.shape.indices.filter { !axes.contains($0) }.map { x.shape[$0] }
      result.shape = shape.isEmpty ? [1] : shape
    }
    return result
  }

  @Test(arguments: ReduceFunction.allCases)
  func reduces(function: ReduceFunction) throws {
    var generator = SeededGenerator(seed: 121)
    let cases: [([Int], [Int])] = [
      ([7], [0]), ([3, 20], [1]), ([3, 20], [0]), ([2, 5, 6, 3], [1, 2]), ([2, 5, 6, 3], [0, 3]),
      ([4, 3, 2], [0, 1, 2]), ([2, 3, 2, 3, 2], [0, 2, 4]), ([1, 7, 7, 300], [1, 2]), ([100, 1, 200], [2]),
      ([3, 5000], [0]), ([2, 1, 4], [1]), ([6, 16], [1]),
    ]
    for (shape, axes) in cases {
      let x = TensorArray.random(shape, function == .product ? 0.9...1.1 : -3...3, using: &generator)
      for keeps in [false, true] {
        let expected = Self.reduced(x, axes, keeps: keeps) { Self.truth(function, $0) }
        try TensorRun(.reduce(function, axes: axes, keepsDimensions: keeps), [x]).expect(
          expected, absolute: 1e-5, relative: 4e-6)
      }
    }
  }

  /// Short sums are made by eights where there are as many: each has the bits that it has alone.
  @Test(arguments: ReduceFunction.allCases)
  func shortSumsDoNotDependOnTheirNeighbours(function: ReduceFunction) throws {
    let seed: UInt64 = 126
    var generator = SeededGenerator(seed: seed)
    for count in [2, 3, 7, 8, 9, 17, 32, 33] {
      var x = TensorArray.random([2, 27, count], using: &generator)
      x.elements[3 * count + 1] = .nan
      x.elements[5 * count] = -.infinity
      x.elements[6 * count] = -0.0
      let operation = Operation.reduce(function, axes: [2], keepsDimensions: false)
      let together = try TensorRun(operation, [x]).run()
      for row in 0..<54 {
        let line = TensorArray([1, 1, count], Array(x.elements[row * count..<(row + 1) * count]))
        let alone = try TensorRun(operation, [line]).run(lanes: 1)
        let isNaN = [alone.bits[0], together.bits[row]].allSatisfy { Float(bitPattern: $0).isNaN }
        #expect(
          isNaN || together.bits[row] == alone.bits[0], "\(function) of \(count), row \(row), seed \(seed)")
      }
    }
  }

  @Test func reducesSymbols() throws {
    var generator = SeededGenerator(seed: 122)
    for batch in [1, 4] {
      let x = TensorArray.random([batch, 3, 5], using: &generator)
      for axes in [[0], [1, 2], [0, 2]] {
        try TensorRun(.reduce(.sum, axes: axes, keepsDimensions: false), [x], batched: [0]).expect(
          Self.reduced(x, axes, keeps: false) { $0.reduce(0, +) }, absolute: 1e-5)
      }
    }
  }

  @Test(arguments: [false, true], [false, true])
  func runningSums(isExclusive: Bool, isReversed: Bool) throws {
    var generator = SeededGenerator(seed: 126)
    for shape in [[1], [9], [3, 10], [2, 5, 4], [4, 300]] {
      for type in [ElementType.float32, .int32] {
        var x = TensorArray.integers(shape, -50...50, using: &generator)
        x.type = type
        for axis in shape.indices {
          var expected = TensorArray(shape) { index in
            let places = (0..<shape[axis]).filter { place in
              let isBefore = isReversed ? place > index[axis] : place < index[axis]
              return isBefore || !isExclusive && place == index[axis]
            }
            return places.reduce(0.0) { sum, place in
              var other = index
              other[axis] = place
              return sum + x[other]
            }
          }
          expected.type = type
          let operation = Operation.cumulate(
            axis: axis, isExclusive: isExclusive, isReversed: isReversed)
          try TensorRun(operation, [x]).expect(expected)
          if shape[0] <= 5 { try TensorRun(operation, [x], batched: [0]).expect(expected) }
        }
      }
    }
  }

  @Test func largestOfNaN() throws {
    let x = TensorArray([2, 9], (0..<18).map { $0 == 12 ? .nan : Double($0) })
    try TensorRun(.reduce(.maximum, axes: [1], keepsDimensions: false), [x]).expect(
      TensorArray([2], [8, .nan]))
    try TensorRun(.reduce(.minimum, axes: [0], keepsDimensions: false), [x]).expect(
      TensorArray([9], [0, 1, 2, .nan, 4, 5, 6, 7, 8]))
  }

  @Test(arguments: [false, true], [false, true])
  func arguments(isMinimum: Bool, selectsLast: Bool) throws {
    var generator = SeededGenerator(seed: 123)
    for shape in [[9], [3, 10], [2, 5, 4], [10, 300]] {
      // Few different numbers: many are equal.
      var x = TensorArray.integers(shape, -2...2, using: &generator)
      x.type = .float32
      for axis in shape.indices {
        let expected = Self.reduced(x, [axis], keeps: true, .int32) { line in
          let best = isMinimum ? line.min() : line.max()
          let index = selectsLast ? line.lastIndex { $0 == best } : line.firstIndex { $0 == best }
          return Double(index ?? -1)
        }
        try TensorRun(
          .argument(isMinimum: isMinimum, axis: axis, keepsDimensions: true, selectsLast: selectsLast), [x]
        ).expect(expected)
      }
    }
  }

  /// NaN is the largest and the smallest, wherever it stands among the others.
  @Test(arguments: [false, true])
  func argumentsOfNaN(isMinimum: Bool) throws {
    let rows: [[Double]] = [[.nan, 1, 2, 0], [1, .nan, 2, 0], [1, 2, 0, .nan], [5, .nan, .nan, 9]]
    let x = TensorArray([4, 4], rows.flatMap { $0 })
    for selectsLast in [false, true] {
      let expected = rows.map { row in
        Double((selectsLast ? row.lastIndex(where: \.isNaN) : row.firstIndex(where: \.isNaN)) ?? -1)
      }
      var indices = TensorArray([4], expected)
      indices.type = .int32
      try TensorRun(
        .argument(isMinimum: isMinimum, axis: 1, keepsDimensions: false, selectsLast: selectsLast), [x]
      ).expect(indices)
    }
  }

  @Test(arguments: [false, true])
  func softmax(isLogarithm: Bool) throws {
    var generator = SeededGenerator(seed: 124)
    for shape in [[1], [10], [3, 1000], [2, 5, 7], [2, 3, 100], [4, 70, 3], [300, 20]] {
      for axis in shape.indices {
        var x = TensorArray.random(shape, -20...20, using: &generator)
        x.elements[0] = -100
        let sums = Self.reduced(x, [axis], keeps: true) { line in
          let largest = line.max() ?? 0
          return largest + log(line.reduce(0) { $0 + exp($1 - largest) })
        }
        let expected = TensorArray(shape) { index in
          var place = index
          place[axis] = 0
          return isLogarithm ? x[index] - sums[place] : exp(x[index] - sums[place])
        }
        try TensorRun(.softmax(axis: axis, isLogarithm: isLogarithm), [x]).expect(
          expected, absolute: isLogarithm ? 5e-6 : 1e-30, relative: 4e-6)
      }
    }
  }

  @Test(arguments: [false, true])
  func products(transposesRight: Bool) throws {
    var generator = SeededGenerator(seed: 125)
    let cases: [([Int], [Int], [Int])] = [
      // Batch dimensions of the operands and of the result.
      ([], [], []), ([3], [3], [3]), ([2, 3], [3], [2, 3]), ([2, 1], [3], [2, 3]), ([], [4], [4]),
      ([4, 1, 2], [3, 1], [4, 3, 2]),
    ]
    for (left, right, batch) in cases {
      for (m, k, n) in [(1, 1, 1), (3, 5, 7), (17, 33, 20), (200, 8, 40)] {
        let a = TensorArray.random(left + [m, k], using: &generator)
        let b = TensorArray.random(right + (transposesRight ? [n, k] : [k, n]), using: &generator)
        let expected = TensorArray(batch + [m, n]) { index in
          let outer = Array(index.dropLast(2))
          let (row, column) = (index[index.count - 2], index[index.count - 1])
          return (0..<k).reduce(0) { sum, depth in
            let inner = transposesRight ? [column, depth] : [depth, column]
            return sum + a.matrix(outer, [row, depth]) * b.matrix(outer, inner)
          }
        }
        try TensorRun(.matmul(transposesRight: transposesRight), [a, b]).expect(expected, absolute: 2e-5)
      }
    }
  }
}

extension TensorArray {
  /// An element of a matrix whose batch dimensions are broadcast.
  fileprivate func matrix(_ outer: [Int], _ inner: [Int]) -> Double {
    let batch = shape.dropLast(2)
    let index = zip(batch, outer.suffix(batch.count)).map { size, place in size == 1 ? 0 : place }
    return self[index + inner]
  }
}
