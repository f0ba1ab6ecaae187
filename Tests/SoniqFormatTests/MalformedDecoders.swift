@testable import SoniqFormat

/// Attributes of the operations of decoders that must be refused. They begin 12 bytes behind the name of a node with one
/// input, and 4 more for each other.
enum MalformedDecoders {
  private static let two = 16
  private static let four = 24

  static let attributes: [MalformedCase] = [
    MalformedCase(
      "a norm of version 3 in a file of version 2", .unknownTag, "nodes[0].operation", in: .decoder
    ) {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
    MalformedCase("operation 19", .unknownTag, "nodes[0].operation", in: .decoder) {
      try $0.set(.nodes, after: "norm", 0, to: UInt8(19))
    },
    MalformedCase("gamma past the constants", .indexOutOfRange, "nodes[0].gamma", in: .decoder) {
      try $0.set(.nodes, after: "norm", 12, to: UInt32(3))
    },
    MalformedCase("gamma of another shape", .invalidModel, "nodes[0].gamma", in: .decoder) {
      try $0.set(.nodes, after: "norm", 12, to: UInt32(1))
    },
    MalformedCase("epsilon 0", .invalidModel, "nodes[0].epsilon", in: .decoder) {
      try $0.set(.nodes, after: "norm", 16, to: Float(0).bitPattern)
    },
    MalformedCase("rotation of no heads", .outOfRange, "nodes[1].heads", in: .decoder) {
      try $0.set(.nodes, after: "turn", two, to: UInt32(0))
    },
    MalformedCase("heads that do not divide the channels", .invalidModel, "nodes[1].heads", in: .decoder) {
      try $0.set(.nodes, after: "turn", two, to: UInt32(5))
    },
    MalformedCase("pairs beyond the head", .invalidModel, "nodes[1].cosine", in: .decoder) {
      try $0.set(.nodes, after: "turn", two, to: UInt32(16))
    },
    MalformedCase("interleaved twice", .outOfRange, "nodes[1].isInterleaved", in: .decoder) {
      try $0.set(.nodes, after: "turn", two + 4, to: UInt8(2))
    },
    MalformedCase("reserved bytes of a rotation", .reservedNotZero, "nodes[1].reserved", in: .decoder) {
      try $0.set(.nodes, after: "turn", two + 7, to: UInt8(1))
    },
    MalformedCase("sine of one dimension", .invalidModel, "nodes[1].sine", in: .decoder) {
      try $0.set(.nodes, after: "turn", two + 12, to: UInt32(0))
    },
    MalformedCase("heads that key heads do not divide", .invalidModel, "nodes[3].keyValueHeads", in: .decoder)
    {
      try $0.set(.nodes, after: "attend", four + 4, to: UInt32(3))
    },
    MalformedCase("more key heads than keys", .invalidModel, "nodes[3].inputs[1]", in: .decoder) {
      try $0.set(.nodes, after: "attend", four + 4, to: UInt32(4))
    },
    MalformedCase("scale of attention not a number", .invalidModel, "nodes[3].scale", in: .decoder) {
      try $0.set(.nodes, after: "attend", four + 8, to: Float.nan.bitPattern)
    },
    MalformedCase("precision of attention", .unknownTag, "nodes[3].precision", in: .decoder) {
      try $0.set(.nodes, after: "attend", four + 12, to: UInt8(3))
    },
    MalformedCase("a bias that is not there", .invalidModel, "nodes[3].inputs[3]", in: .decoder) {
      try $0.set(.nodes, after: "attend", four + 14, to: UInt8(1))
    },
    MalformedCase("gate function", .unknownTag, "nodes[4].function", in: .decoder) {
      try $0.set(.nodes, after: "gate", two, to: UInt8(9))
    },
    MalformedCase("reserved bytes of a gate", .reservedNotZero, "nodes[4].reserved", in: .decoder) {
      try $0.set(.nodes, after: "gate", two + 3, to: UInt8(1))
    },
    MalformedCase("cap below 0", .invalidModel, "nodes[5].cap", in: .decoder) {
      try $0.set(.nodes, after: "cap", 12, to: Float(-1).bitPattern)
    },
  ]
}
