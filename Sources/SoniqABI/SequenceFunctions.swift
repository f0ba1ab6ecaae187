public import CSoniq
import SoniqRuntime

/// `soniq_sequence_size` of soniq.h.
@_cdecl("soniq_sequence_size") @implementation
public func soniq_sequence_size(
  _ model: OpaquePointer?, _ options: UnsafePointer<soniq_sequence_options>?,
  _ byteCount: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let byteCount = try clear(byteCount, "byte_count", to: 0)
    let model = try ModelHandle.borrow(model)
    let options = try SequenceOptions(options)
    do throws(RuntimeError) {
      byteCount.pointee = try Sequence.byteCount(model.model, capacity: options.capacity)
    } catch { throw Failure(error, nodeName: model.nodeName) }
  }
}

/// `soniq_sequence_create` of soniq.h.
@_cdecl("soniq_sequence_create") @implementation
public func soniq_sequence_create(
  _ sequence: UnsafeMutablePointer<OpaquePointer?>?, _ model: OpaquePointer?,
  _ options: UnsafePointer<soniq_sequence_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let sequence = try clear(sequence, "sequence")
    let model = try ModelHandle.borrow(model)
    sequence.pointee = try SequenceHandle(model, SequenceOptions(options)).retained()
  }
}

/// `soniq_sequence_destroy` of soniq.h.
@_cdecl("soniq_sequence_destroy") @implementation
public func soniq_sequence_destroy(_ sequence: OpaquePointer?) { SequenceHandle.release(sequence) }

/// `soniq_sequence_length` of soniq.h.
@_cdecl("soniq_sequence_length") @implementation
public func soniq_sequence_length(
  _ sequence: OpaquePointer?, _ length: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let length = try clear(length, "length", to: 0)
    try SequenceHandle.borrow(sequence).run { length.pointee = UInt64($0.length) }
  }
}

/// `soniq_sequence_truncate` of soniq.h.
@_cdecl("soniq_sequence_truncate") @implementation
public func soniq_sequence_truncate(
  _ sequence: OpaquePointer?, _ length: UInt64, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    try SequenceHandle.borrow(sequence).run { (sequence) throws(RuntimeError) in
      try sequence.truncate(to: Int(clamping: length))
    }
  }
}

/// `soniq_sequence_copy` of soniq.h.
@_cdecl("soniq_sequence_copy") @implementation
public func soniq_sequence_copy(
  _ sequence: OpaquePointer?, _ source: OpaquePointer?, _ length: UInt64,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let target = try SequenceHandle.borrow(sequence)
    let source = try SequenceHandle.borrow(source)
    guard target !== source else { throw .argument("source", "is the sequence itself") }
    guard target.model === source.model else { throw .argument("source", "is a sequence of another model") }
    try source.exclusively { () throws(Failure) in
      try target.run { (target) throws(RuntimeError) in
        try target.copy(source.sequence, length: Int(clamping: length))
      }
    }
  }
}

/// `soniq_sequence_save` of soniq.h.
@_cdecl("soniq_sequence_save") @implementation
public func soniq_sequence_save(
  _ sequence: OpaquePointer?, _ bytes: UnsafeMutableRawPointer?, _ capacity: Int,
  _ byteCount: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let byteCount = try clear(byteCount, "byte_count", to: 0)
    let handle = try SequenceHandle.borrow(sequence)
    guard bytes != nil || capacity == 0 else { throw .null("bytes") }
    try handle.run { (sequence) throws(RuntimeError) in
      byteCount.pointee = sequence.copyByteCount
      guard let bytes else { return }
      // A size_t beyond Int is as good as the largest Int.
      let room = capacity < 0 ? Int.max : capacity
      try sequence.save(
        to: UnsafeMutableRawBufferPointer(start: bytes, count: min(room, byteCount.pointee)))
    }
  }
}

/// `soniq_sequence_load` of soniq.h.
@_cdecl("soniq_sequence_load") @implementation
public func soniq_sequence_load(
  _ sequence: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ byteCount: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let handle = try SequenceHandle.borrow(sequence)
    guard let bytes else { throw .null("bytes") }
    guard byteCount >= 0 else { throw .argument("byte_count", "is larger than memory") }
    try handle.run { (sequence) throws(RuntimeError) in
      try sequence.load(from: UnsafeRawBufferPointer(start: bytes, count: byteCount))
    }
  }
}
