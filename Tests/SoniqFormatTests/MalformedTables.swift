@testable import SoniqFormat

/// Records that must be refused: counts, texts, tags, sizes, graphs.
enum MalformedTables {
  static let counts: [MalformedCase] = [
    MalformedCase("2^32-1 metadata", .limitExceeded, "metadata.count") {
      $0.set(section: 0, at: 0, to: UInt32.max)
    },
    MalformedCase("2^32-1 symbols", .limitExceeded, "symbols.count") {
      $0.set(section: 1, at: 0, to: UInt32.max)
    },
    MalformedCase("2^32-1 values", .limitExceeded, "values.count") {
      $0.set(section: 2, at: 0, to: UInt32.max)
    },
    MalformedCase("more values than bytes", .truncated, "values.count") {
      $0.set(section: 2, at: 0, to: UInt32(FormatLimits.maximumValues))
    },
    MalformedCase("2^32-1 constants", .limitExceeded, "constants.count") {
      $0.set(section: 3, at: 0, to: UInt32.max)
    },
    MalformedCase("a million nodes", .limitExceeded, "nodes.count") {
      $0.set(section: 4, at: 0, to: UInt32(1_000_000))
    },
    MalformedCase("2^32-1 inputs", .limitExceeded, "interface.inputs.count") {
      $0.set(section: 5, at: 0, to: UInt32.max)
    },
    MalformedCase("2^32-1 outputs", .limitExceeded, "interface.outputs.count") {
      $0.set(section: 5, at: 16, to: UInt32.max)
    },
    MalformedCase("255 inputs of a node", .limitExceeded, "nodes[0].inputs.count") {
      try $0.set(.nodes, after: "embed", 1, to: UInt8.max)
    },
    MalformedCase("no levels", .outOfRange, "constants[0].levels.count") {
      try $0.set(.constants, after: "words", 9, to: UInt8(0))
    },
    MalformedCase("three levels", .limitExceeded, "constants[1].levels.count") {
      try $0.set(.constants, after: "projection", 9, to: UInt8(3))
    },
  ]

  static let texts: [MalformedCase] = [
    MalformedCase("name of 2^32-1 bytes", .limitExceeded, "values[0].name.length") {
      $0.set(section: 2, at: 4, to: UInt32.max)
    },
    MalformedCase("name past its table", .truncated, "nodes[0].name.length") {
      $0.set(section: 4, at: 4, to: UInt32(250))
    },
    MalformedCase("empty name", .invalidText, "values[0].name") { file in
      file.sections[2].bytes.replaceSubrange(4..<11, with: [0, 0, 0, 0])
    },
    MalformedCase("empty key", .invalidText, "metadata[0].key") { file in
      file.sections[0].bytes.replaceSubrange(4..<20, with: [0, 0, 0, 0])
    },
    MalformedCase("character 0 in a name", .invalidText, "constants[0].name") {
      try $0.replace(.constants, "words", with: [0x77, 0, 0x72, 0x64, 0x73])
    },
    MalformedCase("not UTF-8", .invalidText, "symbols[0].name") {
      try $0.replace(.symbols, "batch", with: [0x62, 0xc0, 0x80, 0x63, 0x68])
    },
    MalformedCase("surrogate in UTF-8", .invalidText, "metadata[0].value") {
      try $0.replace(.metadata, "small", with: [0xed, 0xa0, 0x80, 0x61, 0x61])
    },
    MalformedCase("name over the limit", .limitExceeded, "values[0].name.length") { file in
      let name = RawFile.littleEndian(UInt32(257)) + [UInt8](repeating: 0x61, count: 257)
      file.sections[2].bytes.replaceSubrange(4..<11, with: name)
    },
    MalformedCase("key over the limit", .limitExceeded, "metadata[0].key.length") { file in
      let key = RawFile.littleEndian(UInt32(129)) + [UInt8](repeating: 0x61, count: 129)
      file.sections[0].bytes.replaceSubrange(4..<20, with: key)
    },
    MalformedCase("duplicate node", .duplicate, "nodes[1].name") { file in
      file.sections[4].bytes.replaceSubrange(
        29..<40, with: RawFile.littleEndian(UInt32(5)) + Array("embed".utf8))
    },
    MalformedCase("duplicate value", .duplicate, "values[1].name") { file in
      let name = RawFile.littleEndian(UInt32(3)) + Array("ids".utf8)
      file.sections[2].bytes.replaceSubrange(21..<33, with: name)
    },
    MalformedCase("duplicate key", .duplicate, "metadata[1].key", in: .complete) {
      try $0.replace(.metadata, "general.description", with: Array("general.name".utf8))
      $0.set(section: 0, at: 4 + 16 + 1 + 12, to: UInt32(12))
    },
    MalformedCase("metadata real not finite", .outOfRange, "metadata[1].value") {
      try $0.set(.metadata, after: "soniq.average_bits", 1, to: Double.nan.bitPattern)
    },
    MalformedCase("metadata boolean 2", .outOfRange, "metadata[6].value", in: .complete) {
      try $0.set(.metadata, after: "test.yes", 1, to: UInt8(2))
    },
  ]

