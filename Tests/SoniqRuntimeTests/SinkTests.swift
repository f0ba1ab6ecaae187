import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Steps that write the next layer's codes in place of floats.
@Suite struct SinkTests {
  private enum Stage {
    case convolution(Window, [(Level, Int)], outputs: Int)
    case depthwise(Window, Level)
    case linear([(Level, Int)], outputs: Int)
  }

  /// Layers one after the other; every one's values are readable or none are.
  private struct Chain {
    var graph = Graph()
    var owners: [AnyObject] = []
    var shape: [Int]

    init(_ stages: [Stage], shape: [Int], using generator: inout SeededGenerator) {
      self.shape = shape
      graph.inputs = [GraphInput(value: 0)]
      addValue("x")
      for (index, stage) in stages.enumerated() {
        let operation: SoniqGraph.Operation
        switch stage {
        case .convolution(let window, let levels, let outputs):
          let constants = add(window, levels, outputs, &generator)
          operation = .convolution(window, weights: constants)
          self.shape = [
            self.shape[0], window.outputHeight(self.shape[1]), window.outputWidth(self.shape[2]), outputs,
          ]
        case .linear(let levels, let outputs):
          let constants = add(Window(height: 1, width: 1), levels, outputs, &generator)
          operation = .linear(matrix: constants[0])
          self.shape[3] = outputs
        case .depthwise(let window, let level):
          operation = .depthwiseConvolution(window, weights: add(window, level, &generator), bias: nil)
          self.shape[1] = window.outputHeight(self.shape[1])
          self.shape[2] = window.outputWidth(self.shape[2])
        }
        addValue("y\(index)")
        graph.nodes.append(
          Node(name: "layer \(index)", operation: operation, inputs: [index], output: index + 1))
      }
      graph.outputs = [stages.count]
    }

    private mutating func addValue(_ name: String) {
      graph.values.append(Value(name: name, elementType: .float32, shape: shape.map { .fixed($0) }))
    }

    private mutating func add(
      _ window: Window, _ levels: [(Level, Int)], _ outputs: Int, _ generator: inout SeededGenerator
    ) -> [Int] {
      let convolution = SyntheticConvolution(
        window, height: 8, width: 8, groupOutputs: outputs, levels: levels, using: &generator)
      owners += convolution.description.owner
      graph.constants.append(.matrix(convolution.matrices[0]))
      graph.constantNames.append("weights \(graph.constants.count)")
      return [graph.constants.count - 1]
    }

    private mutating func add(_ window: Window, _ level: Level, _ generator: inout SeededGenerator) -> Int {
      let depthwise = SyntheticDepthwise(window, channels: shape[3], level: level, using: &generator)
      owners += depthwise.owners
      graph.constants.append(.depthwise(depthwise.packed))
      graph.constantNames.append("taps \(graph.constants.count)")
      return graph.constants.count - 1
    }

    var description: ModelDescription { ModelDescription(graph: graph, metadata: [], owner: owners) }
  }

  private static func run(
    _ chain: Chain, _ input: [Float], _ instructions: InstructionSet, threads: Int, keepsAll: Bool
  ) throws -> (bits: [UInt32], steps: [String]) {
    var options = SessionOptions()
    options.threadCount = threads
    options.maximumInstructionSet = instructions.name
    if keepsAll { options.keptValues = chain.graph.nodes.map(\.output) }
    let session = try Session(Model(chain.description), options: options)
    let shape = chain.graph.values[chain.graph.inputs[0].value].shape.map { dimension -> Int64 in
      if case .fixed(let size) = dimension { Int64(size) } else { 0 }
    }
    try input.withUnsafeBytes {
      try session.setInput(0, data: $0.baseAddress, elementType: .float32, shape: shape, rank: 4)
    }
    try session.run()
    return (try session.floats(session.output(0)).map(\.bitPattern), session.kernelReport.map(\.operation))
  }

