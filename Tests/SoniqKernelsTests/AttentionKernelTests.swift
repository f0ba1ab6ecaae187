import CKernelABI
import Glibc
import SoniqKernels
import SoniqTestSupport
import Testing

/// Fused query, key and value rows of a small encoder.
struct AttentionCase {
  var batch = 2
  var sequence: Int
  var heads = 2
  var headDim: Int
  var values: [Float]
  var mask: [Int32]?
  var isCausal = false

  static let gap = 3
  var width: Int { heads * headDim }
  var stride: Int { 3 * width + Self.gap }

  init(
    _ sequence: Int, _ headDim: Int, _ content: RowKernels.Content, masked: Bool, causal: Bool = false,
    _ generator: inout SeededGenerator
  ) {
    self.sequence = sequence
    isCausal = causal
    self.headDim = headDim
    values = content.values(batch * sequence * (3 * heads * headDim + Self.gap) - Self.gap, &generator)
    // The second batch entry has no valid key.
    guard masked else { return }
    let limit = sequence
    mask = (0..<batch * limit).map { $0 < limit ? Int32.random(in: -1...1, using: &generator) : 0 }
  }

  /// Each unit on its own, in reverse order, with scratch that holds rubbish.
  func run(_ function: snq_attention_function, scratchBytes: Int) -> [Float] {
    let input = GuardedBuffer(values)
    let output = GuardedBuffer([Float](repeating: 9, count: batch * sequence * width))
    let valid = GuardedBuffer(mask ?? [])
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: scratchBytes + 64, alignment: 64)
    defer { scratch.deallocate() }
    scratch.initializeMemory(as: UInt8.self, repeating: 0xff, count: scratchBytes + 64)
    var args = snq_attention_args(
      query: input.start, key: input.start + width, value: input.start + 2 * width, queryStride: stride,
      keyStride: stride, valueStride: stride, mask: mask == nil ? nil : UnsafePointer(valid.start),
      batch: UInt32(batch), sequence: UInt32(sequence), heads: UInt32(heads), headDim: UInt32(headDim),
      scale: 1 / Float(headDim).squareRoot(), isCausal: isCausal ? 1 : 0, output: output.start,
      outputStride: width,
      scratch: scratch.assumingMemoryBound(to: UInt8.self))
    for unit in (0..<UInt32(batch * heads)).reversed() { function(&args, unit, unit + 1) }
    let tail = (scratch + scratchBytes).assumingMemoryBound(to: UInt8.self)
    #expect((0..<64).allSatisfy { tail[$0] == 0xff }, "wrote past the scratch")
    #expect(input.isIntact && output.isIntact && valid.isIntact)
    return output.elements
  }

  /// softmax(q k^T scale) v in double precision.
  func truth(batch entry: Int, head: Int, position: Int) -> [Double] {
    func row(_ position: Int, _ part: Int) -> [Double] {
      let first = (entry * sequence + position) * stride + part * width + head * headDim
      return values[first..<first + headDim].map { Double($0) }
    }
    let keys = (0...(isCausal ? position : sequence - 1)).filter { key in
      mask.map { $0[entry * sequence + key] != 0 } ?? true
    }
    return softmaxMean(row(position, 0), keys.map { (row($0, 1), row($0, 2)) })
  }

  private func softmaxMean(_ query: [Double], _ keys: [(key: [Double], value: [Double])]) -> [Double] {
    guard !keys.isEmpty else { return [Double](repeating: 0, count: headDim) }
    let scores = keys.map { zip(query, $0.key).reduce(0) { $0 + $1.0 * $1.1 } / Double(headDim).squareRoot() }
    let greatest = scores.max() ?? 0
    let weights = scores.map { exp($0 - greatest) }
    let total = weights.reduce(0, +)
    return (0..<headDim).map { channel in
      zip(weights, keys).reduce(0) { $0 + $1.0 * $1.1.value[channel] } / total
    }
  }
}

@Suite struct AttentionKernelTests {
  enum Mode: CaseIterable {
    case integer, float

    var family: KernelFamily<snq_attention_function> {
      self == .integer ? RowKernelRegistry.integerAttention : RowKernelRegistry.floatAttention
    }
    func scratchBytes(_ sequence: Int, _ headDim: Int) -> Int {
      self == .integer
        ? snq_attention_integer_scratch(UInt32(sequence), UInt32(headDim))
        : snq_attention_float_scratch(UInt32(sequence), UInt32(headDim))
    }
  }
  /// (masked, causal)
  static let modes = [(false, false), (true, false), (false, true), (true, true)]
  static let sizes = [
    (1, 4), (2, 8), (3, 12), (15, 16), (16, 20), (17, 32), (33, 32), (40, 64), (7, 100), (5, 256),
  ]

