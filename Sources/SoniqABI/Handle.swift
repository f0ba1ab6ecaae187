import Synchronization

/// What a soniq_model, soniq_session or soniq_matrix points to.
///
/// `magic` lies at a fixed place, so that a pointer of the wrong kind is told apart before it is used.
class Handle {
  /// First stored property: behind the object header.
  private static let magicOffset = 16
  private let magic: UInt64

  /// The tag of a subclass.
  class var tag: UInt64 { 0 }
  /// The type's name in C.
  class var name: String { "handle" }

  init() { magic = Self.tag }

  /// Leaves a mark for later calls with the dead pointer.
  deinit {
    Unmanaged.passUnretained(self).toOpaque().storeBytes(
      of: 0xdead_dead_dead_dead, toByteOffset: Handle.magicOffset, as: UInt64.self)
  }

  /// The object's address, with a reference that `release` gives back.
  func retained() -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

  /// The object behind a pointer from C. Its caller keeps it alive.
  static func borrow(_ pointer: OpaquePointer?) throws(Failure) -> Self {
    guard let pointer else { throw .null(name) }
    guard UInt(bitPattern: pointer) % 16 == 0,
      UnsafeRawPointer(pointer).load(fromByteOffset: magicOffset, as: UInt64.self) == tag
    else {
      throw Failure(.invalidHandle, "this is no soniq_\(name), or it was destroyed", field: name)
    }
    return Unmanaged<Self>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
  }

  /// Gives the reference of a pointer from C back. Does nothing for NULL and for no handle of this type.
  static func release(_ pointer: OpaquePointer?) {
    guard let pointer, (try? borrow(pointer)) != nil else { return }
    Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).release()
  }
}

/// A handle that one thread may use at a time.
class ExclusiveHandle: Handle {
  /// Whether a thread is inside a function of this object.
  private let isBusy = Atomic<Bool>(false)

  /// Runs a body unless another thread is inside: a mistake of the host that would corrupt memory.
  @inline(__always)
  final func exclusively(_ body: () throws(Failure) -> Void) throws(Failure) {
    guard enter() else {
      let name = Self.name
      throw Failure(.state, "another thread is using this \(name); give each thread its own", field: name)
    }
    defer { leave() }
    try body()
  }

  /// - Returns: false when somebody is inside; else `leave` follows.
  @inline(__always)
  final func enter() -> Bool {
    isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  @inline(__always)
  final func leave() { isBusy.store(false, ordering: .releasing) }
}

/// Checks the place for a new handle and clears it: it stays NULL when the call fails.
func clear(_ out: UnsafeMutablePointer<OpaquePointer?>?, _ name: String) throws(Failure)
  -> UnsafeMutablePointer<OpaquePointer?>
{
  guard let out else { throw .null(name) }
  out.pointee = nil
  return out
}

/// Checks the place for a result and sets it to `value`: what it holds when the call fails.
func clear<T: BitwiseCopyable>(_ out: UnsafeMutablePointer<T>?, _ name: String, to value: T)
  throws(Failure) -> UnsafeMutablePointer<T>
{
  guard let out else { throw .null(name) }
  guard UInt(bitPattern: out) % UInt(MemoryLayout<T>.alignment) == 0 else {
    throw .argument(name, "is not aligned")
  }
  out.pointee = value
  return out
}
