import SoniqCore
import SoniqGraph
import SoniqQuantizers
import Testing

@testable import SoniqPack

/// Blocks of every type come out as the numbers of the formats' own decoder, decoded and packed.
@Suite struct GGUFBlockTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var type: UInt32
    /// Where the binary16 numbers of a block are.
    var numbers: [Int]
    var first: [Float]
    var last: Float
    var sum: Double
    /// Of number x place, from 1.
    var weighted: Double
    var testDescription: String { name }
  }

  /// The block is bytes 37 i + 11; its numbers are 0.0625 and 0.03125.
  static let cases: [Case] = [
    Case(
      name: "Q8_0", type: 8, numbers: [0], first: [5.3125, 7.625, -6.0625], last: -3, sum: -11, weighted: -505
    ),
    Case(
      name: "Q4_0", type: 2, numbers: [0], first: [-0.1875, 0.125, 0.4375], last: 0, sum: -1.3125,
      weighted: -32.375),
    Case(
      name: "Q4_1", type: 3, numbers: [0, 2], first: [0.96875, 0.28125, 0.59375], last: 0.78125, sum: 16.3125,
      weighted: 265.4375),
    Case(
      name: "Q5_0", type: 6, numbers: [0], first: [0.5625, -0.125, 0.1875], last: 0.0625, sum: 0.9375,
      weighted: 7),
    Case(
      name: "Q5_1", type: 7, numbers: [0, 2], first: [1.21875, 1.53125, 1.84375], last: 0.34375, sum: 32.5625,
      weighted: 510.3125),
    Case(
      name: "Q2_K", type: 10, numbers: [80, 82], first: [2.0625, 0, 0.6875], last: 0.28125, sum: 128.6875,
      weighted: 15195.625),
    Case(
      name: "Q3_K", type: 11, numbers: [108], first: [5.0625, -6.75, 1.6875], last: 2.625, sum: 59.875,
      weighted: 11071.5625),
    Case(
      name: "Q4_K", type: 12, numbers: [0, 2], first: [19.71875, -1.59375, 8.09375], last: 3.03125,
      sum: 3402.5,
      weighted: 473302.5),
    Case(
      name: "Q5_K", type: 13, numbers: [0, 2], first: [50.71875, -1.59375, 39.09375], last: 6.78125,
      sum: 7263.5,
      weighted: 1001715.5),
    Case(
      name: "Q6_K", type: 14, numbers: [208], first: [-89.4375, 106, 36.4375], last: -3.75, sum: 288.25,
      weighted: 49026.25),
    Case(
      name: "IQ4_NL", type: 20, numbers: [0], first: [-2.1875, 1.5625, 7.0625], last: 0.0625, sum: -16.0625,
      weighted: -432.4375),
    Case(
      name: "IQ4_XS", type: 23, numbers: [0], first: [4.0625, -0.0625, -4.3125], last: -1, sum: -687.8125,
      weighted: -130695.875),
    Case(
      name: "TQ1_0", type: 34, numbers: [52], first: [-0.0625, -0.0625, -0.0625], last: -0.0625, sum: -0.125,
      weighted: -8.1875),
    Case(
      name: "TQ2_0", type: 35, numbers: [64], first: [0.125, -0.0625, 0], last: -0.0625, sum: 8.0625,
      weighted: 1077.8125),
    Case(
      name: "MXFP4", type: 39, numbers: [], first: [0, 0.375, -0.125], last: 0.375, sum: 1.5625,
      weighted: 39.875),
  ]

  /// Bytes 37 i + 11 with the numbers of a block.
  static func block(_ type: GGUFTensorType, _ numbers: [Int]) -> [UInt8] {
    var bytes = (0..<type.blockBytes).map { UInt8(truncatingIfNeeded: 37 * $0 + 11) }
    for (place, number) in zip(numbers, [Float16(0.0625), 0.03125]) {
      bytes[place] = UInt8(number.bitPattern & 255)
      bytes[place + 1] = UInt8(number.bitPattern >> 8)
    }
    if type.name == "MXFP4" { bytes[0] = 124 }
    return bytes
  }

  /// 35 rows of two blocks: so many zeros, but for the block as the second one of row 17.
  private static func tensor(_ type: GGUFTensorType, _ block: [UInt8]) throws -> (GGUFTensor, GGUFFolder) {
    var writer = GGUFWriter()
    let zero = [UInt8](repeating: 0, count: block.count)
    let bytes = (0..<70).flatMap { $0 == 35 ? block : zero }
    writer.tensors = [
      GGUFWriter.Tensor(name: "w", shape: [35, 2 * type.blockLength], type: type.number, bytes: bytes)
    ]
    let folder = try writer.written()
    return (try #require(try GGUFModel(path: folder.file).tensors["w"]), folder)
  }

  private static func row(_ tensor: GGUFTensor, _ row: Int) throws -> [Float] {
    var numbers = [Float](repeating: 0, count: tensor.shape[1])
    try numbers.withUnsafeMutableBufferPointer { try GGUFRows(tensor).read(row, into: $0) }
    return numbers
  }

  @Test(arguments: cases) func numbersAreTheFormats(_ known: Case) throws {
    let type = try #require(GGUFTensorType(known.type))
    #expect(type.name == known.name)
    let (tensor, folder) = try Self.tensor(type, Self.block(type, known.numbers))
    let numbers = Array(try Self.row(tensor, 17).suffix(type.blockLength))
    #expect(Array(numbers.prefix(3)) == known.first && numbers.last == known.last)
    #expect(numbers.reduce(0) { $0 + Double($1) } == known.sum)
    #expect(
      numbers.enumerated().reduce(0) { $0 + Double($1.offset + 1) * Double($1.element) } == known.weighted)
    withExtendedLifetime(folder) {}
  }

  /// Types of 2026, whose numbers are worked out here.
  @Test func bitsAndPairsOfBits() throws {
    for (number, codes) in [(UInt32(41), [Float(1), 1, -1, 1, -1]), (42, [2, 1, -1, -1, 1])] {
      let type = try #require(GGUFTensorType(number))
      var block = Self.block(type, [0])
      block[2] = 0b0000_1011
      let (tensor, folder) = try Self.tensor(type, block)
      let numbers = try Self.row(tensor, 17)
      #expect(Array(numbers[type.blockLength..<type.blockLength + 5]) == codes.map { $0 * 0.0625 })
      withExtendedLifetime(folder) {}
    }
  }

  private static func matrices(_ store: ConstantStore, _ treatment: WeightTreatment) -> GGUFMatrices {
    GGUFMatrices(matrices: DecoderMatrices(store: store, treatment: treatment))
  }

  @Test(arguments: [2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 34, 35, 39, 41, 42] as [UInt32])
  func packedNumbersAreTheSame(number: UInt32) throws {
    let type = try #require(GGUFTensorType(number))
    let numbers = Self.cases.first { $0.type == number }?.numbers ?? [0]
    let (tensor, folder) = try Self.tensor(type, Self.block(type, numbers))
    let store = ConstantStore()
    // From the middle of a panel of the whole tensor on.
    let constant = try Self.matrices(store, .kept).matrix(
      tensor, rows: 9..<35, bias: (0..<26).map { Float($0) })
    guard case .matrix(let matrix) = constant, let groups = matrix.levels[0].groups else {
      Issue.record("\(type.name) is no matrix of codes")
      return
    }
    let level = matrix.levels[0]
    #expect(matrix.outputs == 26 && matrix.inputs == 2 * type.blockLength && level.level.isValid)
    let packing = try #require(
      WeightPacking(code: level.level.weight, outputs: matrix.outputs, channels: matrix.inputs))
    let count = groups.count(channels: matrix.inputs)
    func float(_ bytes: ConstantBytes, _ output: Int, _ group: Int) -> Float {
      let place = (output / 16 * count + group) * 16 + output % 16
      return groups.numbers == .float16
        ? Binary16.value(bytes.bound(to: UInt16.self)[place]) : bytes.bound(to: Float.self)[place]
    }
    for output in 0..<26 {
      let expected = try Self.row(tensor, 9 + output)
      let packed = (0..<matrix.inputs).map { channel -> Float in
        let code = Int(packing.code(output: output, channel: channel, in: level.weights.raw))
        let group = channel / groups.length
        let product = float(groups.scales, output, group) * Float(level.level.weight.integer(code))
        return groups.offsets.map { product + float($0, output, group) } ?? product
      }
      #expect(packed == expected, "output \(output)")
      let codes = (0..<matrix.inputs).map {
        Int(packing.code(output: output, channel: $0, in: level.weights.raw))
      }
      #expect(
        Int(level.storedSums.bound(to: Int32.self)[output])
          == codes.reduce(0) { $0 + level.level.weight.stored($1) })
    }
    withExtendedLifetime((folder, store)) {}
  }

  @Test(arguments: [16, 22, 29, 40, 15, 24] as [UInt32]) func otherTypesAreNamed(number: UInt32) throws {
    let type = try #require(GGUFTensorType(number))
    let (tensor, folder) = try Self.tensor(type, Self.block(type, []))
    let error = #expect(throws: PackError.self) { try GGUFRows(tensor) }
    #expect(error?.description.contains("tensor w: type \(type.name) cannot be packed") == true)
    withExtendedLifetime(folder) {}
  }

  @Test func scalesThatAreNoNumbersAreRefused() throws {
    let type = try #require(GGUFTensorType(2))
    var block = Self.block(type, [0])
    (block[0], block[1]) = (0, 0x7c)
    let (tensor, folder) = try Self.tensor(type, block)
    let rounding = GroupRounding(bits: 4)
    for treatment in [
      WeightTreatment.kept, .float, .rounded(rounding, words: WordRounding(rounding: rounding)),
    ] {
      let error = #expect(throws: PackError.self) {
        try Self.matrices(ConstantStore(), treatment).matrix(tensor, rows: 0..<35, bias: nil)
      }
      #expect(error?.description.contains("tensor w: ") == true && error?.kind == .data)
    }
    withExtendedLifetime(folder) {}
  }
}
