import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Attention over keys and values that states hold as codes.
@Suite struct CodedAttentionTests {
  private static let sizes = [
    (1, 4), (2, 20), (5, 8), (15, 16), (16, 36), (17, 64), (33, 64), (49, 80), (40, 128), (21, 256),
  ]

  private static let bits: [(keys: Int, values: Int)] = [
    (8, 8), (6, 4), (4, 8), (4, 4), (8, 4), (6, 8), (8, 8),
  ]

  private func cases(_ generator: inout SeededGenerator) -> [CodedAttentionCase] {
    var cases: [CodedAttentionCase] = []
    for (index, (positions, headDim)) in Self.sizes.enumerated() {
      for window in [0, 1, 3, 5, 17] {
        for (heads, sharing) in [(2, 1), (3, 3), (8, 4), (6, 6)] {
          var attention = CodedAttentionCase(positions, headDim, heads: heads, sharing: sharing, &generator)
          (attention.window, attention.softcap) = (window, (index + window) % 3 == 0 ? 1.5 : 0)
          let bits = Self.bits[cases.count % Self.bits.count]
          attention.keyBits = bits.keys == 6 && headDim % 8 != 0 ? 4 : bits.keys
          attention.valueBits = bits.values
          cases.append(attention)
        }
      }
    }
    return cases
  }

  private func output(_ attention: CodedAttentionCase, _ instructionSet: InstructionSet = .portable) throws
    -> [Float]
  {
    let append = try RowKernels.kernel(RowKernelRegistry.appendCodes, of: instructionSet)
    let kernel = try RowKernels.kernel(RowKernelRegistry.codeAttention, of: instructionSet)
    return attention.run(append.function, kernel.function)
  }

  private func label(_ attention: CodedAttentionCase) -> String {
    "\(attention.positions) positions, d \(attention.headDim), heads \(attention.heads) by \(attention.sharing), "
      + "window \(attention.window), cap \(attention.softcap), past \(attention.past), "
      + "bits \(attention.keyBits) and \(attention.valueBits)"
  }

