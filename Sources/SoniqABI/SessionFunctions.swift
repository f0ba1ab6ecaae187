public import CSoniq
import SoniqGraph
import SoniqMemory
import SoniqRuntime

/// The options of a session from C; NULL is all defaults.
private func sessionOptions(_ options: UnsafePointer<soniq_session_options>?) throws(Failure)
  -> soniq_session_options
{
  try VersionedStruct.read(options, defaults: soniq_session_options(), "options") ?? soniq_session_options()
}

/// `soniq_session_workspace_size` of soniq.h.
@_cdecl("soniq_session_workspace_size") @implementation
public func soniq_session_workspace_size(
  _ model: OpaquePointer?, _ options: UnsafePointer<soniq_session_options>?,
  _ byteCount: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { () throws(Failure) in
    let byteCount = try clear(byteCount, "byte_count", to: 0)
    let model = try ModelHandle.borrow(model)
    var options = try sessionOptions(options)
    try model.reserveForSession()
    options.workspace = nil
    options.workspace_size = 0
    options.allocator = nil
    let converted = try SessionOptions(options)
    try converted.checkLimits(model.model.symbols)
    do throws(RuntimeError) {
      byteCount.pointee = try Session.workspaceSize(model.model, options: converted)
    } catch { throw Failure(error, nodeName: model.nodeName) }
  }
}

/// `soniq_session_create` of soniq.h.
@_cdecl("soniq_session_create") @implementation
public func soniq_session_create(
  _ session: UnsafeMutablePointer<OpaquePointer?>?, _ model: OpaquePointer?,
  _ options: UnsafePointer<soniq_session_options>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error, reserving: Reserve.base) { (host: HostFloatState) throws(Failure) in
    let session = try clear(session, "session")
    let model = try ModelHandle.borrow(model)
    let options = try sessionOptions(options)
    try model.reserveForSession()
    let log = Log(function: options.log, context: options.log_context, host: host)
    session.pointee = try SessionHandle(model, options: SessionOptions(options), log: log).retained()
  }
}

/// `soniq_session_destroy` of soniq.h.
@_cdecl("soniq_session_destroy") @implementation
public func soniq_session_destroy(_ session: OpaquePointer?) { SessionHandle.release(session) }

/// `soniq_session_set_input` of soniq.h.
@_cdecl("soniq_session_set_input") @implementation
public func soniq_session_set_input(
  _ session: OpaquePointer?, _ index: UInt32, _ elementType: UInt32, _ rank: UInt32,
  _ dimensions: UnsafePointer<Int64>?, _ data: UnsafeRawPointer?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      guard index < handle.model.model.inputs.count else {
        throw .index(index, of: "input", count: handle.model.model.inputs.count)
      }
      let type = try HostElementType(constant: elementType)
      guard rank <= UInt32(SONIQ_MAXIMUM_RANK) else {
        throw Failure(.shape, "rank is \(rank), \(SONIQ_MAXIMUM_RANK) at most", field: "rank")
      }
      guard let dimensions else { throw .null("dimensions") }
      guard UInt(bitPattern: dimensions) % 8 == 0 else { throw .argument("dimensions", "is not aligned") }
      guard let data else { throw .null("data") }
      guard UInt(bitPattern: data) % UInt(type.byteCount) == 0 else {
        throw .argument("data", "is not aligned to its elements of \(type.byteCount) bytes")
      }
      do throws(RuntimeError) {
        try handle.session.setInput(
          Int(index), data: data, elementType: type, shape: dimensions, rank: Int(rank), borrowing: true)
      } catch { throw Failure(error, nodeName: handle.model.nodeName) }
      handle.hasOutputs = false
    }
  }
}

/// `soniq_session_clear_inputs` of soniq.h.
@_cdecl("soniq_session_clear_inputs") @implementation
public func soniq_session_clear_inputs(
  _ session: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      handle.hasOutputs = false
      for index in handle.model.model.inputs.indices {
        do throws(RuntimeError) { try handle.session.clearInput(index) } catch { throw Failure(error) }
      }
    }
  }
}

/// `soniq_session_run` of soniq.h.
@_cdecl("soniq_session_run") @implementation
public func soniq_session_run(
  _ session: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { (host: HostFloatState) throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      handle.hasOutputs = false
      do throws(RuntimeError) {
        try handle.session.run(host)
      } catch { throw Failure(error, nodeName: handle.model.nodeName) }
      handle.hasOutputs = true
      handle.runCount &+= 1
    }
  }
}

/// `soniq_session_output` of soniq.h.
@_cdecl("soniq_session_output") @implementation
public func soniq_session_output(
  _ session: OpaquePointer?, _ index: UInt32, _ output: UnsafeMutablePointer<soniq_tensor>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let handle = try SessionHandle.borrow(session)
    try handle.exclusively { () throws(Failure) in
      let outputs = handle.model.model.outputs
      guard index < outputs.count else { throw .index(index, of: "output", count: outputs.count) }
      guard handle.hasOutputs else {
        throw Failure(
          .state, "there is no output: run the session after setting its inputs",
          node: outputs[Int(index)].name)
      }
      try VersionedStruct.write(try outputTensor(handle, Int(index)), to: output, "output")
    }
  }
}

private func outputTensor(_ handle: SessionHandle, _ index: Int) throws(Failure) -> soniq_tensor {
  var tensor = soniq_tensor()
  let type = handle.model.model.outputs[index].elementType
  let output: (data: UnsafeRawPointer, rank: Int)
  do throws(RuntimeError) {
    output = try withUnsafeMutableBytes(of: &tensor.dimensions) { (bytes) throws(RuntimeError) in
      let dimensions = bytes.bindMemory(to: Int64.self)
      return try handle.session.output(index, shape: dimensions.baseAddress, capacity: dimensions.count)
    }
  } catch { throw Failure(error, nodeName: handle.model.nodeName) }
  tensor.data = output.data
  tensor.rank = UInt32(clamping: output.rank)
  tensor.element_type = type.constant
  tensor.byte_count = withUnsafeBytes(of: tensor.dimensions) { bytes in
    bytes.bindMemory(to: Int64.self).prefix(Int(tensor.rank)).reduce(type.byteCount) { $0 &* Int($1) }
  }
  return tensor
}
