public import CSoniq
import SoniqGraph
import SoniqRuntime

/// Does something with the session's states while no other thread is inside.
private func withStates(
  _ session: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
  _ body: (SessionHandle) throws(RuntimeError) -> Void
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      do throws(RuntimeError) { try body(handle) } catch {
        throw Failure(error, nodeName: handle.model.nodeName)
      }
    }
  }
}

/// `soniq_session_state_count` of soniq.h.
@_cdecl("soniq_session_state_count") @implementation
public func soniq_session_state_count(
  _ session: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try SessionHandle.borrow(session).stateNames.count)
  }
}

/// `soniq_session_get_state_info` of soniq.h.
@_cdecl("soniq_session_get_state_info") @implementation
public func soniq_session_get_state_info(
  _ session: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<soniq_state_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      guard index < handle.stateNames.count else {
        throw .index(index, of: "state", count: handle.stateNames.count)
      }
      var values = soniq_state_info(handle.session.states.info(Int(index)))
      values.name = handle.stateNames[Int(index)]
      try VersionedStruct.write(values, to: info, "info")
    }
  }
}

extension soniq_state_info {
  fileprivate init(_ info: SessionStates.Info) {
    self.init()
    kind = UInt32(info.isGrowing ? SONIQ_STATE_GROWING : SONIQ_STATE_RECURRENT)
    element_type = info.elementType.constant
    rank = UInt32(clamping: info.shape.count)
    withUnsafeMutableBytes(of: &dimensions) { bytes in
      let dimensions = bytes.bindMemory(to: Int64.self)
      for (position, size) in info.shape.prefix(dimensions.count).enumerated() {
        dimensions[position] = Int64(size)
      }
    }
    length = UInt64(clamping: info.length)
    byte_count = UInt64(clamping: info.byteCount)
    element_bits = UInt32(clamping: info.bits)
  }
}

/// `soniq_session_reset` of soniq.h.
@_cdecl("soniq_session_reset") @implementation
public func soniq_session_reset(
  _ session: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  withStates(session, error) { handle in handle.session.states.reset() }
}

/// `soniq_session_truncate` of soniq.h.
@_cdecl("soniq_session_truncate") @implementation
public func soniq_session_truncate(
  _ session: OpaquePointer?, _ length: UInt64, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  withStates(session, error) { (handle) throws(RuntimeError) in
    try handle.session.states.truncate(to: Int(clamping: length))
  }
}

/// `soniq_session_read_states` of soniq.h.
@_cdecl("soniq_session_read_states") @implementation
public func soniq_session_read_states(
  _ session: OpaquePointer?, _ bytes: UnsafeMutableRawPointer?, _ capacity: Int,
  _ byteCount: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let byteCount = try clear(byteCount, "byte_count", to: 0)
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      byteCount.pointee = handle.session.states.copyByteCount
      guard bytes != nil || capacity != 0 else { return }
      guard let bytes else { throw .null("bytes") }
      // A size_t beyond Int is as good as the largest Int.
      let room = capacity < 0 ? Int.max : capacity
      let target = UnsafeMutableRawBufferPointer(start: bytes, count: min(room, byteCount.pointee))
      do throws(RuntimeError) { try handle.session.readStates(into: target) } catch { throw Failure(error) }
    }
  }
}

/// `soniq_session_write_states` of soniq.h.
@_cdecl("soniq_session_write_states") @implementation
public func soniq_session_write_states(
  _ session: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ byteCount: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    guard let bytes else { throw .null("bytes") }
    guard byteCount >= 0 else { throw .argument("byte_count", "is larger than memory") }
    try handle.exclusively { () throws(Failure) in
      do throws(RuntimeError) {
        try handle.session.writeStates(from: UnsafeRawBufferPointer(start: bytes, count: byteCount))
      } catch { throw Failure(error, nodeName: handle.model.nodeName) }
    }
  }
}
