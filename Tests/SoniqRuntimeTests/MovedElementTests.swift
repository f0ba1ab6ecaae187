import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Operations that only move elements, on elements of 1, 2 and 4 bytes: every bit arrives, whatever the type.
@Suite struct MovedElementTests {
  static let shapes = [[5], [1], [3, 4], [1, 7, 1], [2, 3, 4, 5], [17, 33], [67, 41], [3, 37, 41]]

  /// Runs with some lanes, with the first dimension fixed and dynamic, and compares every bit.
  private static func check(
    _ run: TensorRun, _ expected: TensorArray, seed: UInt64, batched: Bool = false
  ) throws {
    var run = run
    for isDynamic in batched && run.inputs[0].shape[0] <= 5 ? [false, true] : [false] {
      run.batched = isDynamic ? [0] : []
      let result = try run.run()
      #expect(result.shape == expected.shape, "\(run.operation), seed \(seed)")
      #expect(result.bits == expected.bits, "\(run.operation) of \(expected.type), seed \(seed)")
    }
  }

  @Test(arguments: ElementType.allCases)
  func transposesSlicesAndReshapes(type: ElementType) throws {
    let seed: UInt64 = 4100
    var generator = SeededGenerator(seed: seed)
    for shape in Self.shapes {
      let x = TensorArray.random(shape, type, using: &generator)
      let permutation = shape.indices.shuffled(using: &generator)
      let turned = TensorArray(permutation.map { shape[$0] }, type) { index in
        var source = index
        for (place, axis) in permutation.enumerated() { source[axis] = index[place] }
        return x[source]
      }
      try Self.check(TensorRun(.transpose(permutation), [x]), turned, seed: seed, batched: true)
      let ranges = shape.map { size -> SliceRange in
        let begin = Int.random(in: 0..<size, using: &generator)
        let step = [1, 2, -1, -2].randomElement(using: &generator) ?? 1
        let most = step > 0 ? (size - 1 - begin) / step + 1 : begin / -step + 1
        return SliceRange(begin: begin, step: step, count: Int.random(in: 1...most, using: &generator))
      }
      let cut = TensorArray(ranges.map { $0.count?.fixedSize ?? 0 }, type) { index in
        x[zip(index, ranges).map { $1.begin + $0 * $1.step }]
      }
      try Self.check(TensorRun(.slice(ranges), [x]), cut, seed: seed)
      // Straight from the host to an output: it has memory of its own.
      let flat = [shape.reduce(1, *)]
      try Self.check(
        TensorRun(.reshape(flat.map(Dimension.fixed)), [x]), TensorArray(flat, x.elements, type), seed: seed)
    }
  }

  @Test(arguments: ElementType.allCases)
  func expandsAndSelects(type: ElementType) throws {
    let seed: UInt64 = 4101
    var generator = SeededGenerator(seed: seed)
    for (from, to) in [([1], [3, 5]), ([4, 1], [2, 4, 60]), ([3], [3]), ([2, 1, 3, 1], [2, 5, 3, 7])] {
      let x = TensorArray.random(from, type, using: &generator)
      try Self.check(
        TensorRun(.expand(to.map(Dimension.fixed)), [x]), TensorArray(to, type) { x.broadcast($0) },
        seed: seed)
    }
    // A condition of four bytes as long as a row of four elements of one.
    let shapes = [
      ([4], [4, 4], [4, 4]), ([3, 1], [5], [3, 5]), ([2, 70], [1], [2, 70]), ([1], [4, 4], [4]),
    ]
    for (condition, yes, no) in shapes {
      let truth = TensorArray.integers(condition, -1...1, using: &generator)
      let left = TensorArray.random(yes, type, using: &generator)
      let right = TensorArray.random(no, type, using: &generator)
      let rank = max(condition.count, yes.count, no.count)
      let output = (0..<rank).map { place in
        [condition, yes, no].map { shape in
          let axis = place - rank + shape.count
          return axis < 0 ? 1 : shape[axis]
        }.reduce(1, max)
      }
      let expected = TensorArray(output, type) { index in
        truth.broadcast(index) != 0 ? left.broadcast(index) : right.broadcast(index)
      }
      try Self.check(TensorRun(.select, [truth, left, right]), expected, seed: seed)
    }
  }

  @Test(arguments: ElementType.allCases)
  func joinsAndGathers(type: ElementType) throws {
    let seed: UInt64 = 4102
    var generator = SeededGenerator(seed: seed)
    for axis in 0..<3 {
      let parts = [3, 1, 4].map { size in
        var shape = [2, 3, 5]
        shape[axis] = size
        return TensorArray.random(shape, type, using: &generator)
      }
      var shape = [2, 3, 5]
      shape[axis] = 8
      let joined = TensorArray(shape, type) { index in
        var place = index
        let part = index[axis] < 3 ? 0 : index[axis] < 4 ? 1 : 2
        place[axis] -= [0, 3, 4][part]
        return parts[part][place]
      }
      try Self.check(TensorRun(.concatenate(axis: axis), parts), joined, seed: seed)
    }
    for shape in [[6], [4, 5], [3, 1, 4], [2, 6, 700]] {
      for axis in shape.indices {
        let x = TensorArray.random(shape, type, using: &generator)
        let size = Int32(shape[axis])
        let indices = TensorArray.integers([2, 3], -size...(size - 1), using: &generator)
        let expected = TensorArray(Array(shape[..<axis]) + [2, 3] + Array(shape[(axis + 1)...]), type) {
          index in
          let place = Int(indices[Array(index[axis..<axis + 2])])
          let row = place < 0 ? place + shape[axis] : place
          return x[Array(index[..<axis]) + [row] + Array(index[(axis + 2)...])]
        }
        try Self.check(TensorRun(.gather(axis: axis), [x, indices]), expected, seed: seed)
      }
    }
  }

