@testable import SoniqFormat

/// Recurrences that must be refused. Attributes begin 8 bytes behind the name and 4 more for each input and output: cell,
/// flags, three functions, three reserved bytes, clip, matrix, candidate.
enum MalformedRecurrences {
  /// Five inputs, three outputs: the attributes of "memory".
  private static let memory = 4 + 4 * 8
  /// One input, two outputs.
  private static let gated = 4 + 4 * 3
  /// Two inputs, two outputs: "reset" and "plain".
  private static let two = 4 + 4 * 4

  static let all: [MalformedCase] = records + rules

  private static let records: [MalformedCase] = [
    MalformedCase("an unknown cell", .unknownTag, "nodes[1].cell", in: .recurrence) {
      try $0.set(.nodes, after: "memory", memory, to: UInt8(4))
    },
    MalformedCase("cell 0", .unknownTag, "nodes[1].cell", in: .recurrence) {
      try $0.set(.nodes, after: "memory", memory, to: UInt8(0))
    },
    MalformedCase("a flag that is none", .outOfRange, "nodes[1].flags", in: .recurrence) {
      try $0.set(.nodes, after: "memory", memory + 1, to: UInt8(0x80))
    },
    MalformedCase("an unknown gate function", .unknownTag, "nodes[1].gateFunction", in: .recurrence) {
      try $0.set(.nodes, after: "memory", memory + 2, to: UInt8(9))
    },
    MalformedCase("a reserved byte of a recurrence", .reservedNotZero, "nodes[1].reserved", in: .recurrence) {
      try $0.set(.nodes, after: "memory", memory + 6, to: UInt8(1))
    },
    MalformedCase("a matrix past the constants", .indexOutOfRange, "nodes[1].matrix", in: .recurrence) {
      try $0.set(.nodes, after: "memory", memory + 12, to: UInt32(6))
    },
    MalformedCase("a candidate past the constants", .indexOutOfRange, "nodes[4].candidate", in: .recurrence) {
      try $0.set(.nodes, after: "reset", two + 16, to: UInt32(7))
    },
    MalformedCase("a recurrence in a file of version 2", .wrongSection, "directory[6].kind", in: .recurrence)
    {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
  ]

  private static func invalid(
    _ name: String, _ field: String, _ edit: @escaping @Sendable (inout RawFile) throws -> Void
  ) -> MalformedCase {
    MalformedCase(name, .invalidModel, field, in: .recurrence, edit)
  }

  private static let rules: [MalformedCase] = [
    invalid("GELU gates", "nodes[1].gateFunction") {
      try $0.set(.nodes, after: "memory", memory + 2, to: UInt8(1))
    },
    invalid("a SiLU candidate", "nodes[1].candidateFunction") {
      try $0.set(.nodes, after: "memory", memory + 3, to: UInt8(4))
    },
    invalid("a ReLU6 output", "nodes[1].outputFunction") {
      try $0.set(.nodes, after: "memory", memory + 4, to: UInt8(7))
    },
    invalid("the output function of a GRU", "nodes[3].outputFunction") {
      try $0.set(.nodes, after: "gated", gated + 4, to: UInt8(3))
    },
    invalid("the gates of an RNN", "nodes[5].gateFunction") {
      try $0.set(.nodes, after: "plain", two + 2, to: UInt8(3))
    },
    invalid("a clip below 0", "nodes[1].clip") {
      try $0.set(.nodes, after: "memory", memory + 8, to: Float(-1).bitPattern)
    },
    invalid("a clip of -0", "nodes[1].clip") {
      try $0.set(.nodes, after: "memory", memory + 8, to: UInt32(0x8000_0000))
    },
    invalid("a clip that is no number", "nodes[1].clip") {
      try $0.set(.nodes, after: "memory", memory + 8, to: Float.nan.bitPattern)
    },
    invalid("fewer inputs than flags", "nodes[3].inputs") {
      try $0.set(.nodes, after: "gated", gated + 1, to: UInt8(4))
    },
    invalid("the cell state of a GRU", "nodes[4].hasCell") {
      try $0.set(.nodes, after: "reset", two + 1, to: UInt8(8 + 2))
    },
    invalid("the coupled gates of a GRU", "nodes[3].couplesForget") {
      try $0.set(.nodes, after: "gated", gated + 1, to: UInt8(0x20))
    },
    invalid("the peepholes of a GRU", "nodes[4].hasPeepholes") {
      try $0.set(.nodes, after: "reset", two + 1, to: UInt8(0x42))
    },
    invalid("peepholes of two gates", "nodes[1].inputs[4]") {
      try $0.set(.values, after: "peepholes", 2, to: UInt32(2))
    },
    invalid("the candidate of an LSTM", "nodes[1].candidate") {
      try $0.set(.nodes, after: "memory", memory + 16, to: UInt32(5))
    },
    invalid("an LSTM of a GRU's matrix", "nodes[1].matrix.outputs") {
      try $0.set(.nodes, after: "memory", memory + 12, to: UInt32(2))
    },
    invalid("a candidate of other sizes", "nodes[4].candidate") {
      try $0.set(.nodes, after: "reset", two + 16, to: UInt32(1))
    },
    invalid("batch and time exchanged", "nodes[1].inputs[1]") {
      try $0.set(.nodes, after: "memory", memory + 1, to: UInt8(0x7c))
    },
    invalid("lengths that are floats", "nodes[4].inputs[1]") {
      try $0.set(.nodes, after: "reset", 8, to: UInt32(2))
    },
  ]
}
