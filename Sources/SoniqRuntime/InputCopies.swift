import SoniqGraph
import SoniqMemory

/// Copies of inputs that the host does not lend. Each grows with what is copied to it, and is given back with the session.
final class InputCopies {
  private let arena: MemoryArena
  private var blocks: [UnsafeMutableRawBufferPointer]

  init(count: Int, _ arena: MemoryArena) {
    self.arena = arena
    blocks = Array(repeating: UnsafeMutableRawBufferPointer(start: nil, count: 0), count: count)
  }

  /// Copies elements of a shape, as elements of `target`, which accepts theirs.
  ///
  /// - Throws: `outOfMemory`, `numberOutOfRange`; what was copied before then stays.
  func copy(
    _ index: Int, _ data: UnsafeRawPointer, _ type: HostElementType, as target: ElementType,
    shape: UnsafeBufferPointer<Int64>
  ) throws(RuntimeError) -> UnsafeMutableRawPointer {
    // Eight bytes an element, which the host's may have.
    var byteCount = 8
    for size in shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: Int(size))
      guard !overflow else { throw RuntimeError(.outOfMemory, actual: Int.max) }
      byteCount = product
    }
    let elements = HostElements(data: data, type: type, count: byteCount / 8)
    if let misfit = elements.misfit {
      throw RuntimeError(.numberOutOfRange, position: misfit.position, actual: Int(misfit.value))
    }
    let block = try room(index, elements.count * target.byteCount)
    elements.write(as: target, to: block)
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
