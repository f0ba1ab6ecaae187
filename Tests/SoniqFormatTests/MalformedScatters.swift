@testable import SoniqFormat

/// Scatters that must be refused. Behind the name of a node are 4 bytes, its three inputs, its output and the tag.
enum MalformedScatters {
  static let all: [MalformedCase] = [
    MalformedCase("a scatter along no axis", .invalidModel, "nodes[1].axis", in: .scatter) {
      try $0.set(.nodes, after: "put", 21, to: UInt8(2))
    },
    MalformedCase("an axis that no tensor has", .outOfRange, "nodes[1].axis", in: .scatter) {
      try $0.set(.nodes, after: "put", 21, to: UInt8(8))
    },
    MalformedCase("no reduction", .unknownTag, "nodes[1].reduction", in: .scatter) {
      try $0.set(.nodes, after: "put", 22, to: UInt8(0))
    },
    MalformedCase("a reduction that there is not", .unknownTag, "nodes[1].reduction", in: .scatter) {
      try $0.set(.nodes, after: "put", 22, to: UInt8(6))
    },
    MalformedCase("a reserved byte of a scatter", .reservedNotZero, "nodes[1].reserved", in: .scatter) {
      try $0.set(.nodes, after: "put", 23, to: UInt8(1))
    },
    MalformedCase("indices of real numbers", .invalidModel, "nodes[1].inputs[1]", in: .scatter) {
      try $0.set(.nodes, after: "put", 8, to: UInt32(1))
    },
    MalformedCase("updates of another type", .invalidModel, "nodes[1].inputs[2]", in: .scatter) {
      try $0.set(.nodes, after: "put", 12, to: UInt32(2))
    },
    MalformedCase("updates of more columns than the data", .invalidModel, "nodes[5].inputs[2]", in: .scatter)
    {
      try $0.set(.nodes, after: "product", 4, to: UInt32(1))
    },
    MalformedCase("updates beside the indices", .invalidModel, "nodes[1].inputs[2]", in: .scatter) {
      try $0.set(.nodes, after: "put", 12, to: UInt32(6))
    },
    MalformedCase("a scatter in a file of version 2", .unknownTag, "nodes[1].tensor", in: .scatter) {
      $0.setHeader(4, to: UInt8(0x32))
      $0.setHeader(12, to: UInt32(2))
    },
  ]
}
