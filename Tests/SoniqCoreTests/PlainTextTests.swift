import SoniqCore
import Testing

/// What stands for `\n`, ESC, a C1 control, a line separator and a mark of direction.
private let nasty = "a\nb\r\u{1b}[2J\u{85}\u{2028}\u{202e}z"
private let escaped = #"a\nb\r\u{1b}[2J\u{85}\u{2028}\u{202e}z"#

@Suite struct PlainTextTests {
  @Test(arguments: [
    ("", ""), ("plain \"text\"", "plain \"text\""), ("\u{e4}\u{4f60}\u{1f600}", "\u{e4}\u{4f60}\u{1f600}"),
    (nasty, escaped), ("\0\t\u{7f}", #"\u{0}\t\u{7f}"#),
    ("\u{61c}\u{2066}\u{feff}", #"\u{61c}\u{2066}\u{feff}"#),
    ("\r\n", #"\r\n"#), ("e\u{301}", "e\u{301}"),
  ])
  func hiddenCharactersAreEscaped(text: String, expected: String) {
    #expect(PlainText.escaped(text) == expected)
  }

  @Test(arguments: ["x", "\u{e4}", "\u{4f60}", "\u{1f600}", "\n"])
  func longTextLosesItsMiddle(character: String) {
    for extra in 0..<5 {
      let text =
        "begin" + String(repeating: ".", count: extra) + String(repeating: character, count: 5000) + "end"
      let short = PlainText.message(text)
      #expect(short.utf8.count <= PlainText.limit && short.utf8.count > PlainText.limit - 16)
      #expect(short.hasPrefix("begin") && short.hasSuffix("end") && short.contains(" [...] "))
      #expect(!short.unicodeScalars.contains("\u{fffd}"))
    }
  }
}
