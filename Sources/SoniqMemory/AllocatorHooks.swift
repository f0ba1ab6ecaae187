/// The host's allocator, used instead of the library's own arenas.
///
/// The functions may be called from any thread that makes, uses or destroys the object that holds them,
/// never from `run`. `context` must outlive that object.
package struct AllocatorHooks: @unchecked Sendable {
  /// (context, byte count > 0, alignment: a power of two) -> memory of that alignment, or nil.
  package typealias Allocate =
    @convention(c) (UnsafeMutableRawPointer?, Int, Int) -> UnsafeMutableRawPointer?
  /// (context, pointer from `Allocate`, the byte count it was asked for).
  package typealias Free = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int) -> Void

  package let context: UnsafeMutableRawPointer?
  package let allocate: Allocate
  package let free: Free

  package init(context: UnsafeMutableRawPointer?, allocate: @escaping Allocate, free: @escaping Free) {
    self.context = context
    self.allocate = allocate
    self.free = free
  }
}
