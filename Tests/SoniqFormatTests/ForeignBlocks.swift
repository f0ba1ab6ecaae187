import SoniqCore
import SoniqGraph

/// The block types of GGUF files that a level can hold without loss.
enum ForeignBlock: String, CaseIterable {
  case q8_0, q4_0, q4_1, q5_0, q5_1, q2K, q3K, q4K, q5K, q6K, iq4NL, iq4XS, tq1_0, tq2_0, mxfp4

  /// Bytes of a block.
  var byteCount: Int {
    switch self {
    case .q8_0: 34
    case .q4_0, .iq4NL: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q2K: 84
    case .q3K: 110
    case .q4K: 144
    case .q5K: 176
    case .q6K: 210
    case .iq4XS: 136
    case .tq1_0: 54
    case .tq2_0: 66
    case .mxfp4: 17
    }
  }

  /// Where the binary16 numbers of a block begin: its scale, and its minimum where there is one.
  var numberPlaces: [Int] {
    switch self {
    case .q8_0, .q4_0, .q5_0, .iq4NL, .iq4XS: [0]
    case .q4_1, .q5_1, .q4K, .q5K: [0, 2]
    case .q2K: [80, 82]
    case .q3K: [108]
    case .q6K: [208]
    case .tq1_0: [52]
    case .tq2_0: [64]
    case .mxfp4: []
    }
  }
}

/// The codes and numbers of one block, in the terms of a level.
struct BlockContents {
  var code: WeightCode
  var groupLength: Int
  var numbers = GroupNumber.float16
  var codes: [UInt8]
  /// Of each group.
  var scales: [Float]
  var offsets: [Float]?
}

private let nonlinearEntries: [Int8] = [
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]
private let floatEntries: [Int8] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

private func affine(_ bits: Int, zero: Int = 0) -> WeightCode {
  WeightCode(kind: .affine, bits: bits, zero: zero, layout: bits > 4 ? .unsignedBytes : nil)
}

extension ForeignBlock {
  /// Takes a block apart.
  func contents(_ block: [UInt8]) -> BlockContents {
    let numbers = numberPlaces.map {
      Float(Float16(bitPattern: UInt16(block[$0]) | UInt16(block[$0 + 1]) << 8))
    }
    switch self {
    case .q8_0:
      return BlockContents(
        code: affine(8, zero: 128), groupLength: 32, codes: block[2...].map { $0 ^ 0x80 },
        scales: [numbers[0]])
    case .q4_0:
      return BlockContents(
        code: affine(4, zero: 8), groupLength: 32, codes: Self.halves(block[2...]), scales: [numbers[0]])
    case .q4_1:
      return BlockContents(
        code: affine(4), groupLength: 32, codes: Self.halves(block[4...]), scales: [numbers[0]],
        offsets: [numbers[1]])
    case .q5_0, .q5_1:
      let first = self == .q5_0 ? 2 : 4
      let low = Self.halves(block[(first + 4)...])
      return BlockContents(
        code: affine(5, zero: self == .q5_0 ? 16 : 0), groupLength: 32,
        codes: (0..<32).map { low[$0] | (block[first + $0 / 8] >> UInt8($0 % 8) & 1) << 4 },
        scales: [numbers[0]],
        offsets: self == .q5_0 ? nil : [numbers[1]])
    case .iq4NL:
      return BlockContents(
        code: .codebook(nonlinearEntries), groupLength: 32, codes: Self.halves(block[2...]),
        scales: [numbers[0]])
    case .mxfp4:
      // 2^(e - 128), which is subnormal for e below 2.
      let scale = Float(sign: .plus, exponent: Int(block[0]) - 128, significand: 1)
      return BlockContents(
        code: .codebook(floatEntries), groupLength: 32, numbers: .float32, codes: Self.halves(block[1...]),
        scales: [scale])
    case .tq1_0, .tq2_0: return ternary(block, numbers[0])
    case .q2K, .q3K, .q6K: return sixteens(block, numbers)
    case .q4K, .q5K, .iq4XS: return thirtyTwos(block, numbers)
    }
  }

  /// The low halves of 16 bytes, then the high ones.
  private static func halves(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    bytes.prefix(16).map { $0 & 15 } + bytes.prefix(16).map { $0 >> 4 }
  }