  @Test(arguments: RowKernels.faster, Mode.allCases)
  func equalsPortable(instructionSet: InstructionSet, mode: Mode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 71)
    for (sequence, headDim) in Self.sizes {
      let bytes = mode.scratchBytes(sequence, headDim)
      for content in RowKernels.Content.allCases {
        for (masked, causal) in Self.modes {
          let attention = AttentionCase(
            sequence, headDim, content, masked: masked, causal: causal, &generator)
          let expected = attention.run(mode.family.reference.function, scratchBytes: bytes).map(
            \.comparableBits)
          let actual = attention.run(kernel.function, scratchBytes: bytes).map(\.comparableBits)
          let label = "S \(sequence) d \(headDim) \(content) masked \(masked) causal \(causal)"
          #expect(actual == expected, "\(label)")
        }
      }
    }
  }

  @Test(arguments: RowKernels.faster, Mode.allCases)
  func equalsPortableOnLongSequences(instructionSet: InstructionSet, mode: Mode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 72)
    for (sequence, (masked, causal)) in zip([255, 300, 290, 260], Self.modes) {
      let bytes = mode.scratchBytes(sequence, 32)
      let attention = AttentionCase(sequence, 32, .ordinary, masked: masked, causal: causal, &generator)
      let expected = attention.run(mode.family.reference.function, scratchBytes: bytes).map(\.comparableBits)
      #expect(attention.run(kernel.function, scratchBytes: bytes).map(\.comparableBits) == expected)
    }
  }

  /// Against softmax in double precision. Values lie in -3...3: 1e-5 for float; for integers 0.2 at worst
  /// (sharp softmax over few keys, where an error of a score moves a whole value) and 0.02 on average.
  @Test(arguments: Mode.allCases)
  func isAccurate(mode: Mode) {
    var generator = SeededGenerator(seed: 73)
    for (sequence, headDim) in Self.sizes {
      for (masked, causal) in Self.modes {
        let attention = AttentionCase(
          sequence, headDim, .ordinary, masked: masked, causal: causal, &generator)
        let output = attention.run(
          mode.family.reference.function, scratchBytes: mode.scratchBytes(sequence, headDim))
        var errors: [Double] = []
        for row in 0..<attention.batch * sequence {
          for head in 0..<attention.heads {
            let truth = attention.truth(batch: row / sequence, head: head, position: row % sequence)
            let first = row * attention.width + head * headDim
            errors += truth.indices.map { abs(Double(output[first + $0]) - truth[$0]) }
          }
        }
        let worst = errors.max() ?? .infinity
        let mean = errors.reduce(0, +) / Double(errors.count)
        let label = "\(mode) S \(sequence) d \(headDim) worst \(worst) mean \(mean) seed \(generator.seed)"
        #expect(worst <= (mode == .float ? 1e-5 : 0.2), "\(label)")
        #expect(mean <= (mode == .float ? 1e-6 : 0.02), "\(label)")
      }
    }
  }

  /// Integer attention never gives NaN or infinity for finite or missing numbers of ordinary size.
  @Test(arguments: [RowKernels.Content.ordinary, .tiny, .notFinite, .onlyNaN, .zeros])
  func integerAttentionStaysFinite(content: RowKernels.Content) {
    var generator = SeededGenerator(seed: 74)
    let attention = AttentionCase(33, 32, content, masked: true, &generator)
    let output = attention.run(
      RowKernelRegistry.integerAttention.reference.function, scratchBytes: Mode.integer.scratchBytes(33, 32))
    #expect(output.allSatisfy { $0.isFinite })
  }

  /// A key whose values are all zero keeps its share of the softmax and costs the others no accuracy.
  @Test func zeroValuesKeepTheirWeight() {
    var generator = SeededGenerator(seed: 75)
    var attention = AttentionCase(16, 32, .ordinary, masked: false, &generator)
    for head in 0..<2 {
      for channel in 0..<32 {
        attention.values[4 * attention.stride + 2 * attention.width + 32 * head + channel] = 0
      }
    }
    let output = attention.run(
      RowKernelRegistry.integerAttention.reference.function, scratchBytes: Mode.integer.scratchBytes(16, 32))
    for position in 0..<16 {
      for (channel, truth) in attention.truth(batch: 0, head: 1, position: position).enumerated() {
        #expect(abs(Double(output[position * attention.width + 32 + channel]) - truth) < 0.06)
      }
    }
  }

  /// What comes after a position does not change one bit of it: the output is that of the shorter sequence.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster, Mode.allCases)
  func laterPositionsAreNotSeen(instructionSet: InstructionSet, mode: Mode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 76)
    var whole = AttentionCase(70, 32, .ordinary, masked: false, causal: true, &generator)
    whole.batch = 1
    let output = whole.run(kernel.function, scratchBytes: mode.scratchBytes(70, 32))
    for length in [1, 2, 3, 4, 5, 16, 31, 32, 33, 64, 69] {
      var part = whole
      part.sequence = length
      part.isCausal = false
      let alone = part.run(kernel.function, scratchBytes: mode.scratchBytes(length, 32))
      let (from, to) = ((length - 1) * whole.width, length * whole.width)
      #expect(output[from..<to].map(\.bitPattern) == alone[from..<to].map(\.bitPattern), "position \(length)")
    }
  }

  /// Positions before the first valid key have nothing to look at.
  @Test(arguments: Mode.allCases)
  func blindPositionsAreZero(mode: Mode) {
    var generator = SeededGenerator(seed: 77)
    for blind in [1, 2, 3, 4, 6, 8] {
      var attention = AttentionCase(9, 8, .ordinary, masked: false, causal: true, &generator)
      attention.mask = (0..<18).map { $0 % 9 < blind ? 0 : 1 }
      let output = attention.run(mode.family.reference.function, scratchBytes: mode.scratchBytes(9, 8))
      for position in 0..<9 {
        let row = output[position * attention.width..<(position + 1) * attention.width]
        #expect(row.allSatisfy { $0 == 0 } == (position < blind), "position \(position) of \(blind)")
      }
    }
  }

  @Test func scratchSizesRefuseWhatDoesNotFit() {
    for (sequence, headDim) in [(0, 32), (65537, 32), (16, 0), (16, 30), (16, 260)] {
      #expect(Mode.integer.scratchBytes(sequence, headDim) == 0)
      #expect(Mode.float.scratchBytes(sequence, headDim) == 0)
    }
    #expect(Mode.integer.scratchBytes(65536, 256) > 65536 * 512)
  }
}
