import CPlatform
import CSoniq
import Testing

@testable import SoniqABI

@Suite struct ErrorRecordTests {
  private func make(_ failure: Failure) -> OpaquePointer? {
    var error: OpaquePointer?
    let status = entry(&error) { () throws(Failure) in throw failure }
    #expect(status == failure.status.code)
    return error
  }

  @Test func everyFieldArrives() throws {
    let error = try #require(
      make(Failure(.format, "schlecht: \u{e4}\u{f6}", node: "layer 3", field: "header.size", offset: 96)))
    defer { soniq_error_destroy(error) }
    #expect(Int(soniq_error_status(error)) == SONIQ_ERROR_FORMAT)
    #expect(String(cString: soniq_error_message(error)) == "schlecht: \u{e4}\u{f6}")
    #expect(String(cString: soniq_error_node(error)) == "layer 3")
    #expect(String(cString: soniq_error_field(error)) == "header.size")
    #expect(soniq_error_offset(error) == 96)
  }

  @Test func absentFieldsAreNull() throws {
    let error = try #require(make(Failure(.state, "")))
    defer { soniq_error_destroy(error) }
    #expect(soniq_error_node(error) == nil && soniq_error_field(error) == nil)
    #expect(soniq_error_offset(error) == -1 && soniq_error_message(error).pointee == 0)
  }

  @Test func theErrorWithoutMemoryIsNeverFreed() {
    let error = OpaquePointer(snq_out_of_memory_error())
    for _ in 0..<2 {
      soniq_error_destroy(error)
      #expect(Int(soniq_error_status(error)) == SONIQ_ERROR_OUT_OF_MEMORY)
      #expect(soniq_error_message(error).pointee != 0)
    }
  }

  @Test func successClearsThePlace() {
    var error = OpaquePointer(bitPattern: 64)
    #expect(entry(&error) { () throws(Failure) in } == 0)
    #expect(error == nil)
  }
}
