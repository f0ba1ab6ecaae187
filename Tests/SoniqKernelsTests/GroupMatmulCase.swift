import CKernelABI
import SoniqKernels
import SoniqTestSupport

/// What scales and offsets are kept as.
enum GroupScaleType: UInt32, CaseIterable {
  case float32 = 1
  case float16 = 2
  case uint8 = 3
}

/// How the stored codes of a grouped level stand for integers.
enum GroupCode: Hashable, CustomStringConvertible {
  case affine(bits: Int, zero: Int)
  case bipolar(bits: Int)
  case codebook(bits: Int)

  var bits: Int {
    switch self {
    case .affine(let bits, _), .bipolar(let bits), .codebook(let bits): bits
    }
  }
  var description: String {
    switch self {
    case .affine(let bits, let zero): "affine\(bits)z\(zero)"
    case .bipolar(let bits): "bipolar\(bits)"
    case .codebook(let bits): "codebook\(bits)"
    }
  }
}

/// The sizes of a case.
struct GroupShape {
  var rows: Int
  var channels: Int
  var outputs: Int
  var groupLength: Int
  /// 0: one scale a row.
  var rowGroupLength: Int

  var groups: Int { groupLength == 0 ? 1 : (channels + groupLength - 1) / groupLength }
  var rowGroups: Int { rowGroupLength == 0 ? 1 : (channels + rowGroupLength - 1) / rowGroupLength }
  var panels: Int { (outputs + 15) / 16 }
  func group(_ channel: Int) -> Int { groupLength == 0 ? 0 : channel / groupLength }
  /// The group of the row's scales that a group of weights is in.
  func rowGroup(_ group: Int) -> Int { rowGroupLength == 0 ? 0 : group * groupLength / rowGroupLength }
}

/// One level with scales per group, with everything a kernel reads, in guarded memory.
final class GroupMatmulCase: CustomStringConvertible {
  let code: GroupCode
  let layout: GroupLayout
  let shape: GroupShape
  let scaleType: GroupScaleType
  let seed: UInt64
  let weightCodes: [UInt8]
  let activationCodes: [Int8]
  let book: [Int8]
  /// [group][output] as binary32.
  let scales: [[Float]]
  let offsets: [[Float]]
  let padded: Int
  let weights: GuardedBuffer<UInt8>
  let panelBytes: Int
  let codebook: GuardedBuffer<Int8>
  let groupScales: GuardedBuffer<UInt8>
  let groupOffsets: GuardedBuffer<UInt8>
  let outputScale: GuardedBuffer<Float>
  let outputOffset: GuardedBuffer<Float>
  let codes: GuardedBuffer<Int8>
  let codeStride: Int
  let groupSums: GuardedBuffer<Int32>
  let groupSumStride: Int
  let rowScales: GuardedBuffer<Float>
  let rowScaleStride: Int
  let bias: GuardedBuffer<Float>
  let outputStride: Int

