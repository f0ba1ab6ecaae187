import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Functions of the elements that a matrix or a convolution makes.
@Suite struct FusedFunctionTests {
  /// One of each kind, with parameters.
  static let functions: [SoniqGraph.Operation] =
    plain.filter(\.kind.isActivation).map { .activation($0) }
    + plain.filter { $0 == .hardSwish || !$0.kind.isActivation }.map { .unary($0) }
    + withNumbers.map { .unary($0) }

  private static let plain = ElementKind.allCases.filter(\.row.parameters.isEmpty).map { ElementFunction($0) }

  private static let withNumbers: [ElementFunction] = [
    .leakyRelu(alpha: 0.2), .clip(low: -0.5, high: 0.75), .clip(low: 0, high: 6),
    .clip(low: 0, high: .infinity), .clip(low: 0, high: 0.3), .clip(low: 0, high: -1),
    .hardSigmoid(alpha: 0.2, beta: 0.4), .elu(alpha: 1.5),
  ]

  enum Layer: CaseIterable { case linear, convolution, depthwise }

  private static let level = Level.affine(8, 8).fixed(0.03, zero: 100)
  private static let shape = [2, 5, 4, 20]

  /// A layer, a function, and a second layer of codes from 0 on that reads it.
  private static func model(
    _ layer: Layer, _ function: SoniqGraph.Operation, using generator: inout SeededGenerator
  ) -> ModelDescription {
    let window = layer == .linear ? Window(height: 1, width: 1) : SinkTests.same
    let first = SyntheticConvolution(
      window, batch: shape[0], height: shape[1], width: shape[2], groupOutputs: shape[3],
      levels: [(level, shape[3])], using: &generator)
    let last = SyntheticConvolution(
      Window(height: 1, width: 1), batch: shape[0], height: shape[1], width: shape[2], groupOutputs: 7,
      levels: [(Level.affine(8, 8).fixed(0.002), shape[3])], using: &generator)
    let depthwise = SyntheticDepthwise(window, channels: shape[3], level: level, using: &generator)
    var graph = Graph()
    let dimensions = shape.map { Dimension.fixed($0) }
    graph.values = ["x", "sums", "results"].map {
      Value(name: $0, elementType: .float32, shape: dimensions)
    }
    graph.values.append(
      Value(name: "y", elementType: .float32, shape: Array(dimensions.dropLast()) + [.fixed(7)]))
    graph.constants = [
      layer == .depthwise ? .depthwise(depthwise.packed) : .matrix(first.matrices[0]),
      .matrix(last.matrices[0]),
    ]
    graph.constantNames = ["first", "last"]
    let operation: SoniqGraph.Operation =
      switch layer {
      case .linear: .linear(matrix: 0)
      case .convolution: .convolution(window, weights: [0])
      case .depthwise: .depthwiseConvolution(window, weights: 0, bias: nil)
      }
    graph.nodes = [
      Node(name: "layer", operation: operation, inputs: [0], output: 1),
      Node(name: "function", operation: function, inputs: [1], output: 2),
      Node(name: "reader", operation: .linear(matrix: 1), inputs: [2], output: 3),
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [3]
    return ModelDescription(
      graph: graph, metadata: [],
      owner: first.description.owner + last.description.owner + depthwise.owners)
  }

  private static func run(
    _ description: ModelDescription, _ input: [Float], _ options: SessionOptions
  ) throws -> (bits: [UInt32], steps: [String]) {
    let session = try Session(Model(description), options: options)
    try input.withUnsafeBytes {
      try session.setInput(
        0, data: $0.baseAddress, elementType: .float32, shape: shape.map { Int64($0) }, rank: 4)
    }
    try session.run()
    return (try session.floats(session.output(0)).map(\.bitPattern), session.kernelReport.map(\.operation))
  }

  /// No step of its own, and the bits of one.
  @Test(arguments: Layer.allCases) func everyFunctionIsDoneByTheLayerBefore(layer: Layer) throws {
    for (index, function) in Self.functions.enumerated() {
      var generator = SeededGenerator(seed: UInt64(9500 + index))
      let description = Self.model(layer, function, using: &generator)
      var input = (0..<Self.shape.reduce(1, *)).map { _ in Float.random(in: -3...3, using: &generator) }
      input[5] = .nan
      input[50] = .infinity
      var options = SessionOptions()
      options.maximumInstructionSet = "portable"
      options.threadCount = 1
      options.keptValues = [1, 2]
      let apart = try Self.run(description, input, options)
      #expect(apart.steps.contains("activation"), "\(function): \(apart.steps)")
      options.keptValues = []
      for instructions in InstructionSet.underTest() {
        options.maximumInstructionSet = instructions.name
        for threads in [1, 2] {
          options.threadCount = threads
          let fused = try Self.run(description, input, options)
          #expect(fused.bits == apart.bits, "\(function), \(instructions), \(threads) threads")
          #expect(!fused.steps.contains("activation"), "\(function): \(fused.steps)")
        }
      }
    }
  }

  /// What the codes of the reader cut off anyway is not done at all, and what they do not is.
  @Test func whatCodesCutOffIsLeftOut() throws {
    // Codes of 0.002 reach to 0.51.
    for (end, isDone) in [(Float(0.3), true), (0.509, true), (0.51, false), (6, false), (.infinity, false)] {
      var generator = SeededGenerator(seed: 9600)
      let description = Self.model(
        .convolution, .unary(.clip(low: 0, high: end)), using: &generator)
      let steps = try Session(Model(description)).kernelReport.map(\.operation)
      #expect(steps.contains { $0.hasSuffix("+ activation") } == isDone, "\(end): \(steps)")
    }
  }
}
