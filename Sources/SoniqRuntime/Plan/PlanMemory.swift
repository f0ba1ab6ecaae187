/// Plain values at fixed addresses, for code that may not touch arrays or reference counts.
final class PlanMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  func store<T: BitwiseCopyable>(_ value: T) -> UnsafeMutablePointer<T> { store([value]) }

  /// At least one element's room, so that an empty list has an address too.
  func store<T: BitwiseCopyable>(_ values: [T]) -> UnsafeMutablePointer<T> {
    let block = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, values.count) * MemoryLayout<T>.stride, alignment: 64)
    blocks.append(block)
    let start = block.bindMemory(to: T.self, capacity: max(1, values.count))
    for (index, value) in values.enumerated() { (start + index).initialize(to: value) }
    return start
  }

  /// Memory without content, aligned to 64.
  func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    let block = UnsafeMutableRawPointer.allocate(byteCount: max(64, byteCount), alignment: 64)
    blocks.append(block)
    return block
  }

  deinit { for block in blocks { block.deallocate() } }
}
