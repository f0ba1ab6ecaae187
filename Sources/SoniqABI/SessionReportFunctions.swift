public import CSoniq
import SoniqMemory
import SoniqRuntime

/// `soniq_session_kernel_count` of soniq.h.
@_cdecl("soniq_session_kernel_count") @implementation
public func soniq_session_kernel_count(
  _ session: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try SessionHandle.borrow(session).kernelReports.count)
  }
}

/// `soniq_session_kernel_get` of soniq.h.
@_cdecl("soniq_session_kernel_get") @implementation
public func soniq_session_kernel_get(
  _ session: OpaquePointer?, _ index: UInt32, _ report: UnsafeMutablePointer<soniq_kernel_report>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let reports = try SessionHandle.borrow(session).kernelReports
    guard index < reports.count else { throw .index(index, of: "kernel report", count: reports.count) }
    try VersionedStruct.write(reports[Int(index)], to: report, "report")
  }
}

/// `soniq_session_profile_count` of soniq.h.
@_cdecl("soniq_session_profile_count") @implementation
public func soniq_session_profile_count(
  _ session: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try SessionHandle.borrow(session).profileCount)
  }
}

/// `soniq_session_profile_get` of soniq.h.
@_cdecl("soniq_session_profile_get") @implementation
public func soniq_session_profile_get(
  _ session: OpaquePointer?, _ index: UInt32, _ entryOut: UnsafeMutablePointer<soniq_profile_entry>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      try VersionedStruct.write(try handle.profileEntry(index), to: entryOut, "entry")
    }
  }
}

/// `soniq_session_profile_reset` of soniq.h.
@_cdecl("soniq_session_profile_reset") @implementation
public func soniq_session_profile_reset(
  _ session: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in handle.session.resetProfile() }
  }
}

/// `soniq_session_get_statistics` of soniq.h.
@_cdecl("soniq_session_get_statistics") @implementation
public func soniq_session_get_statistics(
  _ session: OpaquePointer?, _ statistics: UnsafeMutablePointer<soniq_session_statistics>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      let session = handle.session
      var values = soniq_session_statistics()
      values.isa = instructionSetConstant(session.instructionSet)
      values.thread_count = UInt32(clamping: session.threadCount)
      values.workspace_bytes = UInt64(clamping: session.workspaceByteCount)
      let memory = session.memory
      values.heap_bytes = UInt64(clamping: memory.allocated)
      values.heap_resident_bytes = UInt64(clamping: memory.resident)
      values.allocation_count = UInt64(clamping: memory.allocationCount)
      values.run_count = handle.runCount
      values.state_bytes = UInt64(clamping: session.states.byteCount)
      try VersionedStruct.write(values, to: statistics, "statistics")
    }
  }
}
