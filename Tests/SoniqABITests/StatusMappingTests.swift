import CSoniq
import SoniqFormat
import SoniqGraph
import SoniqRuntime
import Testing

@testable import SoniqABI

@Suite struct StatusMappingTests {
  @Test(arguments: FormatError.Code.allCases)
  func everyFormatErrorBecomesAStatusWithItsPlace(code: FormatError.Code) {
    let failure = Failure(FormatError(code, offset: 4242, field: "nodes[3].inputs"))
    #expect(failure.status.code < 0)
    #expect(failure.field == "nodes[3].inputs" && failure.offset == (code.isOfBytes ? 4242 : nil))
    #expect(!failure.message.isEmpty && !failure.message.contains("\n"))
  }

  @Test(arguments: GraphError.Code.allCases)
  func everyGraphErrorBecomesAStatusWithItsNode(code: GraphError.Code) {
    let error = GraphError(code, node: 3, field: "epsilon")
    let failure = Failure(RuntimeError(.invalidGraph, node: 3, graphError: error)) { "node \($0)" }
    #expect(failure.status == Status(code) && failure.node == "node 3" && failure.field == "epsilon")
    #expect(!failure.message.isEmpty)
  }

  @Test(arguments: RuntimeError.Code.allCases)
  func everyRuntimeErrorBecomesAStatus(code: RuntimeError.Code) {
    let failure = Failure(RuntimeError(code, subject: "thing", actual: 5, expected: 7))
    #expect(failure.status.code < 0 && !failure.message.isEmpty && !failure.message.contains("\n"))
    switch RuntimeError(code, subject: "thing").place {
    case .tensor: #expect(failure.node == "thing" && failure.field == nil)
    case .option: #expect(failure.field == "thing" && failure.node == nil)
    case .environment: #expect(failure.field == "SONIQ_MAX_ISA" && failure.node == nil)
    case .sizes:
      // A dimension that was not planned is also some tensor's.
      let tensor = code == .dimensionNotPlanned ? "thing" : nil
      #expect(failure.field == "size_limits" && failure.node == tensor)
    case .nothing: #expect(failure.field == nil && failure.node == nil)
    }
  }

  @Test func statusesAreDistinct() {
    #expect(Set(Status.allCases.map { $0.code }).count == Status.allCases.count)
  }
}