  static let tags: [MalformedCase] = [
    MalformedCase("metadata type 0", .unknownTag, "metadata[0].type") {
      try $0.set(.metadata, after: "general.name", 0, to: UInt8(0))
    },
    MalformedCase("element type 255", .unknownTag, "values[0].elementType") {
      try $0.set(.values, after: "ids", 0, to: UInt8.max)
    },
    MalformedCase("constant type 5", .unknownTag, "constants[0].type") {
      try $0.set(.constants, after: "words", 0, to: UInt8(5))
    },
    MalformedCase("operation 0", .unknownTag, "nodes[0].operation") {
      try $0.set(.nodes, after: "embed", 0, to: UInt8(0))
    },
    MalformedCase("operation 255", .unknownTag, "nodes[0].operation") {
      try $0.set(.nodes, after: "embed", 0, to: UInt8.max)
    },
    MalformedCase("activation function 7", .unknownTag, "nodes[8].function", in: .complete) {
      try $0.set(.nodes, after: "gelu", 12, to: UInt8(7))
    },
    MalformedCase("attention precision 0", .unknownTag, "nodes[6].precision", in: .complete) {
      try $0.set(.nodes, after: "attention", 24, to: UInt8(0))
    },
    MalformedCase("causal in version 1", .reservedNotZero, "nodes[6].reserved", in: .complete) {
      try $0.set(.nodes, after: "attention", 25, to: UInt8(1))
    },
    MalformedCase("causal flag 2", .outOfRange, "nodes[0].isCausal", in: .attention) {
      try $0.set(.nodes, after: "wide", 25, to: UInt8(2))
    },
    MalformedCase("bias in version 1", .reservedNotZero, "nodes[6].reserved", in: .complete) {
      try $0.set(.nodes, after: "attention", 26, to: UInt8(1))
    },
    MalformedCase("bias flag 2", .outOfRange, "nodes[0].hasBias", in: .bias) {
      try $0.set(.nodes, after: "wide", 30, to: UInt8(2))
    },
    MalformedCase("reserved byte of attention", .reservedNotZero, "nodes[0].reserved", in: .bias) {
      try $0.set(.nodes, after: "wide", 31, to: UInt8(1))
    },
    MalformedCase("attention of three inputs without a bias", .invalidModel, "nodes[0].inputs", in: .bias) {
      try $0.set(.nodes, after: "wide", 30, to: UInt8(0))
    },
    MalformedCase("float mask where no bias is", .invalidModel, "nodes[1].inputs[1]", in: .bias) {
      try $0.set(.nodes, after: "narrow", 26, to: UInt8(0))
    },
    MalformedCase("mask as bias", .invalidModel, "nodes[0].inputs[1]", in: .attention) {
      try $0.set(.nodes, after: "wide", 26, to: UInt8(1))
    },
    MalformedCase("bias without an input", .invalidModel, "nodes[1].inputs", in: .attention) {
      try $0.set(.nodes, after: "narrow", 22, to: UInt8(1))
    },
    MalformedCase("bias of other heads", .invalidModel, "nodes[1].inputs[1]", in: .bias) {
      try $0.set(.nodes, after: "narrow", 8, to: UInt32(2))
    },
    MalformedCase("bias of the wrong rank", .invalidModel, "nodes[1].inputs[1]", in: .bias) {
      try $0.set(.nodes, after: "narrow", 8, to: UInt32(4))
    },
    MalformedCase("code kind 3", .unknownTag, "constants[1].levels[0].weight.kind") {
      try $0.set(.constants, after: "projection", 21, to: UInt8(3))
    },
    MalformedCase("scaling 3", .unknownTag, "constants[1].levels[0].activation.scaling") {
      try $0.set(.constants, after: "projection", 27, to: UInt8(3))
    },
    MalformedCase("reserved bytes of a node", .reservedNotZero, "nodes[0].reserved") {
      try $0.set(.nodes, after: "embed", 3, to: UInt8(1))
    },
    MalformedCase("reserved byte of a code", .reservedNotZero, "constants[0].levels[0].reserved") {
      try $0.set(.constants, after: "words", 20, to: UInt8(1))
    },
    MalformedCase("fill of an input that has none", .reservedNotZero, "interface.inputs[0].fill") {
      $0.set(section: 5, at: 12, to: UInt32(1))
    },
    MalformedCase("fill flag 2", .outOfRange, "interface.inputs[0].hasFill") {
      $0.set(section: 5, at: 8, to: UInt8(2))
    },
    MalformedCase("scale of a dynamic code", .reservedNotZero, "constants[1].levels[0].activation.scale") {
      try $0.set(.constants, after: "projection", 29, to: UInt32(1))
    },
  ]

