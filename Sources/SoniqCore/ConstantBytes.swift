/// Bytes that outlive the value that names them: a range of a mapped file or of an `AlignedBuffer`.
///
/// The holder of the graph keeps the owner alive (`ModelDescription.owner`). Never mutated through here.
package struct ConstantBytes: @unchecked Sendable {
  package let start: UnsafeRawPointer
  package let count: Int

  package init(start: UnsafeRawPointer, count: Int) {
    self.start = start
    self.count = count
  }
  package init(_ buffer: AlignedBuffer) {
    self.init(start: UnsafeRawPointer(buffer.start), count: buffer.count)
  }

  package func bound<T>(to type: T.Type) -> UnsafeBufferPointer<T> {
    UnsafeBufferPointer(
      start: start.assumingMemoryBound(to: type), count: count / MemoryLayout<T>.stride)
  }
  package var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
}
