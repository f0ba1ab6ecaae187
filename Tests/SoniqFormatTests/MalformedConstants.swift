@testable import SoniqFormat

/// Sizes and constants that must be refused.
enum MalformedConstants {
  static let sizes: [MalformedCase] = [
    MalformedCase("rank 0", .outOfRange, "values[0].rank") {
      try $0.set(.values, after: "ids", 1, to: UInt8(0))
    },
    MalformedCase("rank 255", .limitExceeded, "values[0].rank") {
      try $0.set(.values, after: "ids", 1, to: UInt8.max)
    },
    MalformedCase("dimension 0", .outOfRange, "values[0].shape") {
      try $0.set(.values, after: "ids", 2, to: UInt32(0))
    },
    MalformedCase("symbol maximum 0", .outOfRange, "symbols[0].maximum") {
      try $0.set(.symbols, after: "batch", 0, to: UInt32(0))
    },
    MalformedCase("symbol maximum 2^31", .outOfRange, "symbols[0].maximum") {
      try $0.set(.symbols, after: "batch", 0, to: UInt32(1) << 31)
    },
    MalformedCase("an open symbol in version 1", .outOfRange, "symbols[0].maximum") {
      try $0.set(.symbols, after: "batch", 0, to: UInt32(1) << 31 | 64)
    },
    MalformedCase("an open symbol of maximum 0", .outOfRange, "symbols[1].maximum", in: .sizes) {
      try $0.set(.symbols, after: "rows", 0, to: UInt32(1) << 31)
    },
    MalformedCase("symbols whose product is too large", .invalidModel, "values[1].shape") {
      try $0.set(.symbols, after: "batch", 0, to: UInt32(Int32.max))
      try $0.set(.symbols, after: "sequence", 0, to: UInt32(Int32.max))
    },
    MalformedCase("dimension of a constant 2^31", .outOfRange, "constants[2].shape", in: .complete) {
      try $0.set(.constants, after: "gamma", 3, to: UInt32(1) << 31)
    },
    MalformedCase(
      "product of dimensions leaves 64 bits", .invalidModel, "constants[36].shape[1]", in: .complete
    ) {
      for position in [3, 7, 11] { try $0.set(.constants, after: "array", position, to: UInt32(Int32.max)) }
    },
    MalformedCase("outputs 2^31-1", .invalidModel, "constants[1].outputs") {
      try $0.set(.constants, after: "projection", 1, to: UInt32(Int32.max))
    },
    MalformedCase("outputs 0", .outOfRange, "constants[1].outputs") {
      try $0.set(.constants, after: "projection", 1, to: UInt32(0))
    },
    MalformedCase("more outputs than bytes", .invalidModel, "constants[1].levels[0].weights") {
      try $0.set(.constants, after: "projection", 1, to: UInt32(300))
    },
    MalformedCase("more rows than bytes", .invalidModel, "constants[0].levels[0].codes") {
      try $0.set(.constants, after: "words", 1, to: UInt32(Int32.max))
    },
    MalformedCase("fewer rows than bytes", .invalidModel, "constants[0].levels[0].codes") {
      try $0.set(.constants, after: "words", 1, to: UInt32(2))
    },
    MalformedCase("float matrix inputs 2^31-1", .invalidModel, "constants[5].panels", in: .complete) {
      try $0.set(.constants, after: "output", 5, to: UInt32(Int32.max))
    },
  ]

  static let levels: [MalformedCase] = [
    MalformedCase("0 bits", .outOfRange, "constants[1].levels[0].weight.bits") {
      try $0.set(.constants, after: "projection", 22, to: UInt8(0))
    },
    MalformedCase("9 bits", .outOfRange, "constants[1].levels[0].weight.bits") {
      try $0.set(.constants, after: "projection", 22, to: UInt8(9))
    },
    MalformedCase("bipolar 8 bits", .outOfRange, "constants[1].levels[1].weight.bits") {
      try $0.set(.constants, after: "projection", 54, to: UInt8(8))
    },
    MalformedCase("bipolar code with a zero", .outOfRange, "constants[1].levels[1].weight.zero") {
      try $0.set(.constants, after: "projection", 55, to: UInt8(1))
    },
    MalformedCase("zero above the codes", .outOfRange, "constants[0].levels[0].code.zero") {
      try $0.set(.constants, after: "words", 19, to: UInt8(16))
    },
    MalformedCase("activation of 255 bits", .outOfRange, "constants[1].levels[0].activation.bits") {
      try $0.set(.constants, after: "projection", 26, to: UInt8.max)
    },
    MalformedCase("channels 0", .outOfRange, "constants[1].levels[0].channels") {
      try $0.set(.constants, after: "projection", 33, to: UInt32(0))
    },
    MalformedCase("levels do not cover the inputs", .invalidModel, "constants[1].levels.channels") {
      try $0.set(.constants, after: "projection", 65, to: UInt32(2))
    },
    MalformedCase("levels cover too much", .invalidModel, "constants[0].levels.channels") {
      try $0.set(.constants, after: "words", 5, to: UInt32(7))
    },
    MalformedCase("planes of the wrong length", .invalidModel, "constants[1].levels[1].weights") {
      $0.sections[16].bytes += [UInt8](repeating: 0, count: 64)
    },
    MalformedCase("fewer planes than bits", .invalidModel, "constants[1].levels[1].weights") {
      try $0.set(.constants, after: "projection", 54, to: UInt8(2))
    },
    MalformedCase("block length 0", .outOfRange, "constants[0].levels[0].blockLength") {
      try $0.set(.constants, after: "words", 25, to: UInt32(0))
    },
    MalformedCase("block length 3 of 5", .invalidModel, "constants[0].levels[0].blockLength") {
      try $0.set(.constants, after: "words", 25, to: UInt32(3))
    },
    MalformedCase("dot product deeper than 32 bits", .invalidModel, "constants[1].levels[0].channels") {
      try $0.set(.constants, after: "projection", 5, to: UInt32(70_003))
      try $0.set(.constants, after: "projection", 33, to: UInt32(70_000))
      $0.sections[13].bytes = [UInt8](repeating: 0, count: 16 * 70_000)
    },
  ]