  /// The same bits whether the values between the layers are floats that stay or codes, on every instruction set.
  /// `sinks` where all kernels write codes.
  private static func check(
    _ stages: [Stage], shape: [Int], seed: UInt64, sinks: Int, _ note: String,
    includesExtremes: Bool = false
  ) throws {
    var generator = SeededGenerator(seed: seed)
    let chain = Chain(stages, shape: shape, using: &generator)
    var input = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -3...3, using: &generator) }
    if includesExtremes { input[3] = .nan; input[40] = .infinity; input[77] = -.infinity }
    let expected = try run(chain, input, .portable, threads: 1, keepsAll: true)
    for instructions in InstructionSet.underTest() {
      for threads in [1, 2, 3] {
        let actual = try run(chain, input, instructions, threads: threads, keepsAll: false)
        let place = zip(expected.bits, actual.bits).enumerated().first { $0.element.0 != $0.element.1 }
        #expect(
          place == nil && actual.bits.count == expected.bits.count,
          "\(note), seed \(seed), \(instructions), \(threads) threads: \(String(describing: place))")
        let taken = actual.steps.filter { $0 == "place codes" || $0 == "take codes" }.count
        #expect(
          instructions == .portable ? taken == 0 : (sinks - 1...sinks).contains(taken),
          "\(note) \(instructions): \(actual.steps)")
      }
    }
  }

  static let same = Window(height: 3, width: 3, padding: (1, 1, 1, 1))
  private static let halved = Window(height: 3, width: 3, strides: (2, 2), padding: (1, 1, 1, 1))
  private static let bytes = Level.affine(8, 8).fixed(0.03, zero: 100)

  private static func plain(_ level: Level, _ channels: Int) -> [(Level, Int)] { [(level, channels)] }

  /// Every level with affine activations as the writer and as the reader, at several paddings.
  @Test(arguments: [
    Level.affine(8, 8).fixed(0.02, zero: 100), .affine(4, 8).fixed(0.02, zero: 3),
    .affine(1, 1).fixed(0.9, zero: 1), .affine(1, 1).fixed(0.4),
    Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 4)).fixed(0.2, zero: 5),
    .affine(2, 4).fixed(0.2), .affine(5, 6).fixed(0.05, zero: 31),
    Level(weight: .bipolar(2), activation: .init(kind: .affine, bits: 8)).fixed(0.02, zero: 77),
    Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 1)).fixed(0.8),
  ])
  func convolutionsOfEveryLevel(level: Level) throws {
    for (index, window) in [Self.same, Self.halved, Window(height: 1, width: 1)].enumerated() {
      for channels in [16, 24, 36, 64, 80] {
        try Self.check(
          [
            .convolution(Self.same, Self.plain(Self.bytes, 8), outputs: channels),
            .convolution(window, Self.plain(level, channels), outputs: 20),
            .convolution(Self.same, Self.plain(level, 20), outputs: 17),
          ], shape: [2, 7, 9, 8], seed: UInt64(4000 + channels * 10 + index), sinks: 2,
          "\(level) \(channels) channels, window \(index)")
      }
    }
  }

  @Test(arguments: [(16, 1), (32, 1), (32, 2), (96, 1), (144, 2), (40, 1)])
  func invertedResiduals(channels: Int, stride: Int) throws {
    let depthwise = Window(
      height: 3, width: 3, strides: (stride, stride), padding: (1, 1, 1, 1))
    try Self.check(
      [
        .linear(Self.plain(Self.bytes, 12), outputs: channels), .depthwise(depthwise, Self.bytes),
        .linear(Self.plain(Self.bytes, channels), outputs: 24),
        .linear(Self.plain(Level.affine(1, 4).fixed(0.4, zero: 7), 24), outputs: 32),
        .depthwise(Window(height: 5, width: 5, padding: (2, 2, 2, 2)), Self.bytes),
        .convolution(Self.same, Self.plain(Level.affine(1, 1).fixed(0.7), 32), outputs: 10),
      ], shape: [1, 11, 13, 12], seed: UInt64(4500 + channels + stride), sinks: 4,
      "\(channels) channels, stride \(stride)", includesExtremes: true)
  }

  /// Codes that a depthwise convolution writes, read as they are and in other forms.
  @Test(arguments: [
    Level.affine(8, 8).fixed(0.03, zero: 100), .affine(4, 8).fixed(0.02, zero: 3),
    .affine(1, 1).fixed(0.9, zero: 1), .affine(2, 4).fixed(0.2), .affine(5, 6).fixed(0.05, zero: 31),
    Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 4)).fixed(0.2, zero: 5),
    Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 1)).fixed(0.8),
  ])
  func depthwiseBeforeEveryLevel(level: Level) throws {
    for (channels, outputs) in [(32, 20), (64, 300), (96, 40), (576, 96)] {
      try Self.check(
        [
          .linear(Self.plain(Self.bytes, 12), outputs: channels), .depthwise(Self.same, Self.bytes),
          .linear(Self.plain(level, channels), outputs: outputs),
          .depthwise(Self.halved, Self.bytes),
          .convolution(Self.same, Self.plain(level, outputs), outputs: 10),
        ], shape: [1, 5, 6, 12], seed: UInt64(4800 + channels), sinks: 4,
        "\(level), \(channels) channels")
    }
  }

  /// A convolution that reads the planes that a transposition would bring together.
  @Test(arguments: [1, 2, 3, 4], [9, 40, 300])
  func planes(channels: Int, width: Int) throws {
    var generator = SeededGenerator(seed: UInt64(4700 + channels * 1000 + width))
    for level in [
      Self.bytes, Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 8)).fixed(0.03),
    ] {
      for window in [Window(height: 7, width: 7, strides: (2, 2), padding: (3, 3, 3, 3)), Self.same] {
        var chain = Chain(
          [.convolution(window, Self.plain(level, channels), outputs: 20)], shape: [2, 5, width, channels],
          using: &generator)
        let planes = [2, channels, 5, width].map { Dimension.fixed($0) }
        chain.graph.values.append(Value(name: "planes", elementType: .float32, shape: planes))
        let node = Node(
          name: "transpose", operation: .transpose([0, 2, 3, 1]), inputs: [2], output: 0)
        chain.graph.nodes.insert(node, at: 0)
        chain.graph.inputs = [GraphInput(value: 2)]
        let input = (0..<10 * channels * width).map { _ in Float.random(in: -3...3, using: &generator) }
        let expected = try Self.run(chain, input, .portable, threads: 1, keepsAll: true)
        for instructions in InstructionSet.underTest() {
          for threads in [1, 2] {
            let actual = try Self.run(chain, input, instructions, threads: threads, keepsAll: false)
            #expect(actual.bits == expected.bits, "\(level) \(window) \(instructions) \(threads) threads")
            let isPlanar = channels > 1 && level.weight.layout == .bytes
            #expect(actual.steps.contains("quantize planes") == isPlanar, "\(actual.steps)")
          }
        }
      }
    }
  }
}
