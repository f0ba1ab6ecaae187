import SoniqCore

/// Types whose block has one scale, and maybe a minimum.
extension Blocks {
  static let q8_0: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    for index in 0..<32 { codes[index] = block[2 + index] ^ 0x80 }
  }

  static let nibbles: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    halves(block + 2, codes)
  }

  static let nibblesWithMinimum: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    numbers.offsets[0] = half(block, 2)
    halves(block + 4, codes)
  }

  static let fiveBits: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    fifthBits(block + 2, codes)
  }

  static let fiveBitsWithMinimum: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    numbers.offsets[0] = half(block, 2)
    fifthBits(block + 4, codes)
  }

  /// Four bytes of fifth bits, then nibbles.
  private static func fifthBits(_ bytes: UnsafePointer<UInt8>, _ codes: UnsafeMutablePointer<UInt8>) {
    halves(bytes + 4, codes)
    for index in 0..<32 { codes[index] |= (bytes[index / 8] >> UInt8(index % 8) & 1) << 4 }
  }

  static let mxfp4: BlockFormat.Decoder = { block, codes, numbers in
    // Subnormal for exponents below 2.
    numbers.scales[0] = Float(sign: .plus, exponent: Int(block[0]) - 128, significand: 1)
    halves(block + 1, codes)
  }

  static let q1_0: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    for index in 0..<128 { codes[index] = block[2 + index / 8] >> UInt8(index % 8) & 1 }
  }

  static let q2_0: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 0)
    for index in 0..<64 { codes[index] = block[2 + index / 4] >> UInt8(index % 4 * 2) & 3 }
  }

  static let tq2_0: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 64)
    numbers.scales[1] = numbers.scales[0]
    for index in 0..<256 {
      codes[index] = block[index / 128 * 32 + index % 32] >> UInt8(index % 128 / 32 * 2) & 3
    }
  }

  /// Five digits of base 3 in a byte; the last four bytes have four.
  static let tq1_0: BlockFormat.Decoder = { block, codes, numbers in
    numbers.scales[0] = half(block, 52)
    numbers.scales[1] = numbers.scales[0]
    var place = 0
    for (first, count, digits) in [(0, 32, 5), (32, 16, 5), (48, 4, 4)] {
      var power = 1
      for _ in 0..<digits {
        for byte in first..<first + count {
          codes[place] = UInt8((Int(block[byte]) * power % 256 * 3) >> 8)
          place += 1
        }
        power *= 3
      }
    }
  }
}