  private func ternary(_ block: [UInt8], _ scale: Float) -> BlockContents {
    var codes: [UInt8] = []
    if self == .tq2_0 {
      for half in 0..<2 {
        for shift in 0..<4 { codes += (0..<32).map { block[half * 32 + $0] >> UInt8(2 * shift) & 3 } }
      }
    } else {
      for (bytes, digits) in [(0..<32, 5), (32..<48, 5), (48..<52, 4)] {
        var power = 1
        for _ in 0..<digits {
          codes += bytes.map { UInt8((Int(block[$0]) * power % 256 * 3) >> 8) }
          power *= 3
        }
      }
    }
    return BlockContents(code: affine(2, zero: 1), groupLength: 128, codes: codes, scales: [scale, scale])
  }

  /// Types with a scale for 16 weights.
  private func sixteens(_ block: [UInt8], _ numbers: [Float]) -> BlockContents {
    func twoBits(_ first: Int, _ index: Int) -> UInt8 {
      block[first + index / 128 * 32 + index % 32] >> UInt8(index % 128 / 32 * 2) & 3
    }
    switch self {
    case .q2K:
      return BlockContents(
        code: affine(2), groupLength: 16, numbers: .float32, codes: (0..<256).map { twoBits(16, $0) },
        scales: (0..<16).map { numbers[0] * Float(block[$0] & 15) },
        offsets: (0..<16).map { -numbers[1] * Float(block[$0] >> 4) })
    case .q3K:
      let codes = (0..<256).map { index in
        let third = block[index % 32] >> UInt8(index / 128 * 4 + index % 128 / 32) & 1
        return twoBits(32, index) | third << 2
      }
      let scales = (0..<16).map { group in
        let low = group < 8 ? block[96 + group] & 15 : block[96 + group - 8] >> 4
        let high = block[104 + group % 4] >> UInt8(2 * (group / 4)) & 3
        return numbers[0] * Float(Int(low | high << 4) - 32)
      }
      return BlockContents(
        code: affine(3, zero: 4), groupLength: 16, numbers: .float32, codes: codes, scales: scales)
    default:
      let codes = (0..<256).map { index in
        let (half, part) = (index / 128, index % 128 / 32)
        let low = block[64 * half + 32 * (part & 1) + index % 32] >> UInt8(part < 2 ? 0 : 4) & 15
        return low | (block[128 + 32 * half + index % 32] >> UInt8(2 * part) & 3) << 4
      }
      return BlockContents(
        code: affine(6, zero: 32), groupLength: 16, numbers: .float32, codes: codes,
        scales: (0..<16).map { numbers[0] * Float(Int8(bitPattern: block[192 + $0])) })
    }
  }

  /// Types of 256 weights with a scale for 32.
  private func thirtyTwos(_ block: [UInt8], _ numbers: [Float]) -> BlockContents {
    if self == .iq4XS {
      let high = UInt16(block[2]) | UInt16(block[3]) << 8
      let scales = (0..<8).map { group in
        let low = block[4 + group / 2] >> UInt8(4 * (group % 2)) & 15
        return numbers[0] * Float(Int(low) + Int(high >> UInt16(2 * group) & 3) * 16 - 32)
      }
      return BlockContents(
        code: .codebook(nonlinearEntries), groupLength: 32, numbers: .float32,
        codes: (0..<8).flatMap { Self.halves(block[(8 + 16 * $0)...]) }, scales: scales)
    }
    let packed = Array(block[4..<16])
    let pairs = (0..<8).map { group -> (UInt8, UInt8) in
      if group < 4 { return (packed[group] & 63, packed[group + 4] & 63) }
      return (
        packed[group + 4] & 15 | (packed[group - 4] >> 6) << 4,
        packed[group + 4] >> 4 | (packed[group] >> 6) << 4
      )
    }
    let first = self == .q4K ? 16 : 48
    let codes = (0..<256).map { index -> UInt8 in
      let group = index / 32
      let low = block[first + 32 * (group / 2) + index % 32] >> UInt8(4 * (group % 2)) & 15
      return self == .q4K ? low : low | (block[16 + index % 32] >> UInt8(group) & 1) << 4
    }
    return BlockContents(
      code: affine(self == .q4K ? 4 : 5), groupLength: 32, numbers: .float32, codes: codes,
      scales: pairs.map { numbers[0] * Float($0.0) }, offsets: pairs.map { -numbers[1] * Float($0.1) })
  }
}
