public import CSoniq
import SoniqMemory
import SoniqRuntime

/// `soniq_decoder_create` of soniq.h.
@_cdecl("soniq_decoder_create") @implementation
public func soniq_decoder_create(
  _ decoder: UnsafeMutablePointer<OpaquePointer?>?, _ model: OpaquePointer?,
  _ options: UnsafePointer<soniq_decoder_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let decoder = try clear(decoder, "decoder")
    let model = try ModelHandle.borrow(model)
    let read = try VersionedStruct.read(options, defaults: soniq_decoder_options(), "options")
    try model.reserveForSession()
    decoder.pointee = try DecoderHandle(model, read ?? soniq_decoder_options()).retained()
  }
}

/// `soniq_decoder_destroy` of soniq.h.
@_cdecl("soniq_decoder_destroy") @implementation
public func soniq_decoder_destroy(_ decoder: OpaquePointer?) { DecoderHandle.release(decoder) }

/// `soniq_decoder_run` of soniq.h.
@_cdecl("soniq_decoder_run") @implementation
public func soniq_decoder_run(
  _ decoder: OpaquePointer?, _ items: UnsafePointer<soniq_decoder_item>?, _ count: UInt32,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { (host: HostFloatState) throws(Failure) in
    let handle = try DecoderHandle.borrow(decoder)
    guard let items else { throw .null("items") }
    guard UInt(bitPattern: items) % 8 == 0 else { throw .argument("items", "is not aligned") }
    guard count > 0, count <= DecoderHandle.maximumItems else {
      throw .argument("count", "is \(count), outside 1...\(DecoderHandle.maximumItems)")
    }
    try handle.exclusively { () throws(Failure) in
      try handle.run(UnsafeBufferPointer(start: items, count: Int(count)), host)
    }
  }
}

/// `soniq_decoder_output` of soniq.h.
@_cdecl("soniq_decoder_output") @implementation
public func soniq_decoder_output(
  _ decoder: OpaquePointer?, _ item: UInt32, _ output: UnsafeMutablePointer<soniq_tensor>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try DecoderHandle.borrow(decoder)
    try handle.exclusively { () throws(Failure) in
      try VersionedStruct.write(try handle.output(item), to: output, "output")
    }
  }
}
