import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Layers over images [B,H,W,C] with random weights. Batch, height and width are fixed or symbols, the weights are the same:
/// both must give the same bits.
struct ImageNetwork {
  /// Of batch, height and width: the symbols of a model of dynamic sizes.
  var symbols: Set<Int> = [0, 1, 2]
  /// The input is [B,C,H,W].
  var isPlanar = false
  let inputChannels: Int
  private(set) var channels: Int
  private var constants: [Constant] = []
  private var owners: [AnyObject] = []
  private var layers: [(inout Graph, ValueID) -> ValueID] = []
  private var generator: SeededGenerator
  private let seed: UInt64

  init(channels: Int, seed: UInt64) {
    (inputChannels, self.channels) = (channels, channels)
    generator = SeededGenerator(seed: seed)
    self.seed = seed
  }

  // MARK: Layers

  mutating func convolution(
    _ window: Window, _ levels: [(Level, Int)], groups: Int = 1, groupOutputs: Int, shuffled: Bool = false
  ) {
    let made = SyntheticConvolution(
      window, height: 1, width: 1, groups: groups, groupOutputs: groupOutputs, levels: levels,
      shuffled: shuffled, using: &generator)
    owners += made.description.owner
    let weights = made.matrices.map { add(.matrix($0)) }
    append(.convolution(window, weights: weights), channels: groupOutputs * groups)
  }

  mutating func floatConvolution(_ window: Window, groups: Int = 1, groupOutputs: Int) {
    let inputs = channels / groups * window.taps
    let weights = (0..<groups).map { _ in
      let matrix = SyntheticMatrix(
        outputs: groupOutputs, inputs: inputs, levels: [(.affine(8, 8), inputs)], shuffled: false,
        using: &generator)
      owners += matrix.owners
      return add(.floatMatrix(matrix.float))
    }
    append(.convolution(window, weights: weights), channels: groupOutputs * groups)
  }

  mutating func depthwise(_ window: Window, _ level: Level) {
    let made = SyntheticDepthwise(window, channels: channels, level: level, using: &generator)
    owners += made.owners
    append(
      .depthwiseConvolution(window, weights: add(.depthwise(made.packed)), bias: nil), channels: channels)
  }

  mutating func floatDepthwise(_ window: Window) {
    let (weights, bias) = (dense([window.taps, channels]), dense([channels]))
    append(.depthwiseConvolution(window, weights: weights, bias: bias), channels: channels)
  }

  mutating func linear(_ level: Level, outputs: Int) {
    let made = SyntheticConvolution(
      Window(height: 1, width: 1), height: 1, width: 1, groupOutputs: outputs, levels: [(level, channels)],
      using: &generator)
    owners += made.description.owner
    append(.linear(matrix: add(.matrix(made.matrices[0]))), channels: outputs)
  }

  /// To `numerator / divisor` of the size.
  mutating func resize(
    _ method: ResizeMethod, _ coordinates: ResizeCoordinates, times numerator: Int, over divisor: Int = 1
  ) {
    append(channels: channels) { graph, input in
      let sides = [1, 2].map { side in
        graph.multiple(graph.values[input].shape[side], numerator, over: divisor)
      }
      // Of fixed sizes the quotient has to be stated.
      let scales = [1, 2].map { side -> Float in
        guard case .fixed(let from) = graph.values[input].shape[side] else { return 0 }
        return Float(sides[side - 1].fixedSize) / Float(from)
      }
      let operation = SoniqGraph.Operation.resize(
        method, coordinates, .roundPreferFloor, height: sides[0], width: sides[1], scaleHeight: scales[0],
        scaleWidth: scales[1])
      return graph.add(operation, [input])
    }
  }

  /// The second half of a transposed convolution to `times` the size.
  mutating func fold(_ window: Window, times: Int) {
    let bias = dense([channels / window.taps])
    append(channels: channels / window.taps) { graph, input in
      let sides = [1, 2].map { graph.multiple(graph.values[input].shape[$0], times) }
      return graph.add(.foldTaps(window, height: sides[0], width: sides[1], bias: bias), [input])
    }
  }

  mutating func append(_ operation: SoniqGraph.Operation, channels: Int? = nil) {
    append(channels: channels ?? self.channels) { graph, input in graph.add(operation, [input]) }
  }

  /// The last layer's output and the value before `count` layers.
  mutating func addShortcut(over count: Int) {
    append(channels: channels) { graph, input in
      graph.add(.add, [input, input - count])
    }
  }

  private mutating func append(channels: Int, _ layer: @escaping (inout Graph, ValueID) -> ValueID) {
    self.channels = channels
    layers.append(layer)
  }

