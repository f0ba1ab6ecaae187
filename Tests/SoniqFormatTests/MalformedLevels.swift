@testable import SoniqFormat

/// Faults in the levels of version 3. Records of `SampleModel.levels`: the level at 25 + 64 i behind the name; data
/// sections from 6 on: 8 to 19 of "four", 20 to 26 of "pair", 27 to 32 of "units", 33 to 35 of "whole".
enum MalformedLevels {
  private static func level(_ index: Int, _ field: Int) -> Int { 25 + 64 * index + field }

  private static func malformed(
    _ name: String, _ code: FormatError.Code, _ field: String, in sample: SampleModel = .levels,
    _ edit: @escaping @Sendable (inout RawFile) throws -> Void
  ) -> MalformedCase { MalformedCase(name, code, field, in: sample, edit) }

  static let records: [MalformedCase] = [
    malformed("five levels", .limitExceeded, "constants[0].levels.count") {
      try $0.set(.constants, after: "four", 13, to: UInt8(5))
    },
    malformed("no level of version 3", .outOfRange, "constants[0].levels.count") {
      try $0.set(.constants, after: "four", 13, to: UInt8(0))
    },
    malformed("no taps", .outOfRange, "constants[0].taps") {
      try $0.set(.constants, after: "four", 9, to: UInt32(0))
    },
    malformed("reserved byte of a level", .reservedNotZero, "constants[0].levels[0].reserved") {
      try $0.set(.constants, after: "four", level(0, 31), to: UInt8(1))
    },
    malformed("reserved end of a level", .reservedNotZero, "constants[0].levels[3].reserved") {
      try $0.set(.constants, after: "four", level(3, 63), to: UInt8(1))
    },
    malformed("matrix of version 3 in a file of version 1", .unknownTag, "constants[1].type", in: .small) {
      try $0.set(.constants, after: "projection", 0, to: UInt8(7))
    },
    malformed(
      "matrix of version 3 in a file of version 2", .unknownTag, "constants[0].type", in: .convolutions
    ) {
      try $0.set(.constants, after: "first", 0, to: UInt8(7))
    },
  ]

  static let tables: [MalformedCase] = [
    malformed("rows of a matrix in version 1", .invalidModel, "nodes[0].table", in: .small) {
      try $0.set(.nodes, after: "embed", 12, to: UInt32(1))
    }
  ]

  static let codes: [MalformedCase] = [
    malformed("weight kind 0", .unknownTag, "constants[0].levels[0].weight.kind") {
      try $0.set(.constants, after: "four", level(0, 0), to: UInt8(0))
    },
    malformed("symmetric weights", .unknownTag, "constants[0].levels[0].weight.kind") {
      try $0.set(.constants, after: "four", level(0, 0), to: UInt8(4))
    },
    malformed("codebook in version 1", .unknownTag, "constants[1].levels[0].weight.kind", in: .small) {
      try $0.set(.constants, after: "projection", 21, to: UInt8(3))
    },
    malformed(
      "symmetric activations in version 1", .unknownTag, "constants[1].levels[0].activation.kind", in: .small
    ) {
      try $0.set(.constants, after: "projection", 25, to: UInt8(4))
    },
    malformed(
      "scales of groups in version 1", .unknownTag, "constants[1].levels[0].activation.scaling", in: .small
    ) {
      try $0.set(.constants, after: "projection", 27, to: UInt8(3))
    },
    malformed("codebook of 5 bits", .outOfRange, "constants[0].levels[0].weight.bits") {
      try $0.set(.constants, after: "four", level(0, 1), to: UInt8(5))
    },
    malformed("codebook with a zero", .outOfRange, "constants[0].levels[0].weight.zero") {
      try $0.set(.constants, after: "four", level(0, 2), to: UInt8(1))
    },
    malformed("layout 0", .unknownTag, "constants[0].levels[0].weight.layout") {
      try $0.set(.constants, after: "four", level(0, 3), to: UInt8(0))
    },
    malformed("layout 5", .unknownTag, "constants[0].levels[0].weight.layout") {
      try $0.set(.constants, after: "four", level(0, 3), to: UInt8(5))
    },
    malformed("codebook in bytes", .outOfRange, "constants[0].levels[0].weight.layout") {
      try $0.set(.constants, after: "four", level(0, 3), to: UInt8(1))
    },
    malformed("7 bits in nibbles", .outOfRange, "constants[0].levels[1].weight.layout") {
      try $0.set(.constants, after: "four", level(1, 3), to: UInt8(2))
    },
    malformed("8 bits in planes", .outOfRange, "constants[3].levels[0].weight.layout") {
      try $0.set(.constants, after: "whole", level(0, 3), to: UInt8(3))
    },
    malformed("signed bytes under signed activations", .invalidModel, "constants[3].levels[0]") {
      try $0.set(.constants, after: "whole", level(0, 3), to: UInt8(1))
    },
    malformed("unsigned bytes under unsigned activations", .invalidModel, "constants[0].levels[1]") {
      try $0.set(.constants, after: "four", level(1, 3), to: UInt8(4))
    },
    malformed("entry behind the last code", .reservedNotZero, "constants[0].levels[3].weight.codebook") {
      try $0.set(.constants, after: "four", level(3, 4 + 4), to: UInt8(1))
    },
    malformed("entry without a codebook", .reservedNotZero, "constants[0].levels[1].weight.codebook") {
      try $0.set(.constants, after: "four", level(1, 4), to: UInt8(1))
    },
    malformed("activations of a codebook", .unknownTag, "constants[0].levels[0].activation.kind") {
      try $0.set(.constants, after: "four", level(0, 20), to: UInt8(3))
    },
    malformed("symmetric activations of 1 bit", .outOfRange, "constants[3].levels[0].activation.bits") {
      try $0.set(.constants, after: "whole", level(0, 21), to: UInt8(1))
    },
    malformed("symmetric activations with a zero", .outOfRange, "constants[3].levels[0].activation.zero") {
      try $0.set(.constants, after: "whole", level(0, 23), to: UInt8(1))
    },
    malformed("affine activations by groups", .unknownTag, "constants[0].levels[0].activation.scaling") {
      try $0.set(.constants, after: "four", level(0, 22), to: UInt8(3))
    },
    malformed("one level with symmetric activations", .invalidModel, "constants[0].levels.activation.kind") {
      try $0.set(.constants, after: "four", level(0, 20), to: UInt8(4))
    },
  ]

