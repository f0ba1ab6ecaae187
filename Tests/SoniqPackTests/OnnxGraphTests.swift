import SoniqCore
import SoniqGraph
import SoniqPack
import Testing

/// What the importer makes of graphs as exporters write them.
@Suite struct OnnxGraphTests {
  /// The operations of a model in order, in short words; constants left out.
  private func operations(_ model: OnnxWriter, _ options: OnnxOptions = OnnxOptions()) throws -> [String] {
    let graph = try OnnxImporter.importModel(path: try model.write(), options: options).description.graph
    return graph.nodes.compactMap { node -> String? in
      switch node.operation {
      case .constant: nil
      case .transpose(let transpose): "transpose \(transpose.permutation)"
      case .binary(let binary): "\(binary.function)"
      case .unary(let unary): unary.function.map { "\($0)" } ?? "not"
      case .reduce(let reduce): "\(reduce.function) \(reduce.axes)"
      case .concatenate(let concatenate): "concatenate \(concatenate.axis)"
      case .activation(let activation): "\(activation.function)"
      case .depthwiseConvolution: "depthwise"
      case .attention(let attention): "\(attention.isCausal ? "causal " : "")attention \(attention.heads)"
      case .layerNorm: "layerNorm"
      case .add: "add"
      default: Self.lastPart(node.operation.schema.name)
      }
    }
  }

  /// "reshape" of "tensor.reshape".
  private static func lastPart(_ name: String) -> String { String(name.split(separator: ".").last ?? "") }

  private func ramp(_ count: Int) -> [Float] { (0..<count).map { Float($0 % 7) / 7 - 0.4 } }

  private func batchNorm(_ model: OnnxWriter, _ input: String, _ output: String, channels: Int) {
    for part in ["scale", "bias", "mean"] { model.floats("\(output).\(part)", ramp(channels), [channels]) }
    model.floats("\(output).variance", [Float](repeating: 2, count: channels), [channels])
    let parts = ["scale", "bias", "mean", "variance"].map { "\(output).\($0)" }
    model.node("BatchNormalization", [input] + parts, [output])
  }

