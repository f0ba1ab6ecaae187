@testable import SoniqFormat

/// Nodes with several outputs that must be refused. The attributes of a node begin 8 bytes behind its name and 4 more for
/// each input and output; those of a tensor operation with its tag.
enum MalformedOutputs {
  static let all: [MalformedCase] = [
    MalformedCase("more outputs than bytes", .truncated, "nodes[2].moreOutputs.count", in: .outputs) {
      try $0.set(.nodes, after: "bottom", 2, to: UInt8(60))
    },
    MalformedCase("more outputs than a node has", .limitExceeded, "nodes[0].moreOutputs.count", in: .outputs)
    {
      try $0.set(.nodes, after: "parts", 2, to: UInt8(64))
    },
    MalformedCase("a reserved byte behind the counts", .reservedNotZero, "nodes[0].reserved", in: .outputs) {
      try $0.set(.nodes, after: "parts", 3, to: UInt8(1))
    },
    MalformedCase("an output past the values", .indexOutOfRange, "nodes[0].moreOutputs", in: .outputs) {
      try $0.set(.nodes, after: "parts", 16, to: UInt32(8))
    },
    MalformedCase(
      "two outputs of one node in one value", .invalidModel, "nodes[0].moreOutputs[1]", in: .outputs
    ) {
      try $0.set(.nodes, after: "parts", 16, to: UInt32(2))
    },
    MalformedCase("an output that is an input", .invalidModel, "nodes[0].moreOutputs[0]", in: .outputs) {
      try $0.set(.nodes, after: "parts", 12, to: UInt32(0))
    },
    MalformedCase("outputs in another order", .invalidModel, "nodes[0].output", in: .outputs) {
      try $0.set(.nodes, after: "parts", 8, to: UInt32(3))
      try $0.set(.nodes, after: "parts", 16, to: UInt32(1))
    },
    MalformedCase("indices of the wrong type", .invalidModel, "nodes[1].output", in: .outputs) {
      try $0.set(.nodes, after: "top", 8, to: UInt32(5))
      try $0.set(.nodes, after: "top", 12, to: UInt32(4))
    },
    MalformedCase(
      "a second output that an operation has not", .invalidModel, "nodes[0].moreOutputs.count", in: .decoder
    ) {
      try $0.set(.nodes, after: "norm", 2, to: UInt8(1))
      try $0.insert(.nodes, after: "norm", 12, UInt32(9))
    },
    MalformedCase("sizes that are not the axis", .invalidModel, "nodes[0].sizes", in: .outputs) {
      try $0.set(.nodes, after: "parts", 28, to: UInt32(1))
    },
    MalformedCase("sizes beyond the axis", .invalidModel, "nodes[0].sizes[2]", in: .outputs) {
      try $0.set(.nodes, after: "parts", 36, to: UInt32(4))
    },
    MalformedCase("a part of nothing", .outOfRange, "nodes[0].sizes", in: .outputs) {
      try $0.set(.nodes, after: "parts", 32, to: UInt32(0))
    },
    MalformedCase("too many parts", .limitExceeded, "nodes[0].sizes.count", in: .outputs) {
      try $0.set(.nodes, after: "parts", 24, to: UInt32(65))
    },
    MalformedCase("split along no axis", .invalidModel, "nodes[0].axis", in: .outputs) {
      try $0.set(.nodes, after: "parts", 21, to: UInt8(2))
    },
    MalformedCase("split along a symbol", .invalidModel, "nodes[0].inputs[0]", in: .outputs) {
      try $0.set(.nodes, after: "parts", 21, to: UInt8(0))
    },
    MalformedCase("more elements than there are", .invalidModel, "nodes[1].count", in: .outputs) {
      try $0.set(.nodes, after: "top", 20, to: UInt32(5))
    },
    MalformedCase("all elements for two", .invalidModel, "nodes[1].output", in: .outputs) {
      try $0.set(.nodes, after: "top", 20, to: UInt32(0))
    },
    MalformedCase("some elements of a symbol", .invalidModel, "nodes[0].inputs[0]", in: .sorted) {
      try $0.set(.nodes, after: "rows", 20, to: UInt32(1))
    },
    MalformedCase("a count beyond all sizes", .outOfRange, "nodes[0].count", in: .sorted) {
      try $0.set(.nodes, after: "rows", 20, to: UInt32(1) << 31)
    },
    MalformedCase("neither largest nor smallest", .outOfRange, "nodes[1].isSmallest", in: .outputs) {
      try $0.set(.nodes, after: "top", 18, to: UInt8(2))
    },
    MalformedCase("a reserved byte of the largest", .reservedNotZero, "nodes[1].reserved", in: .outputs) {
      try $0.set(.nodes, after: "top", 19, to: UInt8(1))
    },
    MalformedCase("parts in a file of version 2", .reservedNotZero, "nodes[0].reserved", in: .outputs) {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
  ]
}