  static let groups: [MalformedCase] = [
    malformed("groups of 24", .outOfRange, "constants[1].levels[0].groupLength") {
      try $0.set(.constants, after: "pair", level(0, 28), to: UInt8(24))
    },
    malformed("groups of 255", .outOfRange, "constants[1].levels[0].groupLength") {
      try $0.set(.constants, after: "pair", level(0, 28), to: UInt8.max)
    },
    malformed("groups under affine activations", .invalidModel, "constants[1].levels[1].groupLength") {
      try $0.set(.constants, after: "pair", level(1, 20), to: UInt8(2))
    },
    malformed("groups without a type", .unknownTag, "constants[1].levels[0].groupNumbers") {
      try $0.set(.constants, after: "pair", level(0, 29), to: UInt8(0))
    },
    malformed("groups of type 4", .unknownTag, "constants[1].levels[0].groupNumbers") {
      try $0.set(.constants, after: "pair", level(0, 29), to: UInt8(4))
    },
    malformed("a type without groups", .reservedNotZero, "constants[0].levels[0].groupNumbers") {
      try $0.set(.constants, after: "four", level(0, 29), to: UInt8(1))
    },
    malformed("shorter groups than there are scales", .invalidModel, "constants[1].levels[0].groupScales") {
      try $0.set(.constants, after: "pair", level(0, 28), to: UInt8(16))
    },
    malformed("wider scales than there are bytes", .invalidModel, "constants[1].levels[0].groupScales") {
      try $0.set(.constants, after: "pair", level(0, 29), to: UInt8(1))
    },
    malformed("group offsets too short", .invalidModel, "constants[1].levels[1].groupOffsets") {
      $0.sections[26].bytes.removeLast(4)
    },
    malformed("floats with a scale of the output", .invalidModel, "constants[2].levels[0].scales") {
      try $0.set(.constants, after: "units", level(0, 29), to: UInt8(2))
    },
    malformed("units without a scale", .invalidModel, "constants[2].levels[0].scales") {
      $0.sections.remove(at: 28)
      try $0.set(.constants, after: "units", level(0, 40), to: UInt32(0))
      try renumber(&$0, "units", level(0, 44), from: 28, count: 4)
      try renumber(&$0, "whole", level(0, 36), from: 32, count: 2)
      try $0.set(.constants, after: "whole", level(0, 48), to: UInt32(34))
    },
    malformed("units of offsets without one", .invalidModel, "constants[2].levels[0].offsets") {
      $0.sections.remove(at: 29)
      try $0.set(.constants, after: "units", level(0, 44), to: UInt32(0))
      try renumber(&$0, "units", level(0, 48), from: 29, count: 3)
      try renumber(&$0, "whole", level(0, 36), from: 32, count: 2)
      try $0.set(.constants, after: "whole", level(0, 48), to: UInt32(34))
    },
    malformed("no scales at all", .invalidModel, "constants[3].levels[0].scales") {
      $0.sections.remove(at: 34)
      try $0.set(.constants, after: "whole", level(0, 40), to: UInt32(0))
      try $0.set(.constants, after: "whole", level(0, 48), to: UInt32(34))
    },
    malformed("no scales of groups", .wrongSection, "constants[1].levels[0].groupScales") {
      try $0.set(.constants, after: "pair", level(0, 52), to: UInt32(0))
    },
    malformed("scales of groups in the wrong section", .wrongSection, "constants[1].levels[0].groupScales") {
      $0.sections[22].kind = SectionKind.groupOffsets.rawValue
    },
    malformed("scales of groups without groups", .reservedNotZero, "constants[0].levels[0].groupScales") {
      try $0.set(.constants, after: "four", level(0, 52), to: UInt32(11))
    },
    malformed("offsets of groups without groups", .reservedNotZero, "constants[0].levels[0].groupOffsets") {
      try $0.set(.constants, after: "four", level(0, 56), to: UInt32(11))
    },
    malformed("activations by groups of 0", .outOfRange, "constants[1].levels[0].activationGroupLength") {
      try $0.set(.constants, after: "pair", level(0, 30), to: UInt8(0))
    },
    malformed("activations by groups of 33", .outOfRange, "constants[1].levels[0].activationGroupLength") {
      try $0.set(.constants, after: "pair", level(0, 30), to: UInt8(33))
    },
    malformed("a length of groups that are not", .outOfRange, "constants[1].levels[1].activationGroupLength")
    {
      try $0.set(.constants, after: "pair", level(1, 30), to: UInt8(64))
    },
    malformed("half groups of activations", .invalidModel, "constants[1].levels[0].activationGroupLength") {
      try $0.set(.constants, after: "pair", level(0, 30), to: UInt8(16))
    },
    malformed("groups of activations alone", .invalidModel, "constants[3].levels[0].activationGroupLength") {
      try $0.set(.constants, after: "whole", level(0, 22), to: UInt8(3))
      try $0.set(.constants, after: "whole", level(0, 24), to: UInt32(0))
      try $0.set(.constants, after: "whole", level(0, 30), to: UInt8(16))
    },
    malformed(
      "sums of codes deeper than 32 bits under weights of 0", .invalidModel, "constants[0].levels[0].channels"
    ) {
      for entry in 0..<16 { try $0.set(.constants, after: "four", level(0, 4 + entry), to: UInt8(0)) }
      try $0.set(.constants, after: "four", 5, to: UInt32(Int32.max))
      try $0.set(.constants, after: "four", level(0, 32), to: UInt32(Int32.max) - 15)
    },
    malformed("sums of groups deeper than 32 bits", .invalidModel, "constants[1].levels[0].channels") {
      try $0.set(.constants, after: "pair", 5, to: UInt32(Int32.max))
      try $0.set(.constants, after: "pair", level(0, 32), to: UInt32(Int32.max) - 64)
    },
  ]

