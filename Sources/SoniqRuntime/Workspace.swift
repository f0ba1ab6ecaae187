import SoniqMemory

/// The memory for the tensors of a run: of the session's arena, or the host's.
final class Workspace: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  /// nil for the host's memory.
  private let arena: MemoryArena?

  /// - Throws: `outOfMemory`, `workspaceTooSmall`, `workspaceMisaligned`.
  init(byteCount: Int, options: SessionOptions, arena: MemoryArena) throws(RuntimeError) {
    self.byteCount = byteCount
    if let given = options.workspace {
      guard let start = given.baseAddress, given.count >= byteCount else {
        throw RuntimeError(.workspaceTooSmall, actual: given.count, expected: byteCount)
      }
      guard UInt(bitPattern: start) & 63 == 0 else { throw RuntimeError(.workspaceMisaligned) }
      self.start = start
      self.arena = nil
    } else {
      do throws(MemoryError) {
        start = try arena.allocate(byteCount: byteCount)
      } catch { throw RuntimeError(error) }
      self.arena = arena
    }
  }

  deinit { arena?.free(start, byteCount: byteCount) }
}
