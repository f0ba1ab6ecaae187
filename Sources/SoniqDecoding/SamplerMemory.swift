import SoniqMemory

/// One block of memory, cut into the arrays of a sampler.
final class SamplerMemory {
  private let arena: MemoryArena
  private let start: UnsafeMutableRawPointer
  private let byteCount: Int
  private var used = 0

  /// - Parameters:
  ///   - byteCount: of all arrays that will be taken, above 0.
  ///   - allocator: the host's; nil: an arena of its own.
  /// - Throws: `outOfMemory`, `misaligned`.
  init(byteCount: Int, allocator: AllocatorHooks?) throws(SamplerError) {
    do throws(MemoryError) {
      arena = try MemoryArena(hooks: allocator)
      start = try arena.allocate(byteCount: byteCount)
    } catch {
      switch error {
      case .misaligned(let alignment): throw .misaligned(alignment)
      case .outOfMemory(let byteCount), .invalidRequest(let byteCount, _): throw .outOfMemory(byteCount)
      }
    }
    self.byteCount = byteCount
  }

  /// The next `count` elements, undefined; those with the greatest alignment first.
  func take<Element: BitwiseCopyable>(_ count: Int, _: Element.Type) -> UnsafeMutablePointer<Element> {
    defer { used += count * MemoryLayout<Element>.stride }
    return (start + used).bindMemory(to: Element.self, capacity: count)
  }

  deinit { arena.free(start, byteCount: byteCount) }
}