  init(
    _ code: GroupCode, _ layout: GroupLayout, _ shape: GroupShape, scaleType: GroupScaleType = .float32,
    seed: UInt64, pattern: CodePattern = .random
  ) {
    var generator = SeededGenerator(seed: seed)
    (self.code, self.layout, self.shape, self.scaleType, self.seed) = (code, layout, shape, scaleType, seed)
    let top = UInt8((1 << code.bits) - 1)
    let (weight, activation): (UInt8?, Int8?) =
      switch pattern {
      case .random, .mild: (nil, nil)
      case .allZero: (0, -127)
      case .allMaximum: (top, 127)
      case .opposite: (top, -127)
      }
    weightCodes = (0..<shape.outputs * shape.channels).map { _ in
      weight ?? UInt8.random(in: 0...top, using: &generator)
    }
    activationCodes = (0..<shape.rows * shape.channels).map { _ in
      activation ?? Int8.random(in: -127...127, using: &generator)
    }
    book = (0...Int(top)).map { _ in Int8.random(in: -128...127, using: &generator) }
    padded = (shape.channels + layout.tileChannels - 1) / layout.tileChannels * layout.tileChannels
    let packed = Self.packed(weightCodes, layout, shape, padded, bits: code.bits)
    panelBytes = packed.count / shape.panels
    weights = GuardedBuffer(packed)
    codebook = GuardedBuffer(book)
    let drawn = (0..<2).map { _ in Self.numbers(scaleType, shape, &generator) }
    groupScales = GuardedBuffer(drawn[0].bytes)
    groupOffsets = GuardedBuffer(drawn[1].bytes)
    outputScale = GuardedBuffer(drawn[0].factors)
    outputOffset = GuardedBuffer(drawn[1].factors)
    scales = drawn[0].values
    offsets = drawn[1].values
    codeStride = padded + Int.random(in: 0...5, using: &generator)
    groupSumStride = shape.groups + Int.random(in: 0...3, using: &generator)
    rowScaleStride = shape.rowGroups + Int.random(in: 0...3, using: &generator)
    outputStride = shape.outputs + Int.random(in: 0...3, using: &generator)
    // What lies between the rows is noise that must not matter; the last row ends at the guard page.
    var bytes = (0..<codeStride * (shape.rows - 1) + padded).map { _ in
      Int8.random(in: -128...127, using: &generator)
    }
    var sums = [Int32](repeating: 1 << 28, count: groupSumStride * (shape.rows - 1) + shape.groups)
    var steps = [Float](repeating: .nan, count: rowScaleStride * (shape.rows - 1) + shape.rowGroups)
    for row in 0..<shape.rows {
      for group in 0..<shape.groups { sums[row * groupSumStride + group] = 0 }
      for group in 0..<shape.rowGroups {
        steps[row * rowScaleStride + group] = Float.random(in: 0.001...2, using: &generator)
      }
      for channel in 0..<padded {
        let value = channel < shape.channels ? activationCodes[row * shape.channels + channel] : 0
        bytes[row * codeStride + channel] = value
        if channel < shape.channels { sums[row * groupSumStride + shape.group(channel)] += Int32(value) }
      }
    }
    codes = GuardedBuffer(bytes)
    groupSums = GuardedBuffer(sums)
    rowScales = GuardedBuffer(steps)
    bias = GuardedBuffer(
      (0..<shape.panels * 16).map { $0 < shape.outputs ? Float.random(in: -2...2, using: &generator) : 0 })
  }

  var description: String {
    "\(code) \(layout) \(shape) \(scaleType) seed \(seed)"
  }

  var buffersAreIntact: Bool {
    weights.isIntact && codebook.isIntact && groupScales.isIntact && groupOffsets.isIntact
      && outputScale.isIntact && outputOffset.isIntact && codes.isIntact && groupSums.isIntact
      && rowScales.isIntact && bias.isIntact
  }

  /// Weight codes by the definition of the layouts, tile by tile.
  private static func packed(
    _ codes: [UInt8], _ layout: GroupLayout, _ shape: GroupShape, _ padded: Int, bits: Int
  ) -> [UInt8] {
    let planeBytes = padded * 2
    let panelBytes =
      switch layout {
      case .unsignedBytes: padded * 16
      case .nibbles: padded * 8
      case .planes: planeBytes * bits
      }
    var bytes = [UInt8](repeating: 0, count: panelBytes * shape.panels)
    for output in 0..<shape.outputs {
      let (panel, lane) = (output / 16 * panelBytes, output % 16 * 4)
      for channel in 0..<shape.channels {
        let code = codes[output * shape.channels + channel]
        switch layout {
        case .unsignedBytes: bytes[panel + channel / 4 * 64 + lane + channel % 4] = code
        case .nibbles:
          bytes[panel + channel / 8 * 64 + lane + channel % 4] |= code << (channel % 8 < 4 ? 0 : 4)
        case .planes:
          let place = panel + channel / 32 * 64 + lane + channel % 16 / 4
          let shift = channel % 32 / 16 * 4 + channel % 4
          for plane in 0..<bits {
            bytes[place + plane * planeBytes] |= (code >> (bits - 1 - plane) & 1) << shift
          }
        }
      }
    }
    return bytes
  }

