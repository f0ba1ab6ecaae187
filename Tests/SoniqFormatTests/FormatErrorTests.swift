import SoniqGraph
import Testing

@testable import SoniqFormat

@Suite struct FormatErrorTests {
  @Test func everyCodeHasItsOwnWords() {
    let codes = FormatError.Code.allCases
    let messages = codes.map { FormatError($0, offset: 8, field: "header.x").message }
    #expect(Set(messages).count == codes.count)
    for (code, message) in zip(codes, messages) {
      #expect(message.hasPrefix(code.isOfBytes ? "byte 8: header.x: " : "header.x: "))
      #expect(!message.contains("\n"))
    }
  }

  @Test func numbersAreSaid() {
    let error = FormatError(
      .outOfRange, offset: 70, field: "values[2].rank", got: .integer(0), expected: .range(1...8))
    #expect(
      error.message == "byte 70: values[2].rank: the number is out of its range, got 0, expected 1 to 8")
    let text = FormatError(.duplicate, offset: 1, field: "a", got: .text("ids"), expected: .bits(255))
    #expect(text.message == "byte 1: a: the name is used twice, got 'ids', expected 0xff")
  }

  @Test func causesAreSaid() {
    let cause = GraphError(.usedBeforeDefinition, node: 3, field: "inputs", element: 1)
    let error = FormatError(.invalidModel, offset: 5, field: "nodes[3].inputs[1]", cause: cause)
    #expect(error.message == "byte 5: \(cause.message)")
  }

  @Test func theSystemIsQuoted() {
    let error = FormatError(.cannotRead, offset: 0, field: "m.soniq", systemError: 2)
    #expect(error.message == "m.soniq: the file cannot be read: No such file or directory")
  }
}
