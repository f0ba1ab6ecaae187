import SoniqCore
import SoniqGraph
import SoniqMemory

/// A packed matrix whose bytes lie in an arena, in one piece.
final class MatrixStorage {
  private let arena: MemoryArena
  private let start: UnsafeMutableRawPointer
  private let byteCount: Int
  private(set) var matrix: PackedMatrix

  init(copying matrix: PackedMatrix, to arena: MemoryArena) throws(Failure) {
    let parts = matrix.parts
    let byteCount = parts.reduce(64) { $0 + Self.padded($1.count) }
    do throws(MemoryError) { start = try arena.allocate(byteCount: byteCount) } catch { throw Failure(error) }
    self.arena = arena
    self.byteCount = byteCount
    self.matrix = matrix
    var next = start
    self.matrix.replaceParts { part in
      next.copyMemory(from: part.start, byteCount: part.count)
      defer { next += Self.padded(part.count) }
      return ConstantBytes(start: UnsafeRawPointer(next), count: part.count)
    }
  }

  deinit { arena.free(start, byteCount: byteCount) }

  private static func padded(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}

extension PackedMatrix {
  /// All bytes of the matrix.
  fileprivate var parts: [ConstantBytes] {
    levels.flatMap { [$0.weights] + $0.numbers } + [gather, bias].compactMap { $0 }
  }

  fileprivate mutating func replaceParts(_ replacement: (ConstantBytes) -> ConstantBytes) {
    for index in levels.indices {
      levels[index].weights = replacement(levels[index].weights)
      levels[index].scales = levels[index].scales.map(replacement)
      levels[index].storedSums = replacement(levels[index].storedSums)
      levels[index].offsets = levels[index].offsets.map(replacement)
      if var groups = levels[index].groups {
        groups.scales = replacement(groups.scales)
        groups.offsets = groups.offsets.map(replacement)
        levels[index].groups = groups
      }
    }
    gather = gather.map(replacement)
    bias = bias.map(replacement)
  }
}
