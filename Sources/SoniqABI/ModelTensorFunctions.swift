public import CSoniq
import SoniqRuntime

/// `soniq_model_input_count` of soniq.h.
@_cdecl("soniq_model_input_count") @implementation
public func soniq_model_input_count(
  _ model: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try ModelHandle.borrow(model).inputs.count)
  }
}

/// `soniq_model_output_count` of soniq.h.
@_cdecl("soniq_model_output_count") @implementation
public func soniq_model_output_count(
  _ model: OpaquePointer?, _ count: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let count = try clear(count, "count", to: 0)
    count.pointee = UInt32(clamping: try ModelHandle.borrow(model).outputs.count)
  }
}

/// `soniq_model_input_info` of soniq.h.
@_cdecl("soniq_model_input_info") @implementation
public func soniq_model_input_info(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<soniq_tensor_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let inputs = try ModelHandle.borrow(model).inputs
    guard index < inputs.count else { throw .index(index, of: "input", count: inputs.count) }
    try VersionedStruct.write(inputs[Int(index)], to: info, "info")
  }
}

/// `soniq_model_output_info` of soniq.h.
@_cdecl("soniq_model_output_info") @implementation
public func soniq_model_output_info(
  _ model: OpaquePointer?, _ index: UInt32, _ info: UnsafeMutablePointer<soniq_tensor_info>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let outputs = try ModelHandle.borrow(model).outputs
    guard index < outputs.count else { throw .index(index, of: "output", count: outputs.count) }
    try VersionedStruct.write(outputs[Int(index)], to: info, "info")
  }
}

/// `soniq_model_input_index` of soniq.h.
@_cdecl("soniq_model_input_index") @implementation
public func soniq_model_input_index(
  _ model: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let index = try clear(index, "index", to: 0)
    let model = try ModelHandle.borrow(model).model
    let name = try TextIn.read(name, "name")
    guard let found = model.inputs.firstIndex(where: { $0.name == name }) else {
      throw Failure(.notFound, "there is no input \"\(name)\"", node: name, field: "name")
    }
    index.pointee = UInt32(clamping: found)
  }
}

/// `soniq_model_output_index` of soniq.h.
@_cdecl("soniq_model_output_index") @implementation
public func soniq_model_output_index(
  _ model: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<UInt32>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> soniq_status {
  entry(error) { () throws(Failure) in
    let index = try clear(index, "index", to: 0)
    let model = try ModelHandle.borrow(model).model
    let name = try TextIn.read(name, "name")
    guard let found = model.outputs.firstIndex(where: { $0.name == name }) else {
      throw Failure(.notFound, "there is no output \"\(name)\"", node: name, field: "name")
    }
    index.pointee = UInt32(clamping: found)
  }
}
