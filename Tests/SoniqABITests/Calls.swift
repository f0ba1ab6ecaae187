import CSoniq
import Testing

/// Calls a function of soniq.h with an error place.
///
/// - Returns: the status, and what the error object says before it is destroyed.
func call(
  _ body: (UnsafeMutablePointer<OpaquePointer?>) -> soniq_status
) -> (status: Int, message: String, field: String?) {
  var error: OpaquePointer?
  let status = body(&error)
  defer { soniq_error_destroy(error) }
  return (
    Int(status), soniq_error_message(error).map { String(cString: $0) } ?? "",
    soniq_error_field(error).map { String(cString: $0) }
  )
}

/// A matrix that is destroyed with its last reference.
final class Matrix {
  let pointer: OpaquePointer

  /// Packs [outputs][inputs] weights; the test fails when the library refuses.
  init(_ weights: [Float], outputs: Int, inputs: Int, _ options: soniq_matrix_options = .fresh) throws {
    var made: OpaquePointer?
    var options = options
    let result = call { soniq_matrix_pack(&made, weights, outputs, inputs, &options, $0) }
    #expect(result.status == SONIQ_OK, "\(result.message)")
    pointer = try #require(made)
  }
  deinit { soniq_matrix_destroy(pointer) }
}

extension soniq_matrix_options {
  /// What SONIQ_MATRIX_OPTIONS_INIT gives in C.
  static var fresh: soniq_matrix_options {
    var options = soniq_matrix_options()
    options.struct_size = UInt32(MemoryLayout<soniq_matrix_options>.size)
    options.abi_version = UInt32(SONIQ_ABI_VERSION)
    return options
  }
}
