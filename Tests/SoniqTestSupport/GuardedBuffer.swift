import Glibc

/// Memory that ends at a page nobody may touch and begins after bytes that are checked.
///
/// One element past the end is a segmentation fault; a write before the start is seen by `isIntact`.
package final class GuardedBuffer<Element: BitwiseCopyable> {
  package let start: UnsafeMutablePointer<Element>
  package let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let mappedBytes: Int
  private let slackBytes: Int
  private static var slackByte: UInt8 { 0xa5 }

  package init(_ elements: [Element]) {
    let pageBytes = 4096
    let byteCount = elements.count * MemoryLayout<Element>.stride
    let usable = (byteCount + pageBytes - 1) / pageBytes * pageBytes + pageBytes
    mappedBytes = usable + pageBytes
    guard
      let mapping = mmap(nil, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      mapping != MAP_FAILED, mprotect(mapping + usable, pageBytes, PROT_NONE) == 0
    else { preconditionFailure("mmap of a guarded test buffer failed") }
    self.mapping = mapping
    slackBytes = usable - byteCount
    count = elements.count
    memset(mapping, Int32(Self.slackByte), slackBytes)
    start = (mapping + slackBytes).assumingMemoryBound(to: Element.self)
    start.initialize(from: elements, count: elements.count)
  }

  deinit { munmap(mapping, mappedBytes) }

  /// Whether the bytes before the start are as they were.
  package var isIntact: Bool {
    // Equal to itself one byte on: all bytes are the first one.
    slackBytes == 0
      || mapping.load(as: UInt8.self) == Self.slackByte && memcmp(mapping, mapping + 1, slackBytes - 1) == 0
  }

  package var elements: [Element] { Array(UnsafeBufferPointer(start: start, count: count)) }
}
