/// Owned, zeroed memory aligned to 64 bytes, of a size fixed at creation. Not for the run path.
package final class AlignedBuffer: @unchecked Sendable {
  package let start: UnsafeMutableRawPointer
  package let count: Int

  package init(byteCount: Int) {
    count = byteCount
    start = .allocate(byteCount: max(64, byteCount), alignment: 64)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: max(64, byteCount))
  }

  package convenience init<T: BitwiseCopyable>(copying elements: [T], paddedTo paddedCount: Int? = nil) {
    self.init(byteCount: (paddedCount ?? elements.count) * MemoryLayout<T>.stride)
    elements.withUnsafeBytes { source in
      if let base = source.baseAddress { start.copyMemory(from: base, byteCount: source.count) }
    }
  }

  deinit { start.deallocate() }

  package func bound<T>(to type: T.Type) -> UnsafeMutableBufferPointer<T> {
    UnsafeMutableBufferPointer(
      start: start.assumingMemoryBound(to: type), count: count / MemoryLayout<T>.stride)
  }
}