  @Test(arguments: ElementType.allCases)
  func splits(type: ElementType) throws {
    let seed: UInt64 = 4105
    var generator = SeededGenerator(seed: seed)
    for axis in 0..<3 {
      var shape = [3, 5, 7]
      shape[axis] = 9
      let x = TensorArray.random(shape, type, using: &generator)
      var graph = Graph()
      graph.values = [Value(name: "x", elementType: type, shape: shape.map(Dimension.fixed))]
      graph.inputs = [GraphInput(value: 0)]
      graph.outputs = try graph.addAll(.split(axis: axis, sizes: [4, 1, 4]), [0])
      for lanes in 1...3 {
        let parts = try graph.runAll([x], lanes: lanes)
        for (part, (begin, size)) in zip(parts, [(0, 4), (4, 1), (5, 4)]) {
          var partShape = shape
          partShape[axis] = size
          let expected = TensorArray(partShape, type) { index in
            var place = index
            place[axis] += begin
            return x[place]
          }
          #expect(part.shape == partShape && part.bits == expected.bits, "axis \(axis), seed \(seed)")
        }
      }
    }
  }

  @Test(arguments: ElementType.allCases)
  func pads(type: ElementType) throws {
    let seed: UInt64 = 4103
    var generator = SeededGenerator(seed: seed)
    // What the value becomes: cut off, saturated, rounded.
    let values: [(Float, [ElementType: Double])] = [
      (-7.5, [.float32: -7.5, .int32: -7, .float16: -7.5, .int8: -7, .uint8: 0]),
      (300.25, [.float32: 300.25, .int32: 300, .float16: 300.25, .int8: 127, .uint8: 255]),
      (1e9, [.float32: 1e9, .int32: 1e9, .float16: .infinity, .int8: 127, .uint8: 255]),
    ]
    for mode in PadMode.allCases {
      for shape in [[5], [3, 4], [2, 6, 1, 5]] {
        for (value, filled) in values {
          let x = TensorArray.random(shape, type, using: &generator)
          let before = shape.map { _ in Int.random(in: 0...4, using: &generator) }
          let after = shape.map { _ in Int.random(in: 0...4, using: &generator) }
          let expected = TensorArray(shape.indices.map { shape[$0] + before[$0] + after[$0] }, type) {
            index in
            let places = shape.indices.map {
              TensorLayoutTests.padded(mode, index[$0] - before[$0], shape[$0])
            }
            let inside = places.compactMap { $0 }
            return inside.count == shape.count ? x[inside] : filled[type] ?? .nan
          }
          try Self.check(
            TensorRun(.pad(mode, before: before, after: after, value: value), [x]), expected, seed: seed)
        }
      }
    }
  }

  /// Constants of every type, alone and read by moves.
  @Test(arguments: ElementType.allCases)
  func constantsOfEveryType(type: ElementType) throws {
    let seed: UInt64 = 4104
    var generator = SeededGenerator(seed: seed)
    let x = TensorArray.random([3, 5], type, using: &generator)
    try Self.check(TensorRun(.constant(0), [], constants: [x]), x, seed: seed)
    var (graph, owners) = try TensorRun(.constant(0), [], constants: [x]).graph()
    graph.outputs = [graph.add(.transpose([1, 0]), [0])]
    let turned = try graph.run([], lanes: 2, owners: owners)
    #expect(turned.shape == [5, 3])
    #expect(turned.bits == TensorArray([5, 3], type) { x[[$0[1], $0[0]]] }.bits)
  }

  /// Arithmetic is of float32 and int32.
  @Test(arguments: [ElementType.float16, .int8, .uint8])
  func arithmeticIsRefused(type: ElementType) throws {
    let operations: [SoniqGraph.Operation] = [
      .binary(.add), .binary(.equal), .add, .binary(.and),
    ]
    var graph = Graph()
    graph.values = [Value(name: "x", elementType: type, shape: [.fixed(3), .fixed(4)])]
    graph.inputs = [GraphInput(value: 0)]
    for operation in operations {
      graph.nodes = [Node(name: "n", operation: operation, inputs: [0, 0], output: 0)]
      let error = #expect(throws: GraphError.self) { try graph.inferredOutput(ofNode: 0) }
      #expect(error?.code == .elementTypeMismatch, "\(operation)")
    }
    let single: [SoniqGraph.Operation] = [
      .activation(.relu), .unary(.negative), .unary(.not), .softmax(axis: 1, isLogarithm: false),
      .reduce(.sum, axes: [1], keepsDimensions: false), .topK(axis: 1, count: 2),
      .cumulate(axis: 1, isExclusive: false, isReversed: false),
    ]
    for operation in single {
      graph.nodes = [Node(name: "n", operation: operation, inputs: [0], output: 0)]
      let error = #expect(throws: GraphError.self) { try graph.inferredOutput(ofNode: 0) }
      #expect(error?.code == .elementTypeMismatch, "\(operation)")
    }
  }
}
