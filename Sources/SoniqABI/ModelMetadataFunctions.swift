public import CSoniq

/// `soniq_model_metadata_count` of soniq.h.
@_cdecl("soniq_model_metadata_count") @implementation
public func soniq_model_metadata_count(
  _ model: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try ModelHandle.borrow(model).metadata.count)
  }
}

/// `soniq_model_metadata_get` of soniq.h.
@_cdecl("soniq_model_metadata_get") @implementation
public func soniq_model_metadata_get(
  _ model: OpaquePointer?, _ index: UInt32, _ entryOut: UnsafeMutablePointer<soniq_metadata>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let metadata = try ModelHandle.borrow(model).metadata
    guard index < metadata.count else { throw .index(index, of: "metadata entry", count: metadata.count) }
    try VersionedStruct.write(metadata[Int(index)], to: entryOut, "entry")
  }
}

/// `soniq_model_metadata_find` of soniq.h.
@_cdecl("soniq_model_metadata_find") @implementation
public func soniq_model_metadata_find(
  _ model: OpaquePointer?, _ key: UnsafePointer<CChar>?, _ entryOut: UnsafeMutablePointer<soniq_metadata>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let model = try ModelHandle.borrow(model)
    let key = try TextIn.read(key, "key")
    guard let index = model.metadataKeys.firstIndex(of: key) else {
      throw Failure(.notFound, "there is no metadata with the key \"\(key)\"", node: key, field: "key")
    }
    try VersionedStruct.write(model.metadata[index], to: entryOut, "entry")
  }
}
