import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Attention over keys and values that states hold as codes.
@Suite struct CodedAttentionTests {
  private static let sizes = [
    (1, 4), (2, 20), (5, 8), (15, 16), (16, 36), (17, 64), (33, 64), (49, 80), (40, 128), (21, 256),
  ]

  private func cases(_ generator: inout SeededGenerator) -> [CodedAttentionCase] {
    var cases: [CodedAttentionCase] = []
    for (index, (positions, headDim)) in Self.sizes.enumerated() {
      for window in [0, 1, 3, 5, 17] {
        for (heads, sharing) in [(2, 1), (3, 3), (8, 4), (6, 6)] {
          var attention = CodedAttentionCase(positions, headDim, heads: heads, sharing: sharing, &generator)
          (attention.window, attention.softcap) = (window, (index + window) % 3 == 0 ? 1.5 : 0)
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
      + "window \(attention.window), cap \(attention.softcap), past \(attention.past)"
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
      let attention = CodedAttentionCase(35, 20, heads: 4, sharing: 2, content: content, &generator)
      #expect(
        try output(attention, instructionSet).map(\.comparableBits)
          == output(attention).map(\.comparableBits), "\(content)")
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
      for (positions, headDim) in [(1, 4), (18, 20), (33, 64), (3, 36)] {
        let attention = CodedAttentionCase(
          positions, headDim, heads: 4, sharing: 2, content: content, &generator)
        for isKey in [false, true] {
          let numbers = isKey ? attention.keys : attention.values
          let actual = attention.codes(numbers, isKey: isKey, append.function)
          #expect(
            Self.isRight(actual, numbers, attention, isKey: isKey),
            "\(content), \(positions) x \(headDim), key \(isKey)")
        }
      }
    }
  }

  private static func isRight(
    _ actual: CodedAttentionCase.Codes, _ numbers: [Float], _ attention: CodedAttentionCase, isKey: Bool
  ) -> Bool {
    let (headDim, room) = (attention.headDim, attention.room)
    let (codes, steps) = (actual.codes.elements, actual.steps.elements)
    for row in 0..<attention.batch * attention.positions * attention.keyHeads {
      let (position, head) = (row / attention.keyHeads, row % attention.keyHeads)
      let plane = position / attention.positions * attention.keyHeads + head
      let place = position % attention.positions
      let source = CodedAttentionCase.turned(Array(numbers[row * headDim..<(row + 1) * headDim]))
      let raw = source.reduce(Float(0)) { $1.isNaN ? $0 : max($0, abs($1)) } / 127
      let step = raw.isNormal && raw.isFinite ? raw : 1
      guard steps[plane * room + place] == step else { return false }
      for (channel, number) in source.enumerated() {
        let scaled = number * (1 / step)
        let code = scaled.isNaN ? -127 : Int8(min(max(scaled, -127), 127).rounded(.toNearestOrEven))
        var offset = place * headDim + channel
        if isKey {
          let tile = place / 16 * 16 * headDim + channel / 2 * 32
          offset = tile + place % 16 * 2 + channel % 2
        }
        guard codes[plane * room * headDim + offset] == code else { return false }
      }
    }
    return true
  }
}
