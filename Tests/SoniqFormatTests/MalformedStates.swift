@testable import SoniqFormat

/// States that must be refused. Behind the name of a state are kind, element type, bits and rank, a byte each, then the
/// dimensions; of a recurrent one the values it is read as and replaced by.
enum MalformedStates {
  private static let table = 6
  /// Of the attributes of attention with three inputs.
  private static let three = 20

  static let all: [MalformedCase] = records + links + attributes

  private static let records: [MalformedCase] = [
    MalformedCase("no states", .outOfRange, "states.count", in: .states) {
      $0.set(section: table, at: 0, to: UInt32(0))
    },
    MalformedCase("2^32-1 states", .limitExceeded, "states.count", in: .states) {
      $0.set(section: table, at: 0, to: UInt32.max)
    },
    MalformedCase("more states than bytes", .truncated, "states.count", in: .states) {
      $0.set(section: table, at: 0, to: UInt32(1000))
    },
    MalformedCase("fewer states than bytes", .trailingBytes, "states", in: .states) {
      $0.set(section: table, at: 0, to: UInt32(2))
    },
    MalformedCase("a state in a file of version 2", .wrongSection, "directory[6].kind", in: .states) {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
    MalformedCase("kind 3 of a state", .unknownTag, "states[0].kind", in: .states) {
      try $0.set(states: "keys", 0, to: UInt8(3))
    },
    MalformedCase("element type of a state", .unknownTag, "states[1].elementType", in: .states) {
      try $0.set(states: "values", 1, to: UInt8(6))
    },
    MalformedCase("states of fewer bits", .outOfRange, "states[0].bits", in: .states) {
      try $0.set(states: "keys", 2, to: UInt8(8))
    },
    MalformedCase("rank 0 of a state", .outOfRange, "states[0].rank", in: .states) {
      try $0.set(states: "keys", 3, to: UInt8(0))
    },
    MalformedCase("a state of no size", .outOfRange, "states[0].shape", in: .states) {
      try $0.set(states: "keys", 12, to: UInt32(0))
    },
    MalformedCase("a symbol of a state", .indexOutOfRange, "states[0].shape", in: .states) {
      try $0.set(states: "keys", 8, to: UInt32(0x8000_0003))
    },
    MalformedCase("a state's value past the values", .indexOutOfRange, "states[2].value", in: .states) {
      try $0.set(states: "total", 12, to: UInt32(10))
    },
    MalformedCase("a state's next value past the values", .indexOutOfRange, "states[2].next", in: .states) {
      try $0.set(states: "total", 16, to: UInt32(10))
    },
  ]

  private static let links: [MalformedCase] = [
    MalformedCase("a state read as an input", .invalidModel, "states[2].value", in: .states) {
      try $0.set(states: "total", 12, to: UInt32(0))
    },
    MalformedCase("a state replaced by an input", .invalidModel, "states[2].next", in: .states) {
      try $0.set(states: "total", 16, to: UInt32(0))
    },
    MalformedCase("a state replaced by another shape", .invalidModel, "states[2].next", in: .states) {
      try $0.set(states: "total", 16, to: UInt32(6))
    },
    MalformedCase("the type of a replaced state", .invalidModel, "states[2].value", in: .states) {
      try $0.set(states: "total", 1, to: UInt8(2))
    },
    MalformedCase("a growing state of integers", .invalidModel, "states[0].elementType", in: .states) {
      try $0.set(states: "keys", 1, to: UInt8(2))
      try $0.set(states: "keys", 2, to: UInt8(32))
    },
    MalformedCase(
      "a growing state of bytes without sign", .invalidModel, "states[0].elementType", in: .codedStates
    ) {
      try $0.set(states: "keys", 1, to: UInt8(5))
    },
    MalformedCase(
      "keys of codes and values of floats", .invalidModel, "nodes[2].valueState", in: .codedStates
    ) {
      try $0.set(states: "values", 1, to: UInt8(3))
      try $0.set(states: "values", 2, to: UInt8(16))
    },
    MalformedCase("codes of 5 bits", .invalidModel, "states[0].bits", in: .codedStates) {
      try $0.set(states: "keys", 2, to: UInt8(5))
    },
    MalformedCase("codes of 3 bits", .outOfRange, "states[0].bits", in: .codedStates) {
      try $0.set(states: "keys", 2, to: UInt8(3))
    },
    MalformedCase("a recurrent state of 4 bits", .invalidModel, "states[2].bits", in: .codedStates) {
      try $0.set(states: "total", 1, to: UInt8(4))
      try $0.set(states: "total", 2, to: UInt8(4))
    },
    MalformedCase(
      "keys of 6 bits with heads of 4 channels", .invalidModel, "nodes[2].keyState", in: .codedStates
    ) {
      try $0.set(states: "keys", 2, to: UInt8(6))
    },
    MalformedCase("values of 6 bits", .invalidModel, "nodes[2].valueState", in: .narrowStates) {
      try $0.set(states: "values", 2, to: UInt8(6))
    },
    MalformedCase("a capacity that inputs have", .invalidModel, "states[0].shape[1]", in: .states) {
      try $0.set(states: "keys", 8, to: UInt32(0x8000_0001))
    },
    MalformedCase("a capacity beyond the largest", .invalidModel, "states[0].shape[1]", in: .states) {
      try $0.set(states: "keys", 8, to: UInt32(1 << 20 + 1))
    },
    MalformedCase("a batch that nothing has", .invalidModel, "states[0].shape[0]", in: .states) {
      try $0.set(states: "keys", 4, to: UInt32(0x8000_0002))
    },
    MalformedCase("a growing state of other channels", .invalidModel, "nodes[2].keyState", in: .states) {
      try $0.set(states: "keys", 12, to: UInt32(12))
    },
  ]

  private static let attributes: [MalformedCase] = [
    MalformedCase("positions of no state", .invalidModel, "nodes[0].state", in: .states) {
      try $0.set(.nodes, after: "positions", 12, to: UInt32(3))
    },
    MalformedCase("positions of a recurrent state", .invalidModel, "nodes[0].state", in: .states) {
      try $0.set(.nodes, after: "positions", 12, to: UInt32(2))
    },
    MalformedCase("two extensions", .outOfRange, "nodes[2].extensions", in: .states) {
      try $0.set(.nodes, after: "attend", three + 15, to: UInt8(2))
    },
    MalformedCase("an extension of nothing", .reservedNotZero, "nodes[2].extensions", in: .states) {
      for word in 0..<4 { try $0.set(.nodes, after: "attend", three + 16 + 4 * word, to: UInt32(0)) }
    },
    MalformedCase("a soft cap that is no number", .invalidModel, "nodes[2].softcap", in: .states) {
      try $0.set(.nodes, after: "attend", three + 20, to: Float.nan.bitPattern)
    },
    MalformedCase("a window of what is not causal", .invalidModel, "nodes[2].window", in: .states) {
      try $0.set(.nodes, after: "attend", three + 13, to: UInt8(0))
    },
    MalformedCase("integers with states", .invalidModel, "nodes[2].precision", in: .states) {
      try $0.set(.nodes, after: "attend", three + 12, to: UInt8(2))
    },
    MalformedCase("keys without values", .invalidModel, "nodes[2].valueState", in: .states) {
      try $0.set(.nodes, after: "attend", three + 28, to: UInt32(0))
    },
    MalformedCase("keys as values", .invalidModel, "nodes[2].valueState", in: .states) {
      try $0.set(.nodes, after: "attend", three + 28, to: UInt32(1))
    },
    MalformedCase("values past the states", .invalidModel, "nodes[2].valueState", in: .states) {
      try $0.set(.nodes, after: "attend", three + 28, to: UInt32(4))
    },
    MalformedCase("values in a recurrent state", .invalidModel, "nodes[2].valueState", in: .states) {
      try $0.set(.nodes, after: "attend", three + 28, to: UInt32(3))
    },
  ]
}

extension RawFile {
  /// Overwrites bytes of the table of states.
  fileprivate mutating func set<T: FixedWidthInteger>(
    states name: String, _ distance: Int, to value: T
  ) throws {
    let pattern = Self.littleEndian(UInt32(name.utf8.count)) + Array(name.utf8)
    let bytes = sections[6].bytes
    guard
      let begin = bytes.indices.first(where: { bytes[$0...].starts(with: pattern) })
    else { throw MissingText(name: name) }
    set(section: 6, at: begin + pattern.count + distance, to: value)
  }
}
