import SoniqCore
import SoniqGraph

extension SampleModels {
  /// Every tensor operation: a file of version 2.
  static func tensors() -> ModelDescription {
    let constants = SampleConstants()
    var sample = TensorSample(constants)
    sample.addElements()
    sample.addLayouts()
    sample.addSums()
    sample.addImages()
    sample.graph.outputs = sample.graph.nodes.suffix(3).map(\.output)
    return ModelDescription(
      graph: sample.graph, metadata: [("general.name", .text("tensors"))], owner: constants.owners)
  }
}

extension SampleModels {
  /// Running sums: tensor operation 20.
  static func sums() -> ModelDescription {
    let constants = SampleConstants()
    var sample = TensorSample(constants)
    let whole = sample.add(.cast(.int32), sample.image)
    sample.add(.cumulate(axis: 2, isExclusive: false, isReversed: false), whole, name: "cumulate")
    sample.add(.cumulate(axis: 0, isExclusive: true, isReversed: false), sample.image)
    sample.add(.cumulate(axis: 3, isExclusive: true, isReversed: true), sample.image)
    sample.graph.outputs = sample.graph.nodes.suffix(3).map(\.output)
    return ModelDescription(
      graph: sample.graph, metadata: [("general.name", .text("sums"))], owner: constants.owners)
  }
}

/// Nodes whose outputs get the shapes that the graph infers.
private struct TensorSample {
  var graph = Graph()
  let batch = Dimension.symbol(0)
  let image = 0

  init(_ constants: SampleConstants) {
    graph.symbols = [Symbol(name: "batch", maximum: 2)]
    graph.values = [
      Value(name: "image", elementType: .float32, shape: [batch, .fixed(4), .fixed(6), .fixed(8)])
    ]
    graph.inputs = [GraphInput(value: image)]
    graph.constants = [
      .dense(constants.dense([8])), .dense(constants.dense([2, 1], .int32)), .dense(constants.dense([2])),
    ]
    graph.constantNames = ["channels", "indices", "bias"]
  }

  @discardableResult
  mutating func add(_ operation: Operation, _ inputs: ValueID..., name: String? = nil) -> ValueID {
    let output = graph.values.count
    graph.nodes.append(
      Node(name: name ?? "n\(output)", operation: operation, inputs: inputs, output: output))
    graph.values.append(Value(name: "v\(output)", elementType: .float32, shape: [.fixed(1)]))
    do {
      let inferred = try graph.inferredOutput(ofNode: graph.nodes.count - 1)
      graph.values[output] = Value(
        name: "v\(output)", elementType: inferred.elementType, shape: inferred.shape)
    } catch {
      preconditionFailure("\(operation): \(error)")
    }
    return output
  }

  mutating func addElements() {
    let channels = add(.constant(0))
    let functions: [ElementFunction] = [
      .leakyRelu(alpha: 0.25), .clip(low: 0, high: .infinity), .hardSigmoid(alpha: 0.5, beta: 0.125),
      .init(.hardSwish), .elu(alpha: 1), .init(.softplus), .init(.mish), .init(.absolute), .init(.negative),
      .init(.reciprocal), .init(.squareRoot),
      .init(.exponential), .init(.logarithm), .init(.erf), .init(.floor), .init(.ceiling), .init(.round),
      .init(.sign),
    ]
    for function in functions { add(.unary(function), image, name: "\(function)") }
    for function in BinaryFunction.allCases
    where function.since == 1 && ![.and, .or, .xor].contains(function) {
      add(.binary(function), image, channels)
    }
    let truth = add(.cast(.int32), image)
    add(.unary(.not), truth, name: "not")
    for function in [BinaryFunction.and, .or, .xor] { add(.binary(function), truth, truth) }
    add(.select, truth, image, channels)
  }

  mutating func addLayouts() {
    add(.transpose([0, 3, 1, 2]), image, name: "transpose")
    let flat = add(.reshape([batch, .fixed(24), .fixed(8)]), image, name: "reshape")
    add(.expand([.fixed(3), batch, .fixed(24), .fixed(8)]), flat, name: "expand")
    add(.concatenate(axis: 1), flat, flat, flat, flat, flat, flat, flat, flat, flat)
    add(
      .slice([
        SliceRange(begin: 0, step: 1, count: nil), SliceRange(begin: 20, step: -3, count: 5),
        SliceRange(begin: 1, step: 2, count: 3),
      ]), flat, name: "slice")
    for mode in PadMode.allCases {
      add(.pad(mode, before: [0, 1, 2], after: [0, 0, 3], value: -1), flat, name: "pad \(mode)")
    }
    add(.gather(axis: 1), flat, add(.constant(1)), name: "gather")
  }

  mutating func addSums() {
    for function in ReduceFunction.allCases {
      add(
        .reduce(function, axes: [1, 2], keepsDimensions: function == .mean), image, name: "reduce \(function)"
      )
    }
    add(.softmax(axis: 3, isLogarithm: false), image)
    add(.softmax(axis: 1, isLogarithm: true), image)
    add(
      .argument(isMinimum: true, axis: 3, keepsDimensions: true, selectsLast: false), image, name: "argument")
    add(.argument(isMinimum: false, axis: 0, keepsDimensions: false, selectsLast: true), image)
    let other = add(.transpose([0, 1, 3, 2]), image)
    add(.matmul(transposesRight: true), image, image, name: "matmul")
    add(.matmul(transposesRight: false), image, other)
  }

  mutating func addImages() {
    let window = Window(height: 3, width: 2, strides: (2, 1), dilations: (1, 2), padding: (1, 0, 1, 2))
    for function in PoolFunction.allCases { add(.pool(function, window), image) }
    add(
      .resize(
        .linear, .halfPixel, .roundPreferFloor, height: .fixed(8), width: .fixed(9), scaleHeight: 2,
        scaleWidth: 1.5), image,
      name: "resize")
    add(
      .resize(
        .nearest, .asymmetric, .ceiling, height: .fixed(2), width: .fixed(3), scaleHeight: 0.5,
        scaleWidth: 0.5), image)
    add(
      .foldTaps(Window(height: 2, width: 2, strides: (2, 2)), height: .fixed(8), width: .fixed(12), bias: 2),
      image,
      name: "fold")
  }
}