  /// What a file says of itself stays, but for what only the packer knows and what a packed file cannot hold.
  @Test func metadata() throws {
    let model = try OnnxWriter()
    model.properties = [
      ("general.license", "Apache-2.0"), ("general.license", "MIT"), ("soniq.palette", "w2a8+w4a8"),
      ("soniq.average_bits", "1"), ("mine", "of the host"), ("", "no key"), ("a\nb", "two lines"),
      (String(repeating: "k", count: 200), "long key"), ("long", String(repeating: "v", count: 70_000)),
    ]
    model.input("x", ["2"])
    model.node("Relu", ["x"], ["y"])
    model.output("y")
    let entries = try OnnxImporter.importModel(path: try model.write(), options: OnnxOptions())
      .description.metadata
    #expect(
      entries.map(\.key) == [
        "general.name", "general.license", "soniq.palette", "mine", "source.architecture",
      ])
    guard case .text("Apache-2.0") = entries[1].value else {
      Issue.record("\(entries[1])")
      return
    }
  }

  /// A residual block, pooling and a classifier: one transpose at the input, norms in the convolutions.
  @Test func residualNetwork() throws {
    let model = try OnnxWriter()
    model.input("image", ["batch", "3", "8", "8"])
    model.floats("w1", ramp(4 * 27), [4, 3, 3, 3])
    model.floats("w2", ramp(4 * 36), [4, 4, 3, 3])
    model.floats("w3", ramp(16), [4, 4, 1, 1])
    model.floats("w4", ramp(36), [4, 1, 3, 3])
    model.floats("w5", ramp(8), [2, 4])
    let pads = ["pads": OnnxWriter.Attribute.integers([1, 1, 1, 1])]
    model.node("Conv", ["image", "w1"], ["c1"], pads)
    batchNorm(model, "c1", "n1", channels: 4)
    model.node("Relu", ["n1"], ["r1"])
    model.node("Conv", ["r1", "w2"], ["c2"], pads)
    batchNorm(model, "c2", "n2", channels: 4)
    model.node("Conv", ["r1", "w3"], ["c3"])
    model.node("Add", ["n2", "c3"], ["sum"])
    model.node("Conv", ["sum", "w4"], ["c4"], pads.merging(["group": .integer(4)]) { $1 })
    batchNorm(model, "c4", "n4", channels: 4)
    model.node("GlobalAveragePool", ["n4"], ["mean"])
    model.node("Flatten", ["mean"], ["flat"])
    model.node("Gemm", ["flat", "w5"], ["logits"], ["transB": .integer(1)])
    model.output("logits")
    #expect(
      try operations(model) == [
        "transpose [0, 2, 3, 1]", "convolution", "relu", "convolution", "linear", "add", "depthwise",
        "mean [1, 2]",
        "reshape", "linear",
      ])
  }

  /// A layer behind flattened images takes the order of its weights from them.
  @Test func flattenedImage() throws {
    let model = try OnnxWriter()
    model.input("image", ["batch", "1", "2", "3"])
    model.floats("w1", [1, 2], [2, 1, 1, 1])
    model.floats("w2", (0..<12).map { Float($0) }, [12, 1])
    model.node("Conv", ["image", "w1"], ["c"])
    model.node("Flatten", ["c"], ["flat"])
    model.node("MatMul", ["flat", "w2"], ["y"])
    model.output("y")
    #expect(try operations(model) == ["transpose [0, 2, 3, 1]", "linear", "reshape", "linear"])
    let imported = try OnnxImporter.importModel(path: try model.write())
    // Its constants live as long as the model.
    defer { withExtendedLifetime(imported) {} }
    let graph = imported.description.graph
    guard case .linear(let linear)? = graph.nodes.last?.operation,
      case .floatMatrix(let weights) = graph.constants[linear.matrix]
    else {
      Issue.record("the last node is no linear layer")
      return
    }
    // [channel][pixel] of ONNX as [pixel][channel].
    let panels = weights.panels.bound(to: Float.self)
    #expect((0..<12).map { panels[$0 * 16] } == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11])
  }

  @Test func upsampling() throws {
    let model = try OnnxWriter()
    model.input("image", ["1", "2", "4", "4"])
    model.floats("w", ramp(24), [2, 3, 2, 2])
    model.floats("b", ramp(3), [3])
    model.floats("scales", [1, 1, 2, 2], [4])
    model.node("ConvTranspose", ["image", "w", "b"], ["up"], ["strides": .integers([2, 2])])
    batchNorm(model, "up", "norm", channels: 3)
    model.node("Resize", ["norm", "", "scales"], ["big"], ["mode": .text("linear")])
    model.node("Concat", ["big", "big"], ["both"], ["axis": .integer(1)])
    model.output("both")
    #expect(
      try operations(model) == [
        "transpose [0, 2, 3, 1]", "linear", "foldTaps", "resize", "concatenate 3", "transpose [0, 3, 1, 2]",
      ])
  }

  enum Formula: String, CaseIterable, Sendable {
    case geluErf, geluTanh, silu, hardSwish
  }

  @Test(arguments: Formula.allCases) func activationsWrittenAsArithmetic(formula: Formula) throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "4"])
    func number(_ name: String, _ value: Float) { model.floats(name, [value], []) }
    switch formula {
    case .geluErf:
      number("root", Float(2).squareRoot())
      number("one", 1)
      number("half", 0.5)
      model.node("Div", ["x", "root"], ["scaled"])
      model.node("Erf", ["scaled"], ["erf"])
      model.node("Add", ["erf", "one"], ["sum"])
      model.node("Mul", ["x", "sum"], ["product"])
      model.node("Mul", ["product", "half"], ["y"])
    case .geluTanh:
      number("three", 3)
      number("cubic", 0.044715)
      number("root", (2 / Float.pi).squareRoot())
      number("one", 1)
      number("half", 0.5)
      model.node("Pow", ["x", "three"], ["cube"])
      model.node("Mul", ["cube", "cubic"], ["small"])
      model.node("Add", ["x", "small"], ["inner"])
      model.node("Mul", ["inner", "root"], ["argument"])
      model.node("Tanh", ["argument"], ["tanh"])
      model.node("Add", ["tanh", "one"], ["sum"])
      model.node("Mul", ["x", "half"], ["part"])
      model.node("Mul", ["part", "sum"], ["y"])
    case .silu:
      model.node("Sigmoid", ["x"], ["gate"])
      model.node("Mul", ["gate", "x"], ["y"])
    case .hardSwish:
      number("three", 3)
      number("low", 0)
      number("six", 6)
      model.node("Add", ["x", "three"], ["shifted"])
      model.node("Clip", ["shifted", "low", "six"], ["clipped"])
      model.node("Mul", ["x", "clipped"], ["product"])
      model.node("Div", ["product", "six"], ["y"])
    }
    model.output("y")
    #expect(try operations(model) == [formula.rawValue])
  }

  @Test func whatOnlyLooksLikeAnActivationStays() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "4"])
    model.input("z", ["batch", "4"])
    model.node("Sigmoid", ["z"], ["gate"])
    model.node("Mul", ["gate", "x"], ["y"])
    model.output("y")
    #expect(try operations(model) == ["sigmoid", "multiply"])
  }

  @Test func layerNormWrittenAsArithmetic() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "length", "8"])
    model.floats("two", [2], [])
    model.floats("epsilon", [1e-5], [])
    model.floats("gamma", ramp(8), [8])
    model.floats("beta", ramp(8), [8])
    let last: [String: OnnxWriter.Attribute] = ["axes": .integers([-1])]
    model.node("ReduceMean", ["x"], ["mean"], last)
    model.node("Sub", ["x", "mean"], ["centred"])
    model.node("Pow", ["centred", "two"], ["square"])
    model.node("ReduceMean", ["square"], ["variance"], last)
    model.node("Add", ["variance", "epsilon"], ["shifted"])
    model.node("Sqrt", ["shifted"], ["deviation"])
    model.node("Div", ["centred", "deviation"], ["quotient"])
    model.node("Mul", ["quotient", "gamma"], ["product"])
    model.node("Add", ["product", "beta"], ["y"])
    model.output("y")
    #expect(try operations(model) == ["layerNorm"])
  }

  /// Exporters compute shapes at run time; none of it is left.
  @Test func shapesOfExporters() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "length", "6"])
    model.integers("zero", [0])
    model.integers("one", [1])
    model.integers("rest", [-1])
    model.integers("two", [2])
    model.floats("w", ramp(12), [6, 2])
    model.node("Shape", ["x"], ["shape"])
    model.node("Gather", ["shape", "zero"], ["rows"])
    model.node("Gather", ["shape", "one"], ["columns"])
    model.node("Concat", ["rows", "columns", "two", "rest"], ["target"], ["axis": .integer(0)])
    model.node("Reshape", ["x", "target"], ["split"])
    model.node("Identity", ["split"], ["same"])
    model.node("Dropout", ["same"], ["kept"])
    model.node("Cast", ["kept"], ["cast"], ["to": .integer(1)])
    model.node("Reshape", ["cast", "shape"], ["joined"])
    model.node("MatMul", ["joined", "w"], ["y"])
    model.output("y")
    #expect(try operations(model).last == "linear")
    #expect(try operations(model).allSatisfy { ["reshape", "linear"].contains($0) })
  }

  @Test func sizesFollowTheOptions() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "length", "6"])
    model.node("Relu", ["x"], ["y"])
    model.output("y")
    let path = try model.write()
    let options = try OnnxOptions(shapes: ["x=?,5,6"], maximums: ["batch=3"])
    let graph = try OnnxImporter.importModel(path: path, options: options).description.graph
    #expect(graph.symbols == [Symbol(name: "batch", maximum: 3)])
    #expect(graph.values[graph.outputs[0]].shape == [.symbol(0), .fixed(5), .fixed(6)])
  }

  /// Weights and activations keep the codes, scales and zero points of the model.
  @Test func statedCodes() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "4"])
    model.floats("step", [0.05], [])
    model.tensor("zero", type: 2, []) { $0.data(9, [10]) }
    model.tensor("codes", type: 3, [4, 2]) { $0.data(9, [1, 0x80, 3, 0xff, 0, 127, 7, 8]) }
    model.floats("steps", [0.5, 0.25], [2])
    model.tensor("zeros", type: 3, [2]) { $0.data(9, [0, 0]) }
    model.node("QuantizeLinear", ["x", "step", "zero"], ["xq"])
    model.node("DequantizeLinear", ["xq", "step", "zero"], ["xd"])
    model.node("DequantizeLinear", ["codes", "steps", "zeros"], ["w"], ["axis": .integer(1)])
    model.node("MatMul", ["xd", "w"], ["y"])
    model.output("y")
    let imported = try OnnxImporter.importModel(path: try model.write())
    // Its constants live as long as the model.
    defer { withExtendedLifetime(imported) {} }
    let graph = imported.description.graph
    guard case .linear(let linear)? = graph.nodes.last?.operation,
      case .matrix(let matrix) = graph.constants[linear.matrix]
    else {
      Issue.record("the layer is not packed")
      return
    }
    #expect(matrix.levels.count == 1)
    #expect(matrix.levels[0].level.weight == .symmetric(8))
    #expect(matrix.levels[0].level.activation.scaling == .fixed(scale: 0.05, zero: 10))
    let scales = try #require(matrix.levels[0].scales)
    #expect(Array(scales.bound(to: Float.self).prefix(2)) == [0.5, 0.25])
    // Tiles of 16 outputs x 4 channels, signed bytes.
    let bytes = matrix.levels[0].weights.bound(to: Int8.self)
    #expect(Array(bytes.prefix(8)) == [1, 3, 0, 7, -128, -1, 127, 8])
    var options = OnnxOptions()
    options.keepsCodes = false
    let real = try OnnxImporter.importModel(path: try model.write(), options: options).description.graph
    #expect(real.constants.contains { if case .floatMatrix = $0 { true } else { false } })
  }

  /// What all elements are raised to, also where it is computed from constants.
  @Test(arguments: [2, 3]) func aSquareIsAProduct(exponent: Float) throws {
    let model = try OnnxWriter()
    model.input("x", ["n", "4"])
    model.floats("e", [exponent], [1])
    model.node("Pow", ["x", "e"], ["y"])
    model.output("y")
    let graph = try OnnxImporter.importModel(path: try model.write()).description.graph
    let node = try #require(graph.nodes.last)
    #expect(node.operation == .binary(exponent == 2 ? .multiply : .power))
    #expect((node.inputs == [0, 0]) == (exponent == 2))
  }
}
