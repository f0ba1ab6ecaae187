import CKernelABI
import SoniqCore
import SoniqKernels
import SoniqTestSupport
import Testing

/// Attention over keys of earlier calls, with windows and soft caps: the float kernels only.
@Suite struct AttentionWindowTests {
  private static let windows = [0, 1, 2, 3, 5, 16, 17, 33, 100]

  private func output(
    _ attention: AttentionCase, _ kernel: KernelRow<snq_attention_function>? = nil
  ) -> [Float] {
    let row = kernel ?? RowKernelRegistry.floatAttention.reference
    return attention.run(
      row.function, scratchBytes: AttentionMode.float.scratchBytes(attention.sequence, attention.headDim))
  }

  private func cases(_ generator: inout SeededGenerator) -> [AttentionCase] {
    var cases: [AttentionCase] = []
    for (index, (sequence, headDim)) in AttentionKernelTests.sizes.enumerated() {
      for window in Self.windows {
        var attention = AttentionCase(
          sequence, headDim, .ordinary, masked: index % 3 == 1, causal: true, &generator)
        attention.window = window
        attention.softcap = (index + window) % 2 == 0 ? 0 : 1.5
        cases.append(attention)
        if index % 3 == 2 {
          cases.append(attention.biased(.all) { Float.random(in: -2...2, using: &generator) })
        }
      }
    }
    return cases
  }

  @Test(arguments: RowKernels.faster)
  func equalsPortable(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.floatAttention, of: instructionSet)
    var generator = SeededGenerator(seed: 471)
    for attention in cases(&generator) {
      #expect(
        output(attention, kernel).map(\.comparableBits) == output(attention).map(\.comparableBits),
        "S \(attention.sequence) d \(attention.headDim) window \(attention.window) cap \(attention.softcap)")
    }
  }

  @Test func isAccurate() {
    var generator = SeededGenerator(seed: 472)
    for attention in cases(&generator) {
      let output = output(attention)
      var worst = 0.0
      for row in 0..<attention.batch * attention.sequence {
        for head in 0..<attention.heads {
          let truth = attention.truth(
            batch: row / attention.sequence, head: head, position: row % attention.sequence)
          let first = row * attention.width + head * attention.headDim
          for (channel, number) in truth.enumerated() {
            worst = max(worst, abs(Double(output[first + channel]) - number))
          }
        }
      }
      #expect(
        worst <= 1e-5,
        "S \(attention.sequence) d \(attention.headDim) window \(attention.window) cap \(attention.softcap)")
    }
  }

  /// A row does not depend on where its call begins, whatever the window.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster, [0, 1, 3, 20, 40])
  func rowsDoNotKnowTheirCall(instructionSet: InstructionSet, window: Int) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.floatAttention, of: instructionSet)
    var generator = SeededGenerator(seed: 473)
    for (isHalf, headDim) in [(false, 20), (true, 20), (false, 84), (true, 84), (true, 64)] {
      var whole = AttentionCase(70, headDim, .ordinary, masked: false, causal: true, &generator)
      (whole.window, whole.softcap, whole.isHalf) = (window, 4, isHalf)
      let expected = output(whole, kernel)
      for past in [1, 2, 3, 5, 15, 16, 31, 32, 33, 64, 69] {
        var part = whole
        part.past = past
        let actual = output(part, kernel)
        let rows = 70 - past
        for entry in 0..<whole.batch {
          let tail = expected[(entry * 70 + past) * whole.width..<(entry + 1) * 70 * whole.width]
          let same = actual[entry * rows * whole.width..<(entry + 1) * rows * whole.width]
          #expect(
            tail.map(\.bitPattern) == same.map(\.bitPattern),
            "past \(past) entry \(entry) half \(isHalf) d \(headDim)")
        }
      }
    }
  }

  /// Keys and values of 16 bits are the same numbers in 32.
  @Test func halvesAreTheirNumbers() {
    var generator = SeededGenerator(seed: 474)
    for headDim in [4, 20, 64] {
      var attention = AttentionCase(37, headDim, .ordinary, masked: false, causal: true, &generator)
      attention.values = attention.values.map { Binary16.value(Binary16.bits($0)) }
      var halves = attention
      halves.isHalf = true
      #expect(output(halves).map(\.bitPattern) == output(attention).map(\.bitPattern))
    }
  }

  /// Heads with keys and values of their own, of two, three, four and six heads, in one call and each in its own.
  private func sharedCases(_ generator: inout SeededGenerator) -> [AttentionCase] {
    var cases: [AttentionCase] = []
    for (heads, queryHeads) in [(3, 1), (4, 2), (6, 3), (8, 4), (6, 6)] {
      for (past, window) in [(0, 0), (36, 0), (36, 7), (33, 5)] {
        for headDim in [12, 64] {
          var attention = AttentionCase(37, headDim, .ordinary, masked: false, causal: true, &generator)
          (attention.heads, attention.queryHeads) = (heads, queryHeads)
          attention.values = RowKernels.Content.ordinary.values(
            2 * 37 * (3 * heads * headDim + AttentionCase.gap) - AttentionCase.gap, &generator)
          (attention.past, attention.window, attention.softcap) = (past, window, window == 7 ? 3 : 0)
          for isHalf in [false, true] {
            attention.isHalf = isHalf
            cases.append(attention)
          }
        }
      }
    }
    return cases
  }

  @Test(arguments: [InstructionSet.portable] + RowKernels.faster)
  func headsThatShareKeysMayBeOneCall(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.floatAttention, of: instructionSet)
    var generator = SeededGenerator(seed: 476)
    for attention in sharedCases(&generator) {
      var together = attention
      together.isTogether = true
      let expected = output(attention).map(\.bitPattern)
      let label =
        "heads \(attention.heads) of \(attention.queryHeads) past \(attention.past) d \(attention.headDim)"
        + " half \(attention.isHalf)"
      #expect(output(attention, kernel).map(\.bitPattern) == expected, "\(label) alone")
      #expect(output(together, kernel).map(\.bitPattern) == expected, "\(label) together")
    }
  }

  @Test func sharedKeysAreThoseOfTheGroup() {
    var generator = SeededGenerator(seed: 477)
    for attention in sharedCases(&generator) where !attention.isHalf {
      let output = output(attention)
      let queries = attention.sequence - attention.past
      var worst = 0.0
      for row in 0..<attention.batch * queries {
        for head in 0..<attention.heads {
          let truth = attention.truth(
            batch: row / queries, head: head, position: attention.past + row % queries)
          let first = row * attention.width + head * attention.headDim
          for (channel, number) in truth.enumerated() {
            worst = max(worst, abs(Double(output[first + channel]) - number))
          }
        }
      }
      #expect(worst <= 1e-5, "heads \(attention.heads) of \(attention.queryHeads) past \(attention.past)")
    }
  }

  @Test func aWideWindowIsNone() {
    var generator = SeededGenerator(seed: 475)
    let attention = AttentionCase(37, 16, .ordinary, masked: true, causal: true, &generator)
    var wide = attention
    wide.window = 37
    #expect(output(wide).map(\.bitPattern) == output(attention).map(\.bitPattern))
  }
}