  static let numbers: [MalformedCase] = [
    MalformedCase("scale not a number", .invalidModel, "constants[1].levels[0].scales[1]") {
      $0.set(section: 14, at: 4, to: Float.nan.bitPattern)
    },
    MalformedCase("scale infinite", .invalidModel, "constants[1].levels[1].scales[2]") {
      $0.set(section: 17, at: 8, to: Float.infinity.bitPattern)
    },
    MalformedCase("scale negative", .invalidModel, "constants[1].levels[0].scales[0]") {
      $0.set(section: 14, at: 0, to: Float(-1).bitPattern)
    },
    MalformedCase("scale in the padding", .invalidModel, "constants[1].levels[0].scales[3]") {
      $0.set(section: 14, at: 12, to: Float(1).bitPattern)
    },
    MalformedCase("table scale not a number", .invalidModel, "constants[0].levels[0].scales[2]") {
      $0.set(section: 8, at: 4, to: UInt16(0x7e00))
    },
    MalformedCase("bias infinite", .invalidModel, "constants[1].bias[0]") {
      $0.set(section: 12, at: 0, to: Float.infinity.bitPattern)
    },
    MalformedCase("static scale denormal", .outOfRange, "constants[1].levels[1].activation.scale") {
      try $0.set(.constants, after: "projection", 61, to: UInt32(1))
    },
    MalformedCase("static scale negative", .outOfRange, "constants[1].levels[1].activation.scale") {
      try $0.set(.constants, after: "projection", 61, to: Float(-1).bitPattern)
    },
    MalformedCase("channel twice in a map", .invalidModel, "constants[1].gather[1]") {
      $0.set(section: 11, at: 4, to: UInt32(7))
    },
    MalformedCase("channel past the inputs", .invalidModel, "constants[1].gather[0]") {
      $0.set(section: 11, at: 0, to: UInt32(8))
    },
    MalformedCase("negative channel", .invalidModel, "constants[0].scatter[7]") {
      $0.set(section: 6, at: 28, to: Int32(-1))
    },
    MalformedCase("map too short", .invalidModel, "constants[1].gather") {
      $0.sections[11].bytes.removeLast(4)
    },
  ]

  /// Files that can be run but are not what a packer writes: found by deep verification only.
  static let deep: [MalformedCase] = [
    MalformedCase("weight in the padding channels", .paddingNotZero, "constants[1].levels[0].weights") {
      $0.set(section: 13, at: 65, to: UInt8(1))
    },
    MalformedCase("weight in the padding outputs", .paddingNotZero, "constants[1].levels[0].weights") {
      $0.set(section: 13, at: 60, to: UInt8(1))
    },
    MalformedCase("bit in the padding channels", .paddingNotZero, "constants[1].levels[1].weights") {
      $0.set(section: 16, at: 1, to: UInt8(0x80))
    },
    MalformedCase("stored sum off by one", .inconsistentData, "constants[1].levels[0].storedSums") { file in
      file.set(section: 15, at: 4, to: file.sections[15].bytes[4] ^ 1)
    },
    MalformedCase("stored sum in the padding", .inconsistentData, "constants[1].levels[1].storedSums") {
      $0.set(section: 18, at: 60, to: UInt32(1))
    },
    MalformedCase("bits behind the last code of a row", .paddingNotZero, "constants[0].levels[1].codes") {
      file in
      file.set(section: 9, at: 1, to: file.sections[9].bytes[1] | 0x80)
    },
    MalformedCase("dense number not finite", .outOfRange, "constants[1].bytes", in: .complete) {
      $0.set(section: 8, at: 4, to: Float.nan.bitPattern)
    },
  ]
}
