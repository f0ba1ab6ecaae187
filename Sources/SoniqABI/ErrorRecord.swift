public import CSoniq
import CMemory
import CPlatform
import SoniqCore
import SoniqDecoding
import SoniqGraph
import SoniqMemory

/// `soniq_error **`
typealias ErrorPointer = UnsafeMutablePointer<OpaquePointer?>?

/// Runs the body of an entry point in the default floating-point state, whatever the host's is, and turns what it
/// throws into a status and an error object. The body gets the host's state for the host's callbacks.
@inline(__always)
func entry(_ error: ErrorPointer, _ body: (HostFloatState) throws(Failure) -> Void) -> soniq_status {
  let host = HostFloatState.enter()
  defer { host.leave() }
  do throws(Failure) {
    try body(host)
    error?.pointee = nil
    return soniq_status(SONIQ_OK)
  } catch let failure {
    error?.pointee = error == nil ? nil : makeError(failure)
    return failure.status.code
  }
}

/// The same for a body that calls no function of the host.
@inline(__always)
func entry(_ error: ErrorPointer, _ body: () throws(Failure) -> Void) -> soniq_status {
  entry(error) { (_: HostFloatState) throws(Failure) in try body() }
}

/// `entry` for bodies that make objects. Takes address space for those of them that may not fail to be allocated,
/// `byteCount` and what the body adds by `reserve`, before it begins: see reserve.h in CMemory.
@inline(__always)
func entry(
  _ error: ErrorPointer, reserving byteCount: Int, _ body: (HostFloatState) throws(Failure) -> Void
) -> soniq_status {
  guard let reserve = snq_reserve_begin(byteCount) else {
    error?.pointee = OpaquePointer(snq_out_of_memory_error())
    return Status.outOfMemory.code
  }
  defer { snq_reserve_end(reserve) }
  return entry(error, body)
}

/// The same for a body that calls no function of the host.
@inline(__always)
func entry(
  _ error: ErrorPointer, reserving byteCount: Int, _ body: () throws(Failure) -> Void
) -> soniq_status {
  entry(error, reserving: byteCount) { (_: HostFloatState) throws(Failure) in try body() }
}

/// More for the call that is under way, once it knows what it works on.
func reserve(_ byteCount: Int?) throws(Failure) {
  guard let byteCount, snq_reserve_grow(byteCount) else {
    throw Failure(.outOfMemory, "no memory for the objects of this call")
  }
}

/// What calls reserve in bytes. Address space: it becomes memory only where there is no other left.
enum Reserve {
  /// Enough for options, messages, the parts of small objects and what the Swift runtime keeps of its types.
  static let base = 1 << 20

  /// The schedule, the choice of kernels and what is reported of them.
  static func session(nodes: Int, values: Int, lanes: Int) -> Int? {
    checkedProduct(nodes, 32 << 10).flatMap { first in
      checkedProduct(values, 2 << 10).map { first + $0 + lanes * (1 << 10) }
    }
  }

  /// The list of biases, twice while it is converted.
  static func sampler(biases: Int) -> Int? { min(biases, Sampler.maximumVocabulary) * 32 }

  /// A copy of so many bytes; blocks round up.
  static func copy(byteCount: Int) -> Int? { checkedProduct(byteCount, 2).map { $0 + 4096 } }

  /// Floats in the order of the levels, codes, and both packed.
  static func matrix(outputs: Int, inputs: Int) -> Int? {
    checkedProduct(outputs + 2 * panelOutputs, inputs + 256).flatMap { checkedProduct($0, 16) }
  }
}

/// A record in one block of memory with its text behind it, or the constant one when there is no memory.
private func makeError(_ failure: Failure) -> OpaquePointer {
  let texts = [PlainText.message(failure.message), failure.node, failure.field].map {
    $0.map { Array($0.utf8) }
  }
  var byteCount = MemoryLayout<snq_error_record>.size
  for text in texts { byteCount += (text?.count ?? 0) + 1 }
  guard let memory = snq_allocate(byteCount) else {
    return OpaquePointer(snq_out_of_memory_error())
  }
  var next = memory + MemoryLayout<snq_error_record>.size
  let pointers = texts.map { text -> UnsafePointer<CChar>? in
    guard let text else { return nil }
    let start = next
    text.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { start.copyMemory(from: base, byteCount: bytes.count) }
    }
    start.storeBytes(of: 0, toByteOffset: text.count, as: UInt8.self)
    next += text.count + 1
    return UnsafePointer(start.assumingMemoryBound(to: CChar.self))
  }
  let record = memory.bindMemory(to: snq_error_record.self, capacity: 1)
  record.initialize(
    to: snq_error_record(
      magic: errorMagic, offset: Int64(failure.offset ?? -1), message: pointers[0], node: pointers[1],
      field: pointers[2], status: failure.status.code, is_constant: 0))
  return OpaquePointer(record)
}

/// "sqerror\1"
private let errorMagic: UInt64 = 0x0172_6f72_7265_7173

/// The record behind a pointer from C; nil for NULL and for what is recognisably something else.
private func record(_ error: OpaquePointer?) -> UnsafePointer<snq_error_record>? {
  guard let error, UInt(bitPattern: error) % 8 == 0 else { return nil }
  let record = UnsafePointer<snq_error_record>(error)
  return record.pointee.magic == errorMagic ? record : nil
}

/// `soniq_error_status` of soniq.h.
@_cdecl("soniq_error_status") @implementation
public func soniq_error_status(_ error: OpaquePointer?) -> soniq_status {
  record(error)?.pointee.status ?? soniq_status(SONIQ_OK)
}

/// `soniq_error_message` of soniq.h.
@_cdecl("soniq_error_message") @implementation
public func soniq_error_message(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  record(error)?.pointee.message ?? staticText("")
}

/// `soniq_error_node` of soniq.h.
@_cdecl("soniq_error_node") @implementation
public func soniq_error_node(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  record(error)?.pointee.node
}

/// `soniq_error_field` of soniq.h.
@_cdecl("soniq_error_field") @implementation
public func soniq_error_field(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  record(error)?.pointee.field
}

/// `soniq_error_offset` of soniq.h.
@_cdecl("soniq_error_offset") @implementation
public func soniq_error_offset(_ error: OpaquePointer?) -> Int64 {
  record(error)?.pointee.offset ?? -1
}

/// `soniq_error_destroy` of soniq.h.
@_cdecl("soniq_error_destroy") @implementation
public func soniq_error_destroy(_ error: OpaquePointer?) {
  guard let record = record(error), record.pointee.is_constant == 0 else { return }
  let memory = UnsafeMutableRawPointer(mutating: record)
  memory.storeBytes(of: 0, as: UInt64.self)
  snq_release(memory)
}
