import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Networks whose inputs and outputs are narrow: equal to the bit to the network between that is given floats.
@Suite struct NarrowNetworkTests {
  static let window = Window(height: 3, width: 3, padding: (1, 1, 1, 1))

  /// A convolution with a cast before it and one behind it.
  private static func network(
    _ convolution: SyntheticConvolution, from source: ElementType, to target: ElementType
  ) -> ModelDescription {
    var description = convolution.description
    var graph = description.graph
    let node = graph.nodes[0]
    graph.nodes = []
    graph.values[0].elementType = source
    let floats = graph.add(.cast(.float32), [0])
    graph.nodes.append(Node(name: "conv", operation: node.operation, inputs: [floats], output: 1))
    graph.outputs = [graph.add(.cast(target), [1])]
    description.graph = graph
    return description
  }

  private static func run(
    _ description: ModelDescription, _ input: TensorArray, _ instructions: InstructionSet, threads: Int
  ) throws -> [UInt32] {
    var options = SessionOptions()
    options.threadCount = threads
    options.maximumInstructionSet = instructions.name
    let session = try Session(Model(description), options: options)
    let bytes = input.bytes
    return try bytes.withUnsafeBytes { data in
      try session.setInput(
        0, data: data.baseAddress, elementType: HostElementType(input.type),
        shape: input.shape.map(Int64.init), rank: input.shape.count, borrowing: true)
      try session.run()
      let output = try session.output(0)
      let type = description.graph.values[description.graph.outputs[0]].elementType
      return type.patterns(output.data, output.shape.reduce(1, *))
    }
  }

  /// What a host would have to do: casts outside.
  private static func expected(
    _ convolution: SyntheticConvolution, _ input: TensorArray, to target: ElementType
  ) throws -> [UInt32] {
    var floats = input
    floats.type = .float32
    let result = try run(convolution.description, floats, .portable, threads: 1)
    return result.map { CastTests.reference($0, .float32, target) }
  }