  static let graphs: [MalformedCase] = [
    MalformedCase("input 2^32-1 where one is needed", .indexOutOfRange, "nodes[0].inputs") {
      try $0.set(.nodes, after: "embed", 4, to: UInt32.max)
    },
    MalformedCase("output past the values", .indexOutOfRange, "nodes[1].output") {
      try $0.set(.nodes, after: "project", 8, to: UInt32(3))
    },
    MalformedCase("constant past the constants", .indexOutOfRange, "nodes[1].matrix") {
      try $0.set(.nodes, after: "project", 12, to: UInt32(2))
    },
    MalformedCase("symbol past the symbols", .indexOutOfRange, "values[0].shape") {
      try $0.set(.values, after: "ids", 2, to: UInt32(1) << 31 | 2)
    },
    MalformedCase("output of the graph past the values", .indexOutOfRange, "interface.outputs[0]") {
      $0.set(section: 5, at: 20, to: UInt32(3))
    },
    MalformedCase("node reads what it makes", .invalidModel, "nodes[1].inputs[0]") {
      try $0.set(.nodes, after: "project", 4, to: UInt32(2))
    },
    MalformedCase("node reads what comes later", .invalidModel, "nodes[0].inputs[0]") {
      try $0.set(.nodes, after: "embed", 4, to: UInt32(1))
    },
    MalformedCase("value made twice", .invalidModel, "nodes[1].output") {
      try $0.set(.nodes, after: "project", 8, to: UInt32(1))
    },
    MalformedCase("table as a matrix", .invalidModel, "nodes[1].matrix") {
      try $0.set(.nodes, after: "project", 12, to: UInt32(0))
    },
    MalformedCase("input twice", .invalidModel, "interface.inputs[1]", in: .complete) {
      $0.set(section: 5, at: 16, to: UInt32(0))
    },
    MalformedCase("0 heads", .outOfRange, "nodes[6].heads", in: .complete) {
      try $0.set(.nodes, after: "attention", 16, to: UInt32(0))
    },
    MalformedCase("3 heads", .invalidModel, "nodes[6].heads", in: .complete) {
      try $0.set(.nodes, after: "attention", 16, to: UInt32(3))
    },
    MalformedCase("attention scale not a number", .invalidModel, "nodes[6].scale", in: .complete) {
      try $0.set(.nodes, after: "attention", 20, to: Float.nan.bitPattern)
    },
    MalformedCase("epsilon infinite", .invalidModel, "nodes[4].epsilon", in: .complete) {
      try $0.set(.nodes, after: "norm", 20, to: Float.infinity.bitPattern)
    },
    MalformedCase("epsilon 0", .invalidModel, "nodes[10].epsilon", in: .complete) {
      try $0.set(.nodes, after: "normalize", 12, to: UInt32(0))
    },
  ]
}
