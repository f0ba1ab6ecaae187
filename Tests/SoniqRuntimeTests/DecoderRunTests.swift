import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Tokens of several texts in one run.
@Suite struct DecoderRunTests {
  private static let texts: [[Int32]] = [
    [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9], [2], [7, 1, 8, 2, 8, 1, 8], [1, 4, 1, 4, 2, 1, 3, 5, 6],
    [10, 0, 10, 0],
  ]

  private struct Setting {
    var lanes = 1
    var tokens = 0
    var instructions: String?
  }

  private static func decoder(_ model: Model, _ setting: Setting = Setting()) throws -> Decoder {
    var options = DecoderOptions()
    options.session.threadCount = setting.lanes
    options.session.maximumInstructionSet = setting.instructions
    options.maximumTokens = setting.tokens
    options.maximumOutputs = 64
    return try Decoder(model, options: options)
  }

  /// Some tokens of a text, by its number, and the logits that are wanted.
  private typealias Piece = (text: Int, tokens: Range<Int>, rows: Decoder.Rows)

  /// The bits of the logits of pieces, [rows x vocabulary] each, and how often the run went on.
  private static func run(
    _ decoder: Decoder, _ sequences: [SoniqRuntime.Sequence], _ pieces: [Piece]
  ) throws -> (bits: [[UInt32]], parts: Int) {
    var (bits, parts, row) = ([[UInt32]](), 0, 0)
    // The part of a run reads them until its end.
    let tokens = pieces.map { AlignedBuffer(copying: Array(texts[$0.text][$0.tokens])) }
    try withExtendedLifetime(tokens) {
      decoder.begin()
      for (piece, buffer) in zip(pieces, tokens) {
        let numbers = UnsafeBufferPointer(buffer.bound(to: Int32.self))
        try decoder.check(numbers, behind: sequences[piece.text])
        let item = Decoder.Item(tokens: numbers, sequence: sequences[piece.text], rows: piece.rows)
        let goesOn = try decoder.append(item, nil) { _ in
          parts += 1
          return true
        }
        #expect(goesOn)
      }
      let goesOn = try decoder.finish(nil) { done in
        parts += 1
        return done == pieces.reduce(0) { $0 + $1.tokens.count }
      }
      #expect(goesOn)
    }
    for piece in pieces {
      let rows = piece.rows == .all ? piece.tokens.count : piece.rows == .last ? 1 : 0
      let count = rows * decoder.form.vocabulary
      bits.append(UnsafeBufferPointer(start: decoder.logits(row), count: count).map(\.bitPattern))
      row += rows
    }
    return (bits, parts)
  }

  private static func sequences(_ model: Model) throws -> [SoniqRuntime.Sequence] {
    try texts.map { _ in try SoniqRuntime.Sequence(model, capacity: 0, allocator: nil) }
  }

  /// Of every token of a text that is alone.
  private static func whole(_ decoder: SyntheticDecoder, text: Int) throws -> [UInt32] {
    let model = try decoder.model()
    let piece = (text, 0..<texts[text].count, Decoder.Rows.all)
    return try run(Self.decoder(model), sequences(model), [piece]).bits[0]
  }

  /// Runs all texts to their ends, in every run some tokens of each, of which all, the last or no logits are wanted.
  private static func check(
    _ decoder: SyntheticDecoder, _ expected: [[UInt32]], _ setting: Setting,
    _ generator: inout SeededGenerator
  ) throws {
    let model = try decoder.model()
    let (runner, sequences) = (try Self.decoder(model, setting), try sequences(model))
    while true {
      let left = texts.indices.filter { sequences[$0].length < texts[$0].count }
      let pieces = left.shuffled(using: &generator).map { text -> Piece in
        let first = sequences[text].length
        let count = Int.random(in: 1...min(5, texts[text].count - first), using: &generator)
        return (text, first..<first + count, [.all, .last, .none].randomElement(using: &generator) ?? .all)
      }
      guard !pieces.isEmpty else { return }
      for (piece, bits) in zip(pieces, try run(runner, sequences, pieces).bits) {
        let rows = piece.rows == .last ? piece.tokens.upperBound - 1..<piece.tokens.upperBound : piece.tokens
        let (first, end) = (
          rows.lowerBound * runner.form.vocabulary, rows.upperBound * runner.form.vocabulary
        )
        #expect(
          piece.rows == .none ? bits.isEmpty : bits == Array(expected[piece.text][first..<end]),
          "\(setting): \(piece)")
        #expect(sequences[piece.text].length == piece.tokens.upperBound)
      }
    }
  }

  @Test(arguments: [false, true], CacheNumbers.allCases)
  func textsAreAsIfAlone(isQuantized: Bool, cache: CacheNumbers) throws {
    var generator = SeededGenerator(seed: 9500)
    let decoder = SyntheticDecoder(seed: 9501, isQuantized: isQuantized, states: cache, choosesRows: true)
    let expected = try Self.texts.indices.map { try Self.whole(decoder, text: $0) }
    for tokens in [0, 1, 4, 7] {
      for lanes in 1...3 {
        try Self.check(decoder, expected, Setting(lanes: lanes, tokens: tokens), &generator)
      }
      let portable = Setting(tokens: tokens, instructions: "portable")
      try Self.check(decoder, expected, portable, &generator)
    }
  }

  @Test func textsGoThroughTheModelTogether() throws {
    let model = try SyntheticDecoder(seed: 9502, choosesRows: true).model()
    let (decoder, sequences) = (try Self.decoder(model), try Self.sequences(model))
    #expect(decoder.form.joinsTexts)
    let whole = Self.texts.indices.map { Piece($0, 0..<Self.texts[$0].count, .last) }
    // 34 tokens, of which 32 go at once.
    #expect(try Self.run(decoder, sequences, whole).parts == 2)
    for sequence in sequences { try sequence.truncate(to: sequence.length - 1) }
    let last = Self.texts.indices.map { Piece($0, Self.texts[$0].count - 1..<Self.texts[$0].count, .last) }
    #expect(try Self.run(decoder, sequences, last).parts == 1)
  }

  /// Where rows meet outside attention, a text must not see the others.
  @Test func otherModelsRunOneAfterTheOther() throws {
    let decoder = SyntheticDecoder(seed: 9503, choosesRows: true, sumsRows: true)
    let model = try decoder.model()
    #expect(try !DecoderForm(model).joinsTexts)
    let pieces = Self.texts.indices.map { Piece($0, 0..<Self.texts[$0].count, .all) }
    let (bits, parts) = try Self.run(Self.decoder(model), Self.sequences(model), pieces)
    #expect(parts >= Self.texts.count)
    for text in Self.texts.indices { #expect(try bits[text] == Self.whole(decoder, text: text)) }
  }
}