  private typealias Numbers = (bytes: [UInt8], factors: [Float], values: [[Float]])

  /// Scales or offsets as they are stored, and as the binary32 numbers that they stand for.
  private static func numbers(
    _ type: GroupScaleType, _ shape: GroupShape, _ generator: inout SeededGenerator
  ) -> Numbers {
    let factors = (0..<shape.panels * 16).map {
      $0 < shape.outputs && type == .uint8 ? Float.random(in: -0.01...0.01, using: &generator) : 0
    }
    var values = [[Float]](repeating: [Float](repeating: 0, count: shape.outputs), count: shape.groups)
    var bytes: [UInt8] = []
    for panel in 0..<shape.panels {
      for group in 0..<shape.groups {
        for output in panel * 16..<panel * 16 + 16 {
          let drawn = Float.random(in: -0.5...0.5, using: &generator)
          let byte = UInt8.random(in: 0...255, using: &generator)
          // Both signs, exponents up to 1, denormal ones too.
          let half = UInt16(byte & 0x80) << 8 | UInt16(byte & 0x7f) << 7 | 13
          let isReal = output < shape.outputs
          let (value, stored): (Float, [UInt8]) =
            switch type {
            case .float32: (drawn, littleEndian(isReal ? drawn.bitPattern : 0))
            case .float16: (halfValue(half), littleEndian(isReal ? half : 0))
            case .uint8: (factors[output] * Float(byte), [isReal ? byte : 0])
            }
          if isReal { values[group][output] = value }
          bytes += stored
        }
      }
    }
    return (bytes, type == .uint8 ? factors : [], values)
  }

  private static func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  /// binary16 by its definition; no infinities here.
  private static func halfValue(_ bits: UInt16) -> Float {
    let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 0x3ff))
    let magnitude =
      exponent == 0
      ? fraction * 0x1p-24
      : Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
    return bits >> 15 == 0 ? magnitude : -magnitude
  }

  func arguments(mode: Int, withBias: Bool, withOffset: Bool) -> snq_group_matmul_args {
    var args = snq_group_matmul_args()
    args.weights = UnsafePointer(weights.start)
    args.panelStride = panelBytes
    args.planeStride = padded * 2
    args.layout = layout.rawValue
    args.weightBits = UInt32(code.bits)
    args.channels = UInt32(shape.channels)
    args.paddedChannels = UInt32(padded)
    args.outputs = UInt32(shape.outputs)
    args.groupLength = UInt32(shape.groupLength)
    switch code {
    case .affine(_, let zero): (args.weightMultiplier, args.weightConstant) = (1, Int32(zero))
    case .bipolar(let bits): (args.weightMultiplier, args.weightConstant) = (2, Int32((1 << bits) - 1))
    // Not to be read then.
    case .codebook: (args.weightMultiplier, args.weightConstant) = (77, 99)
    }
    if case .codebook = code { args.codebook = UnsafePointer(codebook.start) }
    args.scaleType = scaleType.rawValue
    args.groupScales = UnsafeRawPointer(groupScales.start)
    args.outputScale = UnsafePointer(outputScale.start)
    if withOffset {
      args.groupOffsets = UnsafeRawPointer(groupOffsets.start)
      args.outputOffset = UnsafePointer(outputOffset.start)
    }
    args.codes = UnsafePointer(codes.start)
    args.codeStride = codeStride
    args.groupSums = UnsafePointer(groupSums.start)
    args.groupSumStride = groupSumStride
    args.rowScales = UnsafePointer(rowScales.start)
    args.rowScaleStride = rowScaleStride
    args.rowGroupLength = UInt32(shape.rowGroupLength)
    args.bias = withBias ? UnsafePointer(bias.start) : nil
    args.outputStride = outputStride
    args.mode = UInt32(mode)
    return args
  }
}
