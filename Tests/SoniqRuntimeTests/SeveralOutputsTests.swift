import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Nodes with several outputs: parts of a tensor, and its largest elements with their indices.
@Suite struct SeveralOutputsTests {
  private static func graph(_ inputs: [TensorArray]) -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 6)]
    for (index, input) in inputs.enumerated() {
      let shape = [.symbol(0)] + input.shape.dropFirst().map(Dimension.fixed)
      graph.values.append(Value(name: "input\(index)", elementType: input.type, shape: shape))
      graph.inputs.append(GraphInput(value: index))
    }
    return graph
  }

  /// The outputs of both with 1, 2 and 3 lanes.
  private static func expectSame(_ left: Graph, _ right: Graph, _ inputs: [TensorArray]) throws {
    try left.validate()
    try right.validate()
    let expected = try right.runAll(inputs, lanes: 1)
    for lanes in 1...3 {
      let actual = try left.runAll(inputs, lanes: lanes)
      #expect(actual.map(\.shape) == expected.map(\.shape), "\(lanes) lanes")
      #expect(actual.map(\.bits) == expected.map(\.bits), "\(lanes) lanes")
    }
  }

  private static func slices(
    _ graph: inout Graph, _ input: ValueID, axis: Int, sizes: [Int]
  ) -> [ValueID] {
    var begin = 0
    return sizes.map { size in
      let ranges = graph.values[input].shape.indices.map { position in
        position == axis
          ? SliceRange(begin: begin, step: 1, count: size) : SliceRange(begin: 0, step: 1, count: nil)
      }
      begin += size
      return graph.add(.slice(ranges), [input])
    }
  }

  @Test(arguments: [
    ([4, 10], 1, [3, 1, 6]), ([3, 5, 4], 1, [4, 1]), ([2, 3, 2, 9], 3, [2, 7]), ([5, 6], 1, [6]),
  ])
  func partsAreSlices(shape: [Int], axis: Int, sizes: [Int]) throws {
    var generator = SeededGenerator(seed: 9300)
    for type in [ElementType.float32, .int32] {
      let input =
        type == .float32
        ? TensorArray.random(shape, using: &generator)
        : TensorArray.integers(shape, -9...9, using: &generator)
      // Alone between the host's input and the outputs, the last part first.
      var parts = Self.graph([input])
      parts.outputs = try parts.addAll(.split(axis: axis, sizes: sizes), [0]).reversed()
      var cut = Self.graph([input])
      cut.outputs = Self.slices(&cut, 0, axis: axis, sizes: sizes).reversed()
      if sizes.count > 1 { try Self.expectSame(parts, cut, [input]) }
    }
  }

  @Test(arguments: [0, 1, 2]) func partsAlongAnyAxis(axis: Int) throws {
    var generator = SeededGenerator(seed: 9301)
    let input = TensorArray.random([7, 7, 7], using: &generator)
    func graph(_ make: (inout Graph) throws -> [ValueID]) rethrows -> Graph {
      var graph = Graph()
      graph.values = [Value(name: "x", elementType: .float32, shape: [.fixed(7), .fixed(7), .fixed(7)])]
      graph.inputs = [GraphInput(value: 0)]
      graph.outputs = try make(&graph)
      return graph
    }
    let parts = try graph { try $0.addAll(.split(axis: axis, sizes: [2, 4, 1]), [0]) }
    let cut = graph { Self.slices(&$0, 0, axis: axis, sizes: [2, 4, 1]) }
    try Self.expectSame(parts, cut, [input])
  }

  /// Behind and before other steps, with parts that nobody reads and one that is read twice.
  @Test func partsInAGraph() throws {
    var generator = SeededGenerator(seed: 9302)
    let input = TensorArray.random([5, 12], using: &generator)
    func finish(_ graph: inout Graph, _ parts: [ValueID]) {
      let left = graph.add(.activation(.silu), [parts[2]])
      let right = graph.add(.binary(.multiply), [left, parts[0]])
      graph.outputs = [graph.add(.add, [right, parts[2]]), parts[3]]
    }
    var parts = Self.graph([input])
    let doubled = parts.add(.add, [0, 0])
    finish(&parts, try parts.addAll(.split(axis: 1, sizes: [4, 2, 4, 2]), [doubled]))
    var cut = Self.graph([input])
    let same = cut.add(.add, [0, 0])
    finish(&cut, Self.slices(&cut, same, axis: 1, sizes: [4, 2, 4, 2]))
    try Self.expectSame(parts, cut, [input])
  }

  @Test func keptPartsAreReadable() throws {
    let input = TensorArray([2, 3]) { Double($0[0] * 3 + $0[1]) }
    var graph = Self.graph([input])
    let parts = try graph.addAll(.split(axis: 1, sizes: [1, 2]), [0])
    graph.outputs = [parts[0]]
    let model = try Model(ModelDescription(graph: graph, metadata: [], owner: []))
    var options = SessionOptions()
    options.keptValues = [parts[1]]
    let session = try Session(model, options: options)
    try input.bits.withUnsafeBytes {
      try session.setInput(
        0, data: $0.baseAddress, elementType: .float32, shape: [2, 3].map(Int64.init), rank: 2)
    }
    try session.run()
    let kept = try session.keptValue(parts[1])
    #expect(kept.shape == [2, 2])
    let bits = UnsafeBufferPointer(start: kept.data.assumingMemoryBound(to: Float.self), count: 4)
    #expect(Array(bits) == [1, 2, 4, 5])
  }

  // MARK: Largest elements

  /// By value, NaN above all, then by index.
  private static func reference(_ line: [Double], smallest: Bool, count: Int) -> [Int] {
    func isBefore(_ left: Int, _ right: Int) -> Bool {
      let (x, y) = (line[left], line[right])
      if x.isNaN || y.isNaN {
        if x.isNaN && y.isNaN { return left < right }
        return x.isNaN != smallest
      }
      if x != y { return smallest ? x < y : x > y }
      return left < right
    }
    return Array(line.indices.sorted(by: isBefore)[..<count])
  }

  @Test(arguments: [([4, 9], 1), ([3, 6, 5], 1), ([2, 33], 1), ([3, 2, 1], 2)], [false, true])
  func theLargestInTheirOrder(place: (shape: [Int], axis: Int), isSmallest: Bool) throws {
    var generator = SeededGenerator(seed: 9303)
    let (shape, axis) = place
    let size = shape[axis]
    let inner = shape[(axis + 1)...].reduce(1, *)
    let special: [Double] = [.nan, .infinity, -.infinity, 0, -0.0, 1, 1]
    var inputs = [
      TensorArray.random(shape, using: &generator), TensorArray.integers(shape, -2...2, using: &generator),
    ]
    inputs.append(TensorArray(shape) { special[($0.reduce(0) { $0 * 5 + $1 }) % special.count] })
    for input in inputs {
      for count in Set([1, (size + 1) / 2, size]) {
        var graph = Self.graph([input])
        graph.outputs = try graph.addAll(.topK(axis: axis, isSmallest: isSmallest, count: count), [0])
        try graph.validate()
        var values = [UInt32](repeating: 0, count: shape.reduce(1, *) / size * count)
        var indices = values
        for line in 0..<values.count / count {
          let (outer, column) = (line / inner, line % inner)
          let places = (0..<size).map { (outer * size + $0) * inner + column }
          let chosen = Self.reference(places.map { input.elements[$0] }, smallest: isSmallest, count: count)
          for (rank, index) in chosen.enumerated() {
            let target = (outer * count + rank) * inner + column
            values[target] = input.bits[places[index]]
            indices[target] = UInt32(index)
          }
        }
        for lanes in 1...3 {
          let result = try graph.runAll([input], lanes: lanes)
          #expect(result[0].bits == values, "\(count) of \(size), \(lanes) lanes")
          #expect(result[1].bits == indices, "\(count) of \(size), \(lanes) lanes")
        }
      }
    }
  }

  /// A count of 0 is all of an axis, whose size a run says.
  @Test(arguments: [[1, 4], [2, 4], [5, 4], [6, 4]], [false, true])
  func allOfAnAxisThatIsASymbol(shape: [Int], isSmallest: Bool) throws {
    var generator = SeededGenerator(seed: 9304)
    let x = TensorArray.integers(shape, -2...2, using: &generator)
    var graph = Self.graph([x])
    graph.outputs = try graph.addAll(.topK(axis: 0, isSmallest: isSmallest, count: 0), [0])
    graph.outputs += try graph.addAll(.topK(axis: 1, isSmallest: isSmallest, count: 0), [0])
    try graph.validate()
    func expected(_ lines: [[Int]], _ values: inout [UInt32], _ indices: inout [UInt32]) {
      for places in lines {
        let line = places.map { x.elements[$0] }
        let order = Self.reference(line, smallest: isSmallest, count: line.count)
        for (rank, index) in order.enumerated() {
          values[places[rank]] = x.bits[places[index]]
          indices[places[rank]] = UInt32(index)
        }
      }
    }
    var (high, highAt) = (x.bits, x.bits)
    var (wide, wideAt) = (x.bits, x.bits)
    let (rows, columns) = (shape[0], shape[1])
    expected(
      (0..<columns).map { column in (0..<rows).map { $0 * columns + column } }, &high, &highAt)
    expected(
      (0..<rows).map { row in (0..<columns).map { row * columns + $0 } }, &wide, &wideAt)
    for lanes in 1...3 {
      let result = try graph.runAll([x], lanes: lanes)
      for (actual, bits) in zip(result, [high, highAt, wide, wideAt]) {
        #expect(actual.bits == bits, "\(lanes) lanes")
      }
    }
  }

  /// Only the indices are read, and the values of what is before.
  @Test func indicesFeedAGather() throws {
    let input = TensorArray([3, 5]) { Double(($0[0] * 7 + $0[1] * 3) % 5) }
    var graph = Self.graph([input])
    let top = try graph.addAll(.topK(axis: 1, count: 2), [graph.add(.unary(.negative), [0])])
    let table = graph.add(.cast(.float32), [top[1]])
    graph.outputs = [graph.add(.binary(.add), [table, table])]
    try graph.validate()
    let bits = try graph.run([input], lanes: 2).bits
    let expected = (0..<3).flatMap { row in
      Self.reference((0..<5).map { -input[[row, $0]] }, smallest: false, count: 2).map { Float(2 * $0) }
    }
    #expect(bits.map(Float.init(bitPattern:)) == expected)
  }

  @Test func moreOutputsThanTheOperationHas() throws {
    var graph = Self.graph([TensorArray([2, 4]) { _ in 0 }])
    let parts = try graph.addAll(.split(axis: 1, sizes: [1, 3]), [0])
    graph.outputs = [parts[0]]
    let extra = graph.values.count
    graph.values.append(Value(name: "extra", elementType: .float32, shape: [.symbol(0), .fixed(1)]))
    graph.nodes[0] = Node(
      name: "node", operation: .split(axis: 1, sizes: [1, 3]), inputs: [0], output: parts[0],
      moreOutputs: [parts[1], extra])
    #expect(throws: GraphError(.wrongOutputCount, node: 0, field: "moreOutputs.count")) {
      try graph.validate()
    }
  }
}
