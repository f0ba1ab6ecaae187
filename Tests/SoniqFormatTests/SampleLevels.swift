import SoniqCore
import SoniqGraph

/// Sizes and number type of the groups of a sample level.
struct SampleGroups {
  var length: Int
  var numbers: GroupNumber
  var offsets = false
}

extension SampleModels {
  /// Every field of the levels of version 3, small enough to try every byte.
  static func levels() -> ModelDescription {
    let constants = SampleConstants()
    let symmetric = ActivationCode(kind: .symmetric, bits: 8)
    let grouped = ActivationCode(kind: .symmetric, bits: 8, scaling: .dynamicPerGroup(channels: 32))
    let fixed = ActivationCode(kind: .symmetric, bits: 4, scaling: .fixed(scale: 0.5, zero: 0))
    let entries: [Int8] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
    let four = constants.matrix(
      outputs: 3,
      [
        (Level(weight: .codebook(entries), activation: dynamic8), 9),
        (Level(weight: .bipolar(7, layout: .bytes), activation: dynamic8), 5),
        (Level(weight: .symmetric(3, layout: .nibbles), activation: dynamic8), 3),
        (Level(weight: .codebook([-3, 0, 1, 4], layout: .planes), activation: dynamic8), 7),
      ], gather: true, bias: true)
    let pair = PackedMatrix(
      outputs: 3, inputs: 104,
      levels: [
        constants.matrixLevel(
          Level(weight: WeightCode(kind: .affine, bits: 4), activation: grouped), outputs: 3, channels: 40,
          groups: SampleGroups(length: 32, numbers: .float16)),
        constants.matrixLevel(
          Level(weight: .codebook([-1, 1], layout: .planes), activation: symmetric), outputs: 3, channels: 64,
          groups: SampleGroups(length: 64, numbers: .float32, offsets: true)),
      ])
    let units = PackedMatrix(
      outputs: 3, inputs: 20,
      levels: [
        constants.matrixLevel(
          Level(weight: .symmetric(6, layout: .unsignedBytes), activation: symmetric), outputs: 3,
          channels: 20, offsets: true, groups: SampleGroups(length: 16, numbers: .uint8, offsets: true))
      ])
    let whole = constants.matrix(
      outputs: 3, [(Level(weight: .symmetric(8, layout: .unsignedBytes), activation: fixed), 4)])
    var graph = Graph()
    graph.symbols = [Symbol(name: "rows", maximum: 2)]
    for (name, matrix) in [("four", four), ("pair", pair), ("units", units), ("whole", whole)] {
      let node = graph.nodes.count
      graph.constantNames.append(name)
      graph.constants.append(.matrix(matrix))
      graph.inputs.append(GraphInput(value: 2 * node))
      graph.outputs.append(2 * node + 1)
      for (value, size) in [("\(name) in", matrix.inputs), ("\(name) out", matrix.outputs)] {
        graph.values.append(Value(name: value, elementType: .float32, shape: [.symbol(0), .fixed(size)]))
      }
      graph.nodes.append(
        Node(name: name, operation: .linear(matrix: node), inputs: [2 * node], output: 2 * node + 1))
    }
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("levels"))], owner: constants.owners)
  }
}

extension SampleModels {
  /// A table that is the output matrix too, and a node of more inputs than version 1 has.
  static func tied() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.constantNames = ["words"]
    graph.constants = [
      .matrix(constants.matrix(outputs: 5, [(Level(weight: .symmetric(4), activation: dynamic8), 8)]))
    ]
    func value(_ name: String, _ shape: [Int], _ type: ElementType = .float32) -> Value {
      Value(name: name, elementType: type, shape: shape.map { .fixed($0) })
    }
    graph.values = [
      value("ids", [2], .int32), value("rows", [2, 8]), value("logits", [2, 5]), value("all", [2, 45]),
    ]
    graph.nodes = [
      Node(name: "embed", operation: .embedding(table: 0), inputs: [0], output: 1),
      Node(name: "project", operation: .linear(matrix: 0), inputs: [1], output: 2),
      Node(
        name: "join", operation: .concatenate(axis: 1), inputs: [ValueID](repeating: 2, count: 9), output: 3),
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [3]
    return ModelDescription(graph: graph, metadata: [], owner: constants.owners)
  }
}

extension SampleConstants {
  /// Numbers of groups, some of them negative where they may be.
  func groups(_ sample: SampleGroups, outputs: Int, channels: Int) -> LevelGroups {
    let count = (channels + sample.length - 1) / sample.length
    func numbers(_ first: Int) -> ConstantBytes {
      var values = [Int](repeating: 0, count: (outputs + 15) / 16 * 16 * count)
      for output in 0..<outputs {
        for group in 0..<count {
          values[(output / 16 * count + group) * 16 + output % 16] = first + output * count + group
        }
      }
      switch sample.numbers {
      case .float32: return bytes(values.map { $0 == 0 ? 0 : Float($0) / 8 * ($0 % 2 == 0 ? 1 : -1) })
      case .float16: return bytes(values.map { $0 == 0 ? 0 : UInt16(0x2c00 + $0 * 7) | UInt16($0 % 2) << 15 })
      case .uint8: return bytes(values.map { UInt8($0) })
      }
    }
    return LevelGroups(
      length: sample.length, numbers: sample.numbers, scales: numbers(1),
      offsets: sample.offsets ? numbers(50) : nil)
  }
}
