import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct EncoderTests {
  static let shapes = [(1, 1), (1, 7), (1, 24), (2, 16), (3, 24), (4, 5)]

  @Test(arguments: shapes)
  func floatGraphEqualsPlainArithmetic(batch: Int, sequence: Int) throws {
    let encoder = SyntheticEncoder(seed: 11, precision: .float)
    let session = try Session(Model(encoder.description))
    var generator = SeededGenerator(seed: UInt64(100 * batch + sequence))
    let tokens = TokenBatch(
      batch: batch, sequence: sequence, vocabulary: 50, masksTails: true, using: &generator)
    let outputs = try session.outputs(of: tokens)
    #expect(try session.output(0).shape == [batch, 48])
    #expect(try session.output(1).shape == [batch, sequence, 48])
    for entry in 0..<batch {
      let range = entry * sequence..<(entry + 1) * sequence
      let expected = encoder.reference(
        ids: tokens.ids[range].map { Int($0) }, mask: tokens.mask[range].map { $0 != 0 })
      for channel in 0..<48 {
        #expect(abs(Double(outputs[0][entry * 48 + channel]) - expected.sentence[channel]) < 2e-6)
        for position in 0..<sequence {
          let actual = outputs[1][((entry * sequence) + position) * 48 + channel]
          #expect(abs(Double(actual) - expected.hidden[position][channel]) < 5e-5)
        }
      }
    }
  }

  @Test(arguments: [false, true])
  func quantizedGraphStaysCloseToPlainArithmetic(shuffled: Bool) throws {
    let encoder = SyntheticEncoder(seed: 12, precision: .quantized, shuffled: shuffled) { number in
      number % 2 == 0 ? [.affine(8, 8)] : [.affine(4, 8), .affine(8, 8)]
    }
    let session = try Session(Model(encoder.description))
    var generator = SeededGenerator(seed: 5)
    let tokens = TokenBatch(batch: 2, sequence: 20, vocabulary: 50, masksTails: true, using: &generator)
    let outputs = try session.outputs(of: tokens)
    for entry in 0..<2 {
      let range = entry * 20..<(entry + 1) * 20
      let expected = encoder.reference(
        ids: tokens.ids[range].map { Int($0) }, mask: tokens.mask[range].map { $0 != 0 })
      #expect(cosine(Array(outputs[0][entry * 48..<(entry + 1) * 48]), expected.sentence) > 0.998)
    }
  }

  static let palettes: [[Level]] = [
    [.affine(8, 8)], [.affine(4, 8)], [.affine(4, 8), .affine(8, 8)], [.bipolar(1, 1), .bipolar(4, 4)],
    [.bipolar(2, 7)], [.affine(3, 5), .bipolar(6, 7)],
  ]

  /// The promise of the runtime: the same bits from every instruction set, on any number of threads.
  @Test(arguments: palettes)
  func sameBitsEverywhere(palette: [Level]) throws {
    let encoder = SyntheticEncoder(seed: 13, precision: .quantized, shuffled: true) { _ in palette }
    let model = try Model(encoder.description)
    for (batch, sequence) in [(1, 1), (1, 9), (4, 24)] {
      var generator = SeededGenerator(seed: UInt64(batch + sequence))
      let tokens = TokenBatch(
        batch: batch, sequence: sequence, vocabulary: 50, masksTails: true, using: &generator)
      var expected: [[Float]]?
      for set in InstructionSet.underTest() {
        for threads in 1...3 {
          var options = SessionOptions()
          options.maximumInstructionSet = set.name
          options.threadCount = threads
          let session = try Session(model, options: options)
          #expect(session.instructionSet == set.name)
          let outputs = try session.outputs(of: tokens)
          #expect(outputs.allSatisfy { $0.allSatisfy(\.isFinite) })
          let isEqual = expected == nil || outputs == expected
          #expect(isEqual, "\(set.name), \(threads) threads, \(batch) x \(sequence) tokens")
          expected = expected ?? outputs
        }
      }
    }
  }

  @Test func fusionChangesNoBit() throws {
    let encoder = SyntheticEncoder(seed: 14, precision: .quantized)
    var generator = SeededGenerator(seed: 6)
    let tokens = TokenBatch(batch: 2, sequence: 11, vocabulary: 50, masksTails: true, using: &generator)
    let model = try Model(encoder.description)
    let fused = try Session(model)
    var options = SessionOptions()
    options.keptValues = model.description.graph.nodes.map(\.output)
    let unfused = try Session(model, options: options)
    #expect(fused.kernelReport.count < unfused.kernelReport.count)
    #expect(fused.workspaceByteCount < unfused.workspaceByteCount)
    let outputs = try fused.outputs(of: tokens)
    #expect(try unfused.outputs(of: tokens) == outputs)
  }

  @Test func missingMaskMeansAllValid() throws {
    let encoder = SyntheticEncoder(seed: 15, precision: .quantized)
    let session = try Session(Model(encoder.description))
    var generator = SeededGenerator(seed: 7)
    var tokens = TokenBatch(batch: 3, sequence: 8, vocabulary: 50, masksTails: true, using: &generator)
    let masked = try session.outputs(of: tokens)
    let unmasked = try session.outputs(of: tokens, withMask: false)
    tokens.mask = [Int32](repeating: 1, count: 24)
    #expect(try session.outputs(of: tokens) == unmasked)
    #expect(masked != unmasked)
  }
}
