import Testing

@testable import SoniqText

/// Pieces by hand from the patterns; Tests/Text compares far more with the `tokenizers` package.
@Suite struct TextSplitterTests {
  private func pieces(_ text: String, _ split: TextSplit) -> [String] {
    let bytes = Array(text.utf8)
    var pieces: [String] = []
    TextSplitter(split: split, bytes: bytes).forEachPiece(0..<bytes.count) {
      pieces.append(String(decoding: bytes[$0], as: UTF8.self))
    }
    return pieces
  }

  @Test func wordsTakeTheSpaceBeforeThem() {
    #expect(pieces("It's 12345  ok...\n x", .gpt2) == ["It", "'s", " 12345", " ", " ok", "...", "\n", " x"])
    #expect(pieces("IT'S  ", .gpt2) == ["IT", "'", "S", "  "])
  }

  @Test func numbersHaveThreeDigitsAndLinesStayTogether() {
    #expect(pieces("IT'S 12345!\n\n  x", .llama3) == ["IT", "'S", " ", "123", "45", "!\n\n", " ", " x"])
    #expect(pieces("a \n \t b\tc", .llama3) == ["a", " \n", " \t", " b", "\tc"])
    #expect(pieces("12", .qwen2) == ["1", "2"])
  }

  @Test func digitsAreCutOutFirst() {
    #expect(pieces("a  12 b", .digitsThenGPT2) == ["a", "  ", "1", "2", " b"])
  }

  @Test func nothingIsCutWithoutASplit() { #expect(pieces("a b 1", .none) == ["a b 1"]) }

  @Test(arguments: TextSplit.allCases) func piecesCoverAnyBytes(split: TextSplit) {
    var state: UInt64 = 5
    for _ in 0..<500 {
      let bytes = (0..<40).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let value = UInt8(truncatingIfNeeded: state >> 33)
        return state >> 60 < 6 ? [0x20, 0x0a, 0x27, 0x31, 0xe2, 0x80][Int(state >> 60)] : value
      }
      // Of what stands between words, no piece is made.
      func isLeftOut(_ begin: Int, _ end: Int) -> Bool {
        guard split == .words || split == .signs else { return begin == end }
        var index = begin
        while index < end {
          let scalar = TextScalar(bytes, at: index, end: end)
          guard scalar.isSpace else { return false }
          index += scalar.length
        }
        return index == end
      }
      var end = 0
      TextSplitter(split: split, bytes: bytes).forEachPiece(0..<bytes.count) {
        #expect($0.upperBound > $0.lowerBound && isLeftOut(end, $0.lowerBound))
        end = $0.upperBound
      }
      #expect(isLeftOut(end, bytes.count))
    }
  }
}