  /// The indices of `count` sections, in fields that follow each other.
  private static func renumber(
    _ file: inout RawFile, _ name: String, _ field: Int, from first: Int, count: Int
  ) throws {
    for index in 0..<count {
      try file.set(.constants, after: name, field + 4 * index, to: UInt32(first + index))
    }
  }

  static let deep: [MalformedCase] = [
    malformed("scale of a group not a number", .outOfRange, "constants[1].levels[0].groupScales") {
      $0.set(section: 22, at: 0, to: UInt16(0x7e00))
    },
    malformed("scale of a group infinite", .outOfRange, "constants[1].levels[0].groupScales") {
      $0.set(section: 22, at: 32, to: UInt16(0xfc00))
    },
    malformed("offset of a group not a number", .outOfRange, "constants[1].levels[1].groupOffsets") {
      $0.set(section: 26, at: 8, to: Float.nan.bitPattern)
    },
    malformed("scale of a group in the padding", .paddingNotZero, "constants[1].levels[0].groupScales") {
      $0.set(section: 22, at: 32 + 6, to: UInt16(1))
    },
    malformed("unit of a group in the padding", .paddingNotZero, "constants[2].levels[0].groupOffsets") {
      $0.set(section: 32, at: 31, to: UInt8(1))
    },
    malformed("eighth bit of a code of 7", .paddingNotZero, "constants[0].levels[1].weights") { file in
      file.set(section: 11, at: 0, to: file.sections[11].bytes[0] | 0x80)
    },
    malformed("fourth bit of a code of 3", .paddingNotZero, "constants[0].levels[2].weights") { file in
      file.set(section: 14, at: 0, to: file.sections[14].bytes[0] | 0x08)
    },
    malformed("code in a padding channel", .paddingNotZero, "constants[0].levels[2].weights") {
      $0.set(section: 14, at: 3, to: UInt8(1))
    },
    malformed("sum of entries off by one", .inconsistentData, "constants[0].levels[0].storedSums") { file in
      file.set(section: 10, at: 0, to: file.sections[10].bytes[0] ^ 1)
    },
    malformed("sum of unsigned bytes off by one", .inconsistentData, "constants[3].levels[0].storedSums") {
      file in
      file.set(section: 35, at: 0, to: file.sections[35].bytes[0] ^ 1)
    },
  ]
}
