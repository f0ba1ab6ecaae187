import SoniqCore
import SoniqGraph
import SoniqRuntime
import Testing

/// One tensor operation as a model: its inputs, and what its shape has as symbols.
struct TensorRun {
  var operation: Operation
  var inputs: [TensorArray]
  /// The first dimension of these inputs is the symbol "batch".
  var batched: Set<Int> = []
  var constants: [TensorArray] = []

  init(
    _ operation: Operation, _ inputs: [TensorArray], batched: Set<Int> = [],
    constants: [TensorArray] = []
  ) {
    self.operation = operation
    self.inputs = inputs
    self.batched = batched
    self.constants = constants
  }

  func graph() throws -> (Graph, [AnyObject]) {
    var graph = Graph()
    var owners: [AnyObject] = []
    if !batched.isEmpty { graph.symbols = [Symbol(name: "batch", maximum: 5)] }
    for (index, input) in inputs.enumerated() {
      var shape = input.shape.map(Dimension.fixed)
      if batched.contains(index) { shape[0] = .symbol(0) }
      graph.values.append(Value(name: "input\(index)", elementType: input.type, shape: shape))
      graph.inputs.append(GraphInput(value: index))
    }
    for constant in constants {
      let buffer = AlignedBuffer(copying: constant.bytes)
      owners.append(buffer)
      graph.constants.append(
        .dense(
          DenseConstant(elementType: constant.type, shape: constant.shape, bytes: ConstantBytes(buffer))))
      graph.constantNames.append("constant\(graph.constantNames.count)")
    }
    graph.add(operation, Array(inputs.indices))
    graph.outputs = [graph.values.count - 1]
    return (graph, owners)
  }

  /// The output's shape and bits with some lanes.
  func run(lanes: Int) throws -> (shape: [Int], bits: [UInt32]) {
    let (graph, owners) = try graph()
    return try graph.run(inputs, lanes: lanes, owners: owners)
  }

  /// The same with 1, 2 and 3 lanes, which must agree in every bit.
  func run() throws -> (shape: [Int], bits: [UInt32]) {
    let one = try run(lanes: 1)
    for lanes in 2...3 {
      let more = try run(lanes: lanes)
      #expect(more.bits == one.bits, "\(lanes) lanes: \(operation)")
    }
    return one
  }

  /// Runs, and compares with what the oracle says: |difference| <= absolute + relative * |expected|.
  func expect(
    _ expected: TensorArray, absolute: Double = 0, relative: Double = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try run()
    #expect(result.shape == expected.shape, "\(operation)", sourceLocation: sourceLocation)
    guard result.bits.count == expected.elements.count else { return }
    for (position, (bits, truth)) in zip(result.bits, expected.elements).enumerated() {
      let value = expected.type.number(bits)
      let isEqual =
        value == truth || value.isNaN && truth.isNaN || abs(value - truth) <= absolute + relative * abs(truth)
      guard isEqual else {
        Issue.record(
          "\(operation): element \(position) of \(expected.shape) is \(value), not \(truth)",
          sourceLocation: sourceLocation)
        return
      }
    }
  }
}

extension Graph {
  /// Appends a node whose output has the shape that is inferred; sizes that no symbol has get one.
  @discardableResult
  mutating func add(_ operation: Operation, _ inputs: [ValueID]) -> ValueID {
    let output = values.count
    nodes.append(Node(name: "node\(nodes.count)", operation: operation, inputs: inputs, output: output))
    values.append(Value(name: "value\(output)", elementType: .float32, shape: [.fixed(1)]))
    while true {
      do throws(GraphError) {
        let inferred = try inferredOutput(ofNode: nodes.count - 1)
        values[output] = Value(
          name: "value\(output)", elementType: inferred.elementType, shape: inferred.shape)
        return output
      } catch {
        // The graph's own validation reports what is wrong beside it.
        guard let size = error.missingSize, define(size) != nil else { return output }
      }
    }
  }

  /// Appends a node with as many outputs as are inferred.
  mutating func addAll(_ operation: Operation, _ inputs: [ValueID]) throws -> [ValueID] {
    let first = add(operation, inputs)
    let inferred = try inferredOutputs(ofNode: nodes.count - 1)
    let node = nodes.removeLast()
    for more in inferred.dropFirst() {
      values.append(
        Value(name: "value\(values.count)", elementType: more.elementType, shape: more.shape))
    }
    nodes.append(
      Node(
        name: node.name, operation: operation, inputs: inputs, output: first,
        moreOutputs: Array(first + 1..<values.count)))
    return Array(first..<values.count)
  }

  /// The first output.
  func run(
    _ inputs: [TensorArray], lanes: Int, owners: [AnyObject] = []
  ) throws -> (shape: [Int], bits: [UInt32]) {
    try runAll(inputs, lanes: lanes, owners: owners)[0]
  }

  /// All outputs.
  func runAll(
    _ inputs: [TensorArray], lanes: Int, owners: [AnyObject] = [], maximumInstructionSet: String? = nil
  ) throws -> [(shape: [Int], bits: [UInt32])] {
    let model = try Model(ModelDescription(graph: self, metadata: [], owner: owners))
    var options = SessionOptions()
    options.threadCount = lanes
    options.maximumInstructionSet = maximumInstructionSet
    let session = try Session(model, options: options)
    for (index, input) in inputs.enumerated() {
      try input.bytes.withUnsafeBytes { data in
        try session.setInput(
          index, data: data.baseAddress, elementType: HostElementType(input.type),
          shape: input.shape.map(Int64.init),
          rank: input.shape.count)
      }
    }
    try session.run()
    return try outputs.enumerated().map { index, value in
      let output = try session.output(index)
      return (output.shape, values[value].elementType.patterns(output.data, output.shape.reduce(1, *)))
    }
  }
}

extension ElementType {
  /// Elements in memory, narrow ones with zeros above them.
  func patterns(_ data: UnsafeRawPointer, _ count: Int) -> [UInt32] {
    (0..<count).map { position in
      switch byteCount {
      case 1: UInt32(data.load(fromByteOffset: position, as: UInt8.self))
      case 2: UInt32(data.load(fromByteOffset: 2 * position, as: UInt16.self))
      default: data.load(fromByteOffset: 4 * position, as: UInt32.self)
      }
    }
  }
}
