public import CSoniq
import SoniqMemory
import SoniqRuntime

/// The options of a model from C; NULL is all defaults.
private func modelOptions(_ options: UnsafePointer<soniq_model_options>?) throws(Failure)
  -> soniq_model_options
{
  let options =
    try VersionedStruct.read(options, defaults: soniq_model_options(), "options") ?? soniq_model_options()
  guard options.flags & ~UInt32(SONIQ_MODEL_VERIFY | SONIQ_MODEL_COPY | SONIQ_MODEL_NO_COPIES) == 0 else {
    throw .argument("flags", "has bits that are no SONIQ_MODEL_* constant")
  }
  guard options.reserved == 0 else { throw .argument("reserved", "is not 0") }
  return options
}

/// `soniq_model_open` of soniq.h.
@_cdecl("soniq_model_open") @implementation
public func soniq_model_open(
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ path: UnsafePointer<CChar>?,
  _ options: UnsafePointer<soniq_model_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { (host: HostFloatState) throws(Failure) in
    let model = try clear(model, "model")
    let path = try TextIn.read(path, limit: TextIn.pathLimit, "path")
    let options = try modelOptions(options)
    model.pointee = try ModelHandle(source: .file(path: path), options: options, host).retained()
  }
}

/// `soniq_model_open_memory` of soniq.h.
@_cdecl("soniq_model_open_memory") @implementation
public func soniq_model_open_memory(
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ bytes: UnsafeRawPointer?, _ byteCount: Int,
  _ options: UnsafePointer<soniq_model_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { (host: HostFloatState) throws(Failure) in
    let model = try clear(model, "model")
    guard let bytes else { throw .null("bytes") }
    guard byteCount >= 0 else { throw .argument("byte_count", "is too large") }
    let options = try modelOptions(options)
    let buffer = UnsafeRawBufferPointer(start: bytes, count: byteCount)
    guard options.flags & UInt32(SONIQ_MODEL_COPY) != 0 || UInt(bitPattern: bytes) % 64 == 0 else {
      throw .argument("bytes", "is not aligned to 64 bytes: align it or set SONIQ_MODEL_COPY")
    }
    model.pointee = try ModelHandle(source: .memory(buffer), options: options, host).retained()
  }
}

/// `soniq_model_retain` of soniq.h.
@_cdecl("soniq_model_retain") @implementation
public func soniq_model_retain(
  _ model: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in _ = try ModelHandle.borrow(model).retained() }
}

/// `soniq_model_destroy` of soniq.h.
@_cdecl("soniq_model_destroy") @implementation
public func soniq_model_destroy(_ model: OpaquePointer?) { ModelHandle.release(model) }

/// `soniq_model_verify` of soniq.h.
@_cdecl("soniq_model_verify") @implementation
public func soniq_model_verify(
  _ model: OpaquePointer?, _ progress: soniq_progress_function?, _ progressContext: UnsafeMutableRawPointer?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { (host: HostFloatState) throws(Failure) in
    let model = try ModelHandle.borrow(model)
    try model.verify(Progress(function: progress, context: progressContext, host: host))
  }
}

/// `soniq_model_get_statistics` of soniq.h.
@_cdecl("soniq_model_get_statistics") @implementation
public func soniq_model_get_statistics(
  _ model: OpaquePointer?, _ statistics: UnsafeMutablePointer<soniq_model_statistics>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let values = try ModelHandle.borrow(model).statistics
    try VersionedStruct.write(values, to: statistics, "statistics")
  }
}