  @Test(arguments: RowKernels.faster)
  func equalsPortable(instructionSet: InstructionSet) throws {
    var generator = SeededGenerator(seed: 4801)
    for attention in cases(&generator) {
      #expect(
        try output(attention, instructionSet).map(\.comparableBits)
          == output(attention).map(\.comparableBits), "\(label(attention))")
    }
    for content in RowKernels.Content.allCases {
      for bits in Self.bits {
        var attention = CodedAttentionCase(35, 24, heads: 4, sharing: 2, content: content, &generator)
        (attention.keyBits, attention.valueBits) = bits
        #expect(
          try output(attention, instructionSet).map(\.comparableBits)
            == output(attention).map(\.comparableBits), "\(content), \(label(attention))")
      }
    }
  }

  @Test func isAccurate() throws {
    var generator = SeededGenerator(seed: 4802)
    for attention in cases(&generator) where attention.positions < 40 {
      let output = try output(attention)
      var worst = 0.0
      for row in 0..<attention.batch * attention.positions {
        for head in 0..<attention.heads {
          let truth = attention.truth(
            entry: row / attention.positions, head: head, position: row % attention.positions)
          let first = row * attention.width + head * attention.headDim
          for (channel, number) in truth.enumerated() {
            worst = max(worst, abs(Double(output[first + channel]) - number))
          }
        }
      }
      // Queries have 16 bits.
      #expect(worst <= 2e-3, "\(worst), \(label(attention))")
    }
  }

  /// A row does not depend on where its call begins, on how keys were appended, nor on which heads are in a call.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster)
  func rowsDoNotKnowTheirCall(instructionSet: InstructionSet) throws {
    var generator = SeededGenerator(seed: 4803)
    for (heads, sharing, headDim) in [(2, 1, 20), (3, 3, 64), (8, 4, 36), (6, 6, 64), (4, 2, 128)] {
      for window in [0, 1, 3, 20] {
        var whole = CodedAttentionCase(50, headDim, heads: heads, sharing: sharing, &generator)
        (whole.window, whole.softcap) = (window, window == 3 ? 4 : 0)
        whole.keyBits = headDim % 8 == 0 ? [8, 6, 4, 6][window % 4] : 4
        whole.valueBits = (headDim + window) % 2 == 0 ? 4 : 8
        let expected = try output(whole, instructionSet)
        for past in [0, 1, 2, 15, 16, 17, 31, 45, 46, 49] {
          var part = whole
          (part.past, part.isTogether, part.appended) = (past, past % 2 == 0, past % 3 == 0 ? 7 : 1)
          let actual = try output(part, instructionSet)
          let rows = 50 - past
          for entry in 0..<whole.batch {
            let first = (entry * 50 + past) * whole.width
            let tail = Array(expected[first..<first + rows * whole.width])
            let begin = entry * rows * whole.width
            let same = Array(actual[begin..<begin + rows * whole.width])
            #expect(tail.map(\.bitPattern) == same.map(\.bitPattern), "entry \(entry), \(label(part))")
          }
        }
      }
    }
  }

  /// Codes, steps and their places, by the plain rule.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster)
  func codesAreTheNearest(instructionSet: InstructionSet) throws {
    let append = try RowKernels.kernel(RowKernelRegistry.appendCodes, of: instructionSet)
    var generator = SeededGenerator(seed: 4804)
    for content in RowKernels.Content.allCases {
      for (positions, headDim) in [(1, 4), (18, 20), (33, 64), (3, 36), (2, 8), (17, 48), (5, 96)] {
        var attention = CodedAttentionCase(
          positions, headDim, heads: 4, sharing: 2, content: content, &generator)
        for (isKey, bits) in [(false, 8), (false, 4), (true, 8), (true, 4), (true, 6)] {
          guard bits != 6 || headDim % 8 == 0 else { continue }
          (attention.keyBits, attention.valueBits) = (bits, bits)
          let numbers = isKey ? attention.keys : attention.values
          let actual = attention.codes(numbers, isKey: isKey, append.function)
          #expect(
            Self.isRight(actual, numbers, attention, isKey: isKey, bits),
            "\(content), \(positions) x \(headDim), key \(isKey), \(bits) bits")
        }
      }
    }
  }

  private static func isRight(
    _ actual: CodedAttentionCase.Codes, _ numbers: [Float], _ attention: CodedAttentionCase, isKey: Bool,
    _ bits: Int
  ) -> Bool {
    let (headDim, room) = (attention.headDim, attention.room)
    let (codes, steps) = (actual.codes.elements, actual.steps.elements)
    let planeBytes = room * attention.headBytes(isKey: isKey)
    for row in 0..<attention.batch * attention.positions * attention.keyHeads {
      let (position, head) = (row / attention.keyHeads, row % attention.keyHeads)
      let plane = position / attention.positions * attention.keyHeads + head
      let place = position % attention.positions
      let source = CodedAttentionCase.turned(Array(numbers[row * headDim..<(row + 1) * headDim]))
      let expected = CodedAttentionCase.encoded(source, bits: bits)
      guard steps[plane * room + place] == expected.step else { return false }
      let part = Array(codes[plane * planeBytes..<(plane + 1) * planeBytes])
      for (channel, code) in expected.codes.enumerated() {
        let found =
          isKey ? key(part, place, channel, headDim, bits) : value(part, place, channel, headDim, bits)
        guard found == code else { return false }
      }
    }
    return true
  }

  /// Of a head's tiles, as attention.h says where codes lie.
  private static func key(_ codes: [UInt8], _ position: Int, _ channel: Int, _ headDim: Int, _ bits: Int)
    -> Int
  {
    let tile = position / 16 * 2 * bits * headDim + position % 16 * 2 + channel % 2
    switch bits {
    case 8: return Int(Int8(bitPattern: codes[tile + channel / 2 * 32]))
    case 4: return Int(codes[tile + channel / 4 * 32] >> (channel % 4 < 2 ? 0 : 4) & 15) - 8
    default:
      let group = tile + channel / 8 * 96
      if channel % 8 < 6 { return Int(codes[group + channel % 8 / 2 * 32] & 63) - 32 }
      return (0..<3).reduce(-32) { $0 + Int(codes[group + 32 * $1] >> 6) << (2 * $1) }
    }
  }

  private static func value(_ codes: [UInt8], _ position: Int, _ channel: Int, _ headDim: Int, _ bits: Int)
    -> Int
  {
    if bits == 8 { return Int(Int8(bitPattern: codes[position * headDim + channel])) }
    let byte = codes[position * ((headDim + 31) / 32 * 16) + channel / 32 * 16 + channel % 16]
    return Int(byte >> (channel % 32 < 16 ? 0 : 4) & 15) - 8
  }
}
