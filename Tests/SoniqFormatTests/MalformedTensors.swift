@testable import SoniqFormat

/// Attributes of tensor operations that must be refused. A node with one input has them 12 bytes behind its name.
enum MalformedTensors {
  static let attributes: [MalformedCase] = [
    MalformedCase("tensor operation in a file of version 1", .unknownTag, "nodes[0].operation", in: .tensors)
    {
      $0.setHeader(4, to: UInt8(0x31))
      $0.setHeader(12, to: UInt32(1))
    },
    MalformedCase("operation 13", .unknownTag, "nodes[38].operation", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 0, to: UInt8(13))
    },
    MalformedCase("tensor operation 0", .unknownTag, "nodes[38].tensor", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 12, to: UInt8(0))
    },
    MalformedCase("tensor operation 21", .unknownTag, "nodes[38].tensor", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 12, to: UInt8(21))
    },
    MalformedCase("flags of a running sum", .outOfRange, "nodes[1].flags", in: .sums) {
      try $0.set(.nodes, after: "cumulate", 14, to: UInt8(4))
    },
    MalformedCase("axis past those of a running sum", .invalidModel, "nodes[1].axis", in: .sums) {
      try $0.set(.nodes, after: "cumulate", 13, to: UInt8(4))
    },
    MalformedCase("details of a running sum", .reservedNotZero, "nodes[1].reserved", in: .sums) {
      try $0.set(.nodes, after: "cumulate", 15, to: UInt8(1))
    },
    MalformedCase("rank 9", .limitExceeded, "nodes[38].rank", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 13, to: UInt8(9))
    },
    MalformedCase("details that mean nothing", .reservedNotZero, "nodes[38].reserved", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 15, to: UInt8(1))
    },
    MalformedCase("axis 8", .outOfRange, "nodes[38].permutation", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 16, to: UInt32(8))
    },
    MalformedCase("an axis twice", .invalidModel, "nodes[38].permutation", in: .tensors) {
      try $0.set(.nodes, after: "transpose", 16, to: UInt32(1))
    },
    MalformedCase("symbol past the symbols", .indexOutOfRange, "nodes[39].shape", in: .tensors) {
      try $0.set(.nodes, after: "reshape", 16, to: UInt32(0x8000_0001))
    },
    MalformedCase("other elements", .invalidModel, "nodes[39].shape", in: .tensors) {
      try $0.set(.nodes, after: "reshape", 20, to: UInt32(25))
    },
    MalformedCase("expansion to size 0", .outOfRange, "nodes[40].shape", in: .tensors) {
      try $0.set(.nodes, after: "expand", 16, to: UInt32(0))
    },
    MalformedCase("slice past the end", .invalidModel, "nodes[42].ranges[2]", in: .tensors) {
      try $0.set(.nodes, after: "slice", 16 + 2 * 12 + 8, to: UInt32(5))
    },
    MalformedCase("step 0", .invalidModel, "nodes[42].ranges[1]", in: .tensors) {
      try $0.set(.nodes, after: "slice", 16 + 12 + 4, to: UInt32(0))
    },
    MalformedCase("step -2^31", .invalidModel, "nodes[42].ranges[1]", in: .tensors) {
      try $0.set(.nodes, after: "slice", 16 + 12 + 4, to: UInt32(0x8000_0000))
    },
    MalformedCase("pad mode 5", .unknownTag, "nodes[43].mode", in: .tensors) {
      try $0.set(.nodes, after: "pad constant", 13, to: UInt8(5))
    },
    MalformedCase("pad with NaN", .invalidModel, "nodes[43].value", in: .tensors) {
      try $0.set(.nodes, after: "pad constant", 16, to: Float.nan.bitPattern)
    },
    MalformedCase("pad of 2^32-1", .outOfRange, "nodes[43].before", in: .tensors) {
      try $0.set(.nodes, after: "pad constant", 20, to: UInt32.max)
    },
    MalformedCase("unary function 20", .unknownTag, "nodes[7].function", in: .tensors) {
      try $0.set(.nodes, after: "mish", 13, to: UInt8(20))
    },
    MalformedCase("number of a function that has none", .reservedNotZero, "nodes[7].alpha", in: .tensors) {
      try $0.set(.nodes, after: "mish", 20, to: UInt32(1))
    },
    MalformedCase("float function of integers", .invalidModel, "nodes[33].inputs[0]", in: .tensors) {
      try $0.set(.nodes, after: "not", 13, to: UInt8(16))
    },
    MalformedCase("no axes", .outOfRange, "nodes[49].axes", in: .tensors) {
      try $0.set(.nodes, after: "reduce sum", 15, to: UInt8(0))
    },
    MalformedCase("axis past the rank", .invalidModel, "nodes[49].axes[2]", in: .tensors) {
      try $0.set(.nodes, after: "reduce sum", 15, to: UInt8(0x16))
    },
    MalformedCase("a flag of 2", .outOfRange, "nodes[49].keepsDimensions", in: .tensors) {
      try $0.set(.nodes, after: "reduce sum", 14, to: UInt8(2))
    },
    MalformedCase("flags of an argument", .outOfRange, "nodes[59].flags", in: .tensors) {
      try $0.set(.nodes, after: "argument", 14, to: UInt8(8))
    },
    MalformedCase("matrices that do not fit", .invalidModel, "nodes[62].inputs[1]", in: .tensors) {
      try $0.set(.nodes, after: "matmul", 17, to: UInt8(0))
    },
    MalformedCase("scale 0", .invalidModel, "nodes[67].scaleWidth", in: .tensors) {
      try $0.set(.nodes, after: "resize", 28, to: UInt32(0))
    },
    MalformedCase("window of 0", .invalidModel, "nodes[69].window", in: .tensors) {
      try $0.set(.nodes, after: "fold", 16, to: UInt32(0))
    },
    MalformedCase("bias past the constants", .indexOutOfRange, "nodes[69].bias", in: .tensors) {
      try $0.set(.nodes, after: "fold", 16 + 48, to: UInt32(4))
    },
  ]
}
