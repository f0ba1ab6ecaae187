import SoniqMemory

/// Copies of inputs that the host does not lend. Each grows with what is copied to it, and is given back with the session.
final class InputCopies {
  private let arena: MemoryArena
  private var blocks: [UnsafeMutableRawBufferPointer]

  init(count: Int, _ arena: MemoryArena) {
    self.arena = arena
    blocks = Array(repeating: UnsafeMutableRawBufferPointer(start: nil, count: 0), count: count)
  }

  /// Copies four-byte elements of a shape.
  ///
  /// - Throws: `outOfMemory`; what was copied before then stays.
  func copy(
    _ index: Int, _ data: UnsafeRawPointer, shape: UnsafeBufferPointer<Int64>
  ) throws(RuntimeError) -> UnsafeMutableRawPointer {
    var byteCount = 4
    for size in shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: Int(size))
      guard !overflow else { throw RuntimeError(.outOfMemory, actual: Int.max) }
      byteCount = product
    }
    let block = try room(index, byteCount)
    block.copyMemory(from: data, byteCount: byteCount)
    return block
  }

  private func room(_ index: Int, _ byteCount: Int) throws(RuntimeError) -> UnsafeMutableRawPointer {
    if let start = blocks[index].baseAddress, blocks[index].count >= byteCount { return start }
    let size = max(1, byteCount)
    let start: UnsafeMutableRawPointer
    do throws(MemoryError) { start = try arena.allocate(byteCount: size) } catch { throw RuntimeError(error) }
    release(blocks[index])
    blocks[index] = UnsafeMutableRawBufferPointer(start: start, count: size)
    return start
  }

  private func release(_ block: UnsafeMutableRawBufferPointer) {
    if let start = block.baseAddress { arena.free(start, byteCount: block.count) }
  }

  deinit { for block in blocks { release(block) } }
}