  @Test(arguments: [ElementType.uint8, .int8, .float16], [ElementType.float16, .int8, .uint8])
  func firstAndLastInANetwork(source: ElementType, target: ElementType) throws {
    for channels in [1, 3, 4, 16] {
      let seed = UInt64(4300 + channels)
      var generator = SeededGenerator(seed: seed)
      let level = Level.affine(8, 8).fixed(0.9, zero: 100)
      let convolution = SyntheticConvolution(
        Self.window, batch: 2, height: 9, width: 7, groupOutputs: 17, levels: [(level, channels)],
        using: &generator)
      let x = TensorArray(
        [2, 9, 7, channels],
        (0..<2 * 9 * 7 * channels).map { _ in
          let bits = UInt32.random(in: 0...255, using: &generator)
          return source == .float16 ? Double(bits) / 8 - 11 : source.number(bits)
        }, source)
      let expected = try Self.expected(convolution, x, to: target)
      let description = Self.network(convolution, from: source, to: target)
      for instructions in InstructionSet.underTest() {
        for threads in 1...3 {
          let actual = try Self.run(description, x, instructions, threads: threads)
          #expect(
            actual == expected,
            "\(source) \(channels) channels to \(target), \(instructions), \(threads) threads, seed \(seed)")
        }
      }
    }
  }

  /// No float image is made: the cast is part of the pass that makes the codes.
  @Test func castsAreDoneByRows() throws {
    var generator = SeededGenerator(seed: 4310)
    let convolution = SyntheticConvolution(
      Self.window, height: 64, width: 64, groupOutputs: 16,
      levels: [(Level.affine(8, 8).fixed(0.9, zero: 100), 3)], using: &generator)
    let description = Self.network(convolution, from: .uint8, to: .float16)
    let schedule = ScheduleTests.schedule(description.graph, areEndsExternal: true)
    let casts = schedule.steps.filter { $0.work is CastWork }
    #expect(casts.count == 2)
    #expect(schedule.steps[0].work is CastWork && schedule.steps[1].segment == schedule.steps[0].segment)
    let last = schedule.steps.count - 1
    #expect(
      schedule.steps[last].work is CastWork
        && schedule.steps[last - 1].segment == schedule.steps[last].segment)
    let layout = try WorkspaceLayout(
      schedule, SessionSizes([]), lanes: 1, cacheBytes: 1 << 18,
      scratchBytes: 0)
    // The float image would have 49152 bytes, the float output 262144.
    #expect(layout.valueBytes < 49152)
  }

  /// Normalised as networks want it, without a float image either.
  @Test func normalisedImagesAreMadeByRows() throws {
    var generator = SeededGenerator(seed: 4312)
    let convolution = SyntheticConvolution(
      Self.window, height: 64, width: 64, groupOutputs: 16,
      levels: [(Level.affine(8, 8).fixed(0.02, zero: 100), 3)], using: &generator)
    var description = convolution.description
    var graph = description.graph
    let (node, constants) = (
      graph.nodes[0], [[Float(0.017)], [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
    )
    graph.nodes = []
    graph.values[0].elementType = .uint8
    var value = graph.add(.cast(.float32), [0])
    for (numbers, function) in zip(constants, [BinaryFunction.multiply, .subtract, .divide]) {
      let buffer = AlignedBuffer(copying: numbers)
      description.owner.append(buffer)
      graph.constants.append(
        .dense(DenseConstant(elementType: .float32, shape: [numbers.count], bytes: ConstantBytes(buffer))))
      graph.constantNames.append("\(function)")
      value = graph.add(.binary(function), [value, graph.add(.constant(graph.constants.count - 1), [])])
    }
    graph.nodes.append(Node(name: "conv", operation: node.operation, inputs: [value], output: 1))
    description.graph = graph
    let schedule = ScheduleTests.schedule(graph, areEndsExternal: true)
    #expect(schedule.steps[0].work is CastWork && schedule.steps[3].work is RowConstantWork)
    #expect(schedule.steps[4].segment == schedule.steps[0].segment)
    let x = TensorArray.random([1, 64, 64, 3], .uint8, using: &generator)
    var normalised = TensorArray([1, 64, 64, 3], x.elements)
    normalised.elements = x.elements.enumerated().map { place, byte in
      let channel = place % 3
      return Double((Float(byte) * constants[0][0] - constants[1][channel]) / constants[2][channel])
    }
    let expected = try Self.run(convolution.description, normalised, .portable, threads: 1)
    for instructions in InstructionSet.underTest() {
      for threads in 1...3 {
        #expect(try Self.run(description, x, instructions, threads: threads) == expected)
      }
    }
  }

  /// A condition is not overwritten by bytes that are as long as it is.
  @Test func nothingIsComputedInPlaceOfAnotherWidth() throws {
    var generator = SeededGenerator(seed: 4311)
    let condition = TensorArray.integers([4], 0...1, using: &generator)
    let bytes = TensorArray.random([4, 4], .uint8, using: &generator)
    var graph = Graph()
    graph.values = [
      Value(name: "condition", elementType: .int32, shape: [.fixed(4)]),
      Value(name: "bytes", elementType: .uint8, shape: [.fixed(4), .fixed(4)]),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    let inverted = graph.add(.unary(.not), [0])
    let turned = graph.add(.transpose([1, 0]), [1])
    graph.outputs = [graph.add(.transpose([1, 0]), [graph.add(.select, [inverted, turned, 1])])]
    let expected = TensorArray([4, 4], .uint8) { index in
      condition[[index[0]]] == 0 ? bytes[[index[0], index[1]]] : bytes[[index[1], index[0]]]
    }
    for lanes in 1...3 {
      #expect(try graph.run([condition, bytes], lanes: lanes).bits == expected.bits)
    }
  }

  /// Ids and masks of bytes: what reads them has int32, made by a cast.
  @Test func castsFromBytesFeedIntegers() throws {
    let ids = TensorArray([5], [200, 0, 3, 255, 7], .uint8)
    var graph = Graph()
    graph.values = [Value(name: "x", elementType: .uint8, shape: [.fixed(5)])]
    graph.inputs = [GraphInput(value: 0)]
    let whole = graph.add(.cast(.int32), [0])
    let sum = graph.add(.binary(.add), [whole, whole])
    graph.outputs = [graph.add(.cast(.int8), [sum])]
    let expected = ids.elements.map { UInt32(UInt8(truncatingIfNeeded: Int($0) * 2)) }
    for lanes in 1...3 { #expect(try graph.run([ids], lanes: lanes).bits == expected) }
  }
}
