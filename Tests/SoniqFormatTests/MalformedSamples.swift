@testable import SoniqFormat

/// Samples and regions that must be refused. Behind the name of a node are 4 bytes, its inputs, its output and the tag.
enum MalformedSamples {
  static let all: [MalformedCase] = [
    MalformedCase("no method of samples", .unknownTag, "nodes[0].method", in: .sampled) {
      try $0.set(.nodes, after: "linear", 17, to: UInt8(4))
    },
    MalformedCase("no padding of samples", .unknownTag, "nodes[0].padding", in: .sampled) {
      try $0.set(.nodes, after: "linear", 18, to: UInt8(0))
    },
    MalformedCase("no coordinates of samples", .unknownTag, "nodes[0].coordinates", in: .sampled) {
      try $0.set(.nodes, after: "linear", 19, to: UInt8(4))
    },
    MalformedCase("a grid of as many places as channels", .invalidModel, "nodes[0].inputs[1]", in: .sampled) {
      try $0.set(.nodes, after: "linear", 8, to: UInt32(0))
    },
    MalformedCase("no function of regions", .unknownTag, "nodes[5].function", in: .sampled) {
      try $0.set(.nodes, after: "means", 21, to: UInt8(3))
    },
    MalformedCase("neither half pixels nor whole ones", .outOfRange, "nodes[5].isHalfPixel", in: .sampled) {
      try $0.set(.nodes, after: "means", 22, to: UInt8(2))
    },
    MalformedCase("a reserved byte of regions", .reservedNotZero, "nodes[5].reserved", in: .sampled) {
      try $0.set(.nodes, after: "means", 23, to: UInt8(1))
    },
    MalformedCase("regions of no height", .outOfRange, "nodes[5].height", in: .sampled) {
      try $0.set(.nodes, after: "means", 24, to: UInt32(0))
    },
    MalformedCase("regions of another width", .invalidModel, "nodes[5].output", in: .sampled) {
      try $0.set(.nodes, after: "means", 28, to: UInt32(4))
    },
    MalformedCase("more samples than a part may have", .outOfRange, "nodes[5].samples", in: .sampled) {
      try $0.set(.nodes, after: "means", 32, to: UInt32(1025))
    },
    MalformedCase("regions of scale 0", .invalidModel, "nodes[5].scale", in: .sampled) {
      try $0.set(.nodes, after: "means", 36, to: Float(0).bitPattern)
    },
    MalformedCase("images that are no whole numbers", .invalidModel, "nodes[5].inputs[2]", in: .sampled) {
      try $0.set(.nodes, after: "means", 12, to: UInt32(6))
    },
    MalformedCase("regions that are no rows of four", .invalidModel, "nodes[5].inputs[1]", in: .sampled) {
      try $0.set(.nodes, after: "means", 8, to: UInt32(1))
    },
    MalformedCase("bits of real numbers", .invalidModel, "nodes[10].inputs[0]", in: .sampled) {
      try $0.set(.nodes, after: "bitXor", 4, to: UInt32(2))
      try $0.set(.nodes, after: "bitXor", 8, to: UInt32(2))
    },
    MalformedCase("a sample in a file of version 2", .unknownTag, "nodes[0].tensor", in: .sampled) {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
  ]
}
