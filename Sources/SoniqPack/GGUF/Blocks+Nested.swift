import SoniqCore

/// Types whose block of 256 has a scale for scales of 16 or 32. The products are exact in float32.
extension Blocks {
  /// Two bits of four runs of 32, twice.
  @inline(__always)
  private static func twoBits(_ bytes: UnsafePointer<UInt8>, _ index: Int) -> UInt8 {
    bytes[index / 128 * 32 + index % 32] >> UInt8(index % 128 / 32 * 2) & 3
  }

  static let q2K: BlockFormat.Decoder = { block, codes, numbers in
    let (scale, minimum) = (half(block, 80), half(block, 82))
    for group in 0..<16 {
      numbers.scales[group] = scale * Float(block[group] & 15)
      numbers.offsets[group] = -minimum * Float(block[group] >> 4)
    }
    for index in 0..<256 { codes[index] = twoBits(block + 16, index) }
  }

  static let q3K: BlockFormat.Decoder = { block, codes, numbers in
    let scale = half(block, 108)
    for group in 0..<16 {
      let low = group < 8 ? block[96 + group] & 15 : block[96 + group - 8] >> 4
      let high = block[104 + group % 4] >> UInt8(2 * (group / 4)) & 3
      numbers.scales[group] = scale * Float(Int(low | high << 4) - 32)
    }
    for index in 0..<256 {
      let third = block[index % 32] >> UInt8(index / 128 * 4 + index % 128 / 32) & 1
      codes[index] = twoBits(block + 32, index) | third << 2
    }
  }

  /// Eight pairs of six bits in twelve bytes: scales and minimums.
  @inline(__always)
  private static func pairs(_ block: UnsafePointer<UInt8>, _ numbers: GroupNumbers) {
    let (scale, minimum) = (half(block, 0), half(block, 2))
    let packed = block + 4
    for group in 0..<8 {
      let (first, second): (UInt8, UInt8)
      if group < 4 {
        (first, second) = (packed[group] & 63, packed[group + 4] & 63)
      } else {
        first = packed[group + 4] & 15 | (packed[group - 4] >> 6) << 4
        second = packed[group + 4] >> 4 | (packed[group] >> 6) << 4
      }
      numbers.scales[group] = scale * Float(first)
      numbers.offsets[group] = -minimum * Float(second)
    }
  }

  static let q4K: BlockFormat.Decoder = { block, codes, numbers in
    pairs(block, numbers)
    for pair in 0..<4 { halves(block + 16 + 32 * pair, codes + 64 * pair, count: 32) }
  }

  static let q5K: BlockFormat.Decoder = { block, codes, numbers in
    pairs(block, numbers)
    for pair in 0..<4 { halves(block + 48 + 32 * pair, codes + 64 * pair, count: 32) }
    for index in 0..<256 {
      codes[index] |= (block[16 + index % 32] >> UInt8(index / 32) & 1) << 4
    }
  }

  static let q6K: BlockFormat.Decoder = { block, codes, numbers in
    let scale = half(block, 208)
    for group in 0..<16 { numbers.scales[group] = scale * Float(Int8(bitPattern: block[192 + group])) }
    for index in 0..<256 {
      let (half, part, lane) = (index / 128, index % 128 / 32, index % 32)
      let low = block[64 * half + 32 * (part & 1) + lane] >> UInt8(part < 2 ? 0 : 4) & 15
      let high = block[128 + 32 * half + lane] >> UInt8(2 * part) & 3
      codes[index] = low | high << 4
    }
  }

  static let iq4XS: BlockFormat.Decoder = { block, codes, numbers in
    let scale = half(block, 0)
    let high = UInt16(block[2]) | UInt16(block[3]) << 8
    for group in 0..<8 {
      let low = block[4 + group / 2] >> UInt8(4 * (group % 2)) & 15
      let six = Int(low) | Int(high >> UInt16(2 * group) & 3) << 4
      numbers.scales[group] = scale * Float(six - 32)
      halves(block + 8 + 16 * group, codes + 32 * group)
    }
  }
}