  private mutating func dense(_ shape: [Int]) -> ConstantID {
    let numbers = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &generator) }
    let bytes = AlignedBuffer(copying: numbers, paddedTo: numbers.count)
    owners.append(bytes)
    return add(.dense(DenseConstant(elementType: .float32, shape: shape, bytes: ConstantBytes(bytes))))
  }

  private mutating func add(_ constant: Constant) -> ConstantID {
    constants.append(constant)
    return constants.count - 1
  }

  // MARK: Models

  private static let names = ["batch", "height", "width"]

  /// Of these sizes, or of symbols that are at most these.
  func graph(_ batch: Int, _ height: Int, _ width: Int, isDynamic: Bool) -> Graph {
    let sizes = [batch, height, width]
    var graph = Graph()
    let dimensions = sizes.indices.map { side -> Dimension in
      guard isDynamic, symbols.contains(side) else { return .fixed(sizes[side]) }
      graph.symbols.append(Symbol(name: Self.names[side], maximum: sizes[side]))
      return .symbol(graph.symbols.count - 1)
    }
    let (images, fixed) = ([dimensions[0]], Dimension.fixed(inputChannels))
    let shape =
      isPlanar ? images + [fixed] + dimensions.dropFirst() : images + dimensions.dropFirst() + [fixed]
    graph.values = [Value(name: "x", elementType: .float32, shape: shape)]
    graph.inputs = [GraphInput(value: 0)]
    graph.constants = constants
    graph.constantNames = constants.indices.map { "constant \($0)" }
    var last = isPlanar ? graph.add(.transpose([0, 2, 3, 1]), [0]) : 0
    for layer in layers { last = layer(&graph, last) }
    graph.outputs = [last]
    return graph
  }

  func model(_ graph: Graph, allowsCopies: Bool = true) throws -> Model {
    try Model(ModelDescription(graph: graph, metadata: [], owner: owners), allowsCopies: allowsCopies)
  }

  func inputShape(_ size: [Int]) -> [Int] {
    isPlanar ? [size[0], inputChannels, size[1], size[2]] : size + [inputChannels]
  }

  func input(_ size: [Int]) -> [Float] {
    var generator = SeededGenerator(seed: seed &+ UInt64(size.reduce(0) { $0 * 1000 + $1 }))
    return (0..<inputShape(size).reduce(1, *)).map { _ in Float.random(in: -3...3, using: &generator) }
  }

  /// What a model of one fixed size gives; nil where such a model is not valid.
  func fixed(_ size: [Int]) throws -> ImageResult? {
    let graph = graph(size[0], size[1], size[2], isDynamic: false)
    guard (try? graph.validate()) != nil else { return nil }
    var options = SessionOptions()
    options.threadCount = 1
    options.maximumInstructionSet = InstructionSet.portable.name
    return try Session(model(graph), options: options).result(input(size), inputShape(size))
  }

  /// One session after the other, each with all sizes [batch, height, width], against models of fixed sizes. What these
  /// cannot be is refused.
  ///
  /// * profile: by which kernels are chosen; `kernel` is then among those of AVX2 and newer.
  /// * kernelNeedsCopies: only where copies of the weights are allowed.
  func check(
    _ sizes: [[Int]], atMost most: [Int], _ note: String, profile: KernelProfile? = nil, kernel: String = "",
    kernelNeedsCopies: Bool = false
  ) throws {
    let expected = try sizes.map(fixed)
    let graph = graph(most[0], most[1], most[2], isDynamic: true)
    try graph.validate()
    let models = try [true, false].map { try model(graph, allowsCopies: $0) }
    for instructions in InstructionSet.underTest() {
      for (threads, copies) in [(1, true), (3, true), (2, false)] {
        var options = SessionOptions()
        options.threadCount = threads
        options.maximumInstructionSet = instructions.name
        options.maximums = symbols.map { SymbolMaximum(name: Self.names[$0], maximum: most[$0]) }
        options.kernelProfile = profile
        let session = try Session(models[copies ? 0 : 1], options: options)
        let kernels = session.kernelReport.map(\.kernel)
        #expect(
          instructions == .portable || kernels.contains { $0.contains(kernel) } || kernel.isEmpty
            || kernelNeedsCopies && !copies,
          "\(kernels)")
        for (size, expected) in zip(sizes, expected) {
          let place = "\(note), seed \(seed), \(size): \(instructions), \(threads) threads, copies \(copies)"
          guard let expected else {
            let error = #expect(throws: RuntimeError.self, "\(place)") {
              try session.result(input(size), inputShape(size))
            }
            #expect(error?.code == .sizeOutOfRange, "\(place)")
            continue
          }
          let actual = try session.result(input(size), inputShape(size))
          let first = zip(expected.bits, actual.bits).enumerated().first { $0.element.0 != $0.element.1 }
          #expect(
            actual.shape == expected.shape && first == nil,
            "\(place): \(actual.shape), first difference \(String(describing: first))")
        }
      }
    }
  }
}

struct ImageResult {
  var shape: [Int]
  var bits: [UInt32]
}

extension Session {
  /// The output of a run with a borrowed input.
  func result(_ input: [Float], _ shape: [Int]) throws -> ImageResult {
    try input.withUnsafeBytes {
      try setInput(
        0, data: $0.baseAddress, elementType: .float32, shape: shape.map { Int64($0) }, rank: shape.count,
        borrowing: true)
      try run()
    }
    let output = try output(0)
    return ImageResult(shape: output.shape, bits: floats(output).map(\.bitPattern))
  }
}

extension Graph {
  fileprivate mutating func multiple(_ size: Dimension, _ numerator: Int, over divisor: Int = 1) -> Dimension
  {
    let terms = SizeExpression(size).terms.map { SizeTerm($0.coefficient * numerator, $0.symbols) }
    return define(SizeExpression(terms, divisor: divisor)) ?? .fixed(0)
  }
}
