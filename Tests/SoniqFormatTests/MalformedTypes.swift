@testable import SoniqFormat

/// Element types that must be refused: unknown ones, those of version 3 in files before, and operations that do not have
/// them. The type of a value is the byte behind its name.
enum MalformedTypes {
  private static func version(_ file: inout RawFile, _ version: UInt8) {
    file.setHeader(4, to: 0x30 + version)
    file.setHeader(12, to: UInt32(version))
  }

  static let types: [MalformedCase] = [
    MalformedCase("element type 0", .unknownTag, "values[4].elementType", in: .types) {
      try $0.set(.values, after: "uint8", 0, to: UInt8(0))
    },
    MalformedCase("element type 6", .unknownTag, "values[4].elementType", in: .types) {
      try $0.set(.values, after: "uint8", 0, to: UInt8(6))
    },
    MalformedCase("float16 in a file of version 2", .unknownTag, "values[2].elementType", in: .types) {
      version(&$0, 2)
    },
    MalformedCase("int8 in a file of version 1", .unknownTag, "values[0].elementType") {
      try $0.set(.values, after: "ids", 0, to: UInt8(4))
    },
    MalformedCase(
      "a constant of uint8 in a file of version 2", .unknownTag, "constants[1].elementType", in: .tensors
    ) {
      try $0.set(.constants, after: "indices", 1, to: UInt8(5))
    },
    MalformedCase("a cast to float16 in a file of version 2", .unknownTag, "nodes[0].elementType", in: .sums)
    {
      try $0.set(.nodes, after: "n1", 13, to: UInt8(3))
    },
    MalformedCase("a cast to type 6", .unknownTag, "nodes[0].elementType", in: .types) {
      try $0.set(.nodes, after: "float32 to int32", 13, to: UInt8(6))
    },
    MalformedCase("a cast to another type than its value", .invalidModel, "nodes[0].output", in: .types) {
      try $0.set(.nodes, after: "float32 to int32", 13, to: UInt8(5))
    },
    MalformedCase("a constant as wide as another type", .invalidModel, "constants[2].bytes", in: .types) {
      try $0.set(.constants, after: "constant float16", 1, to: UInt8(4))
    },
    MalformedCase("a fill of uint8", .invalidModel, "interface.inputs.fill[4]", in: .types) {
      $0.set(section: 5, at: 4 + 4 * 12 + 4, to: UInt8(1))
    },
  ]
}
