import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// Every linear block type of GGUF files goes into a level of version 3 and comes out as the same numbers: the first
/// three, the last, their sum and the sum of position x number are those of the formats' own decoder.
@Suite struct LosslessImportTests {
  struct Expected: Sendable {
    var type: ForeignBlock
    var first: [Double]
    var last: Double
    var sum: Double
    var weighted: Double
  }
  static let expected: [Expected] = [
    Expected(type: .q8_0, first: [5.3125, 7.625, -6.0625], last: -3, sum: -11, weighted: -505),
    Expected(type: .q4_0, first: [-0.1875, 0.125, 0.4375], last: 0, sum: -1.3125, weighted: -32.375),
    Expected(
      type: .q4_1, first: [0.96875, 0.28125, 0.59375], last: 0.78125, sum: 16.3125, weighted: 265.4375),
    Expected(type: .q5_0, first: [0.5625, -0.125, 0.1875], last: 0.0625, sum: 0.9375, weighted: 7),
    Expected(
      type: .q5_1, first: [1.21875, 1.53125, 1.84375], last: 0.34375, sum: 32.5625, weighted: 510.3125),
    Expected(type: .q2K, first: [2.0625, 0, 0.6875], last: 0.28125, sum: 128.6875, weighted: 15195.625),
    Expected(type: .q3K, first: [5.0625, -6.75, 1.6875], last: 2.625, sum: 59.875, weighted: 11071.5625),
    Expected(
      type: .q4K, first: [19.71875, -1.59375, 8.09375], last: 3.03125, sum: 3402.5, weighted: 473302.5),
    Expected(
      type: .q5K, first: [50.71875, -1.59375, 39.09375], last: 6.78125, sum: 7263.5, weighted: 1001715.5),
    Expected(type: .q6K, first: [-89.4375, 106, 36.4375], last: -3.75, sum: 288.25, weighted: 49026.25),
    Expected(
      type: .iq4NL, first: [-2.1875, 1.5625, 7.0625], last: 0.0625, sum: -16.0625, weighted: -432.4375),
    Expected(
      type: .iq4XS, first: [4.0625, -0.0625, -4.3125], last: -1, sum: -687.8125, weighted: -130695.875),
    Expected(
      type: .tq1_0, first: [-0.0625, -0.0625, -0.0625], last: -0.0625, sum: -0.125, weighted: -8.1875),
    Expected(type: .tq2_0, first: [0.125, -0.0625, 0], last: -0.0625, sum: 8.0625, weighted: 1077.8125),
    Expected(type: .mxfp4, first: [0, 0.375, -0.125], last: 0.375, sum: 1.5625, weighted: 39.875),
  ]

  @Test func everyTypeIsTried() { #expect(Self.expected.map(\.type) == ForeignBlock.allCases) }

  @Test(arguments: expected)
  func comesBack(_ expected: Expected) throws {
    let model = Self.model(expected.type.contents(Self.block(expected.type)))
    let bytes = try ModelWriter.serialize(model)
    try bytes.withUnsafeBytes { raw in
      try ModelFile.verify(bytes: raw)
      let read = try ModelFile.read(bytes: raw)
      let weights = try Self.weights(read)
      #expect(Array(weights.prefix(3)) == expected.first)
      #expect(weights.last == expected.last)
      #expect(weights.reduce(0, +) == expected.sum)
      #expect(weights.enumerated().reduce(0) { $0 + Double($1.offset + 1) * $1.element } == expected.weighted)
      withExtendedLifetime(read) {}
    }
  }

  /// Byte i is 37 i + 11; the numbers of the block are 0.0625 and 0.03125.
  private static func block(_ type: ForeignBlock) -> [UInt8] {
    var bytes = (0..<type.byteCount).map { UInt8(truncatingIfNeeded: 37 * $0 + 11) }
    for (place, number) in zip(type.numberPlaces, [Float16(0.0625), 0.03125]) {
      bytes.replaceSubrange(place..<place + 2, with: RawFile.littleEndian(number.bitPattern))
    }
    if type == .mxfp4 { bytes[0] = 124 }
    return bytes
  }

  /// The block as the second of three outputs; the others are 0.
  private static func model(_ block: BlockContents) -> ModelDescription {
    let constants = SampleConstants()
    let (channels, groups) = (block.codes.count, block.scales.count)
    func numbers(_ values: [Float]) -> ConstantBytes {
      var all = [Float](repeating: 0, count: groups * 16)
      for (group, value) in values.enumerated() { all[group * 16 + 1] = value }
      return block.numbers == .float32
        ? constants.bytes(all) : constants.bytes(all.map { Float16($0).bitPattern })
    }
    guard let packing = WeightPacking(code: block.code, outputs: 3, channels: channels) else {
      preconditionFailure("the code of a block")
    }
    let codes = [UInt8](repeating: 0, count: channels) + block.codes + [UInt8](repeating: 0, count: channels)
    var weights = [UInt8](repeating: 0, count: packing.byteCount)
    let sums = codes.withUnsafeBufferPointer { codes in
      weights.withUnsafeMutableBytes { packing.pack(codes, into: $0) }
      return packing.storedSums(codes)
    }
    let level = MatrixLevel(
      level: Level(weight: block.code, activation: ActivationCode(kind: .symmetric, bits: 8)),
      channels: channels,
      weights: constants.bytes(weights), scales: nil, storedSums: constants.bytes(sums),
      groups: LevelGroups(
        length: block.groupLength, numbers: block.numbers, scales: numbers(block.scales),
        offsets: block.offsets.map(numbers)))
    var graph = Graph()
    graph.symbols = [Symbol(name: "rows", maximum: 2)]
    graph.constants = [.matrix(PackedMatrix(outputs: 3, inputs: channels, levels: [level]))]
    graph.constantNames = ["block"]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [.symbol(0), .fixed(channels)]),
      Value(name: "y", elementType: .float32, shape: [.symbol(0), .fixed(3)]),
    ]
    graph.nodes = [Node(name: "multiply", operation: .linear(matrix: 0), inputs: [0], output: 1)]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1]
    return ModelDescription(graph: graph, metadata: [], owner: constants.owners)
  }

  /// What docs/format.md says that the second output's weights are.
  private static func weights(_ model: ModelDescription) throws -> [Double] {
    guard case .matrix(let matrix) = model.graph.constants[0], let groups = matrix.levels[0].groups else {
      return []
    }
    let level = matrix.levels[0]
    let packing = try #require(
      WeightPacking(code: level.level.weight, outputs: 3, channels: level.channels))
    func number(_ bytes: ConstantBytes, _ group: Int) -> Double {
      let element = group * 16 + 1
      return groups.numbers == .float32
        ? Double(bytes.bound(to: Float.self)[element])
        : Double(Float16(bitPattern: bytes.bound(to: UInt16.self)[element]))
    }
    return (0..<level.channels).map { channel in
      let group = channel / groups.length
      let code = Int(packing.code(output: 1, channel: channel, in: level.weights.raw))
      return number(groups.scales, group) * Double(level.level.weight.integer(code))
        + (groups.offsets.map { number($0, group) } ?? 0)
    }
  }
}
