import CSoniq

/// A failed call of libsoniq.
struct SoniqError: Error, CustomStringConvertible {
  let status: soniq_status
  let description: String

  /// Runs a call; its error object becomes a thrown error.
  static func check(_ call: (UnsafeMutablePointer<OpaquePointer?>) -> soniq_status) throws {
    var error: OpaquePointer?
    let status = call(&error)
    defer { soniq_error_destroy(error) }
    guard status == 0 else {
      throw SoniqError(status: status, description: String(cString: soniq_error_message(error)))
    }
  }
}

/// An open model: immutable, shared by sessions.
final class Model: @unchecked Sendable {
  let pointer: OpaquePointer

  init(path: String) throws {
    var options = soniq_model_options()
    options.struct_size = UInt32(MemoryLayout<soniq_model_options>.size)
    options.abi_version = UInt32(SONIQ_ABI_VERSION)
    var model: OpaquePointer?
    try SoniqError.check { soniq_model_open(&model, path, &options, $0) }
    guard let model else { throw SoniqError(status: 0, description: "no model") }
    pointer = model
  }
  deinit { soniq_model_destroy(pointer) }

  /// Index of the output with a name.
  func output(_ name: String) throws -> UInt32 {
    var index: UInt32 = 0
    try SoniqError.check { soniq_model_output_index(pointer, name, &index, $0) }
    return index
  }
}

/// Memory and plan to run a model with: for one task at a time.
final class Session {
  private let pointer: OpaquePointer

  init(_ model: Model) throws {
    var session: OpaquePointer?
    try SoniqError.check { soniq_session_create(&session, model.pointer, nil, $0) }
    guard let session else { throw SoniqError(status: 0, description: "no session") }
    pointer = session
  }
  deinit { soniq_session_destroy(pointer) }

  /// One row of token ids to one row of an output.
  func embed(_ tokens: [Int32], output: UInt32) throws -> [Float] {
    var tensor = soniq_tensor()
    tensor.struct_size = UInt32(MemoryLayout<soniq_tensor>.size)
    let shape = [1, Int64(tokens.count)]
    // The ids are borrowed until the run is over.
    try tokens.withUnsafeBytes { bytes in
      try SoniqError.check {
        soniq_session_set_input(pointer, 0, UInt32(SONIQ_INT32), 2, shape, bytes.baseAddress, $0)
      }
      try SoniqError.check { soniq_session_run(pointer, $0) }
    }
    try SoniqError.check { soniq_session_output(pointer, output, &tensor, $0) }
    let values = tensor.data.assumingMemoryBound(to: Float.self)
    return Array(UnsafeBufferPointer(start: values, count: Int(tensor.dimensions.1)))
  }
}
