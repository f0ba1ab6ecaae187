import SoniqMemory

/// The memory of a session: its own arena's, or the host's.
final class Workspace: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  private let arena: MemoryArena?

  /// - Throws: `outOfMemory`, `workspaceTooSmall`, `workspaceMisaligned`.
  init(byteCount: Int, options: SessionOptions) throws(RuntimeError) {
    self.byteCount = byteCount
    if let given = options.workspace {
      guard let start = given.baseAddress, given.count >= byteCount else {
        throw RuntimeError(.workspaceTooSmall, actual: given.count, expected: byteCount)
      }
      guard UInt(bitPattern: start) & 63 == 0 else { throw RuntimeError(.workspaceMisaligned) }
      self.start = start
      arena = nil
    } else {
      do throws(MemoryError) {
        let arena = try MemoryArena(hooks: options.allocator)
        start = try arena.allocate(byteCount: byteCount)
        self.arena = arena
      } catch {
        throw RuntimeError(.outOfMemory, actual: byteCount)
      }
    }
  }

  var statistics: MemoryStatistics? { arena?.statistics }

  deinit { arena?.free(start, byteCount: byteCount) }
}
