import SoniqGraph
import SoniqMemory

/// Where a state lies, for the steps of a run.
struct StateStorage: BitwiseCopyable {
  /// Of a growing state [batch][capacity][channels].
  var base: UnsafeMutableRawPointer
  /// Positions of a growing state that runs before have made; the same for every entry of the batch.
  var length = 0
  var capacity = 0
  var channels = 0
  var isHalf = false
  /// Of a recurrent one that no run has replaced: it is zero, whatever lies there.
  var isZero = false

  /// Bytes of a position.
  var rowBytes: Int { channels &* (isHalf ? 2 : 4) }

  /// A position of an entry of the batch.
  func row(_ entry: Int, _ position: Int) -> UnsafeMutableRawPointer {
    base + (entry &* capacity &+ position) &* rowBytes
  }
}

/// Where states lie in one block of memory.
struct StateLayout {
  /// By state, each a multiple of 64.
  private(set) var offsets: [Int] = []
  private(set) var byteCounts: [Int] = []
  private(set) var byteCount = 0

  /// - Parameters:
  ///   - states: of a valid graph.
  ///   - maximums: of its symbols.
  /// - Throws: `workspaceTooLarge`.
  init(_ states: [GraphState], maximums: [Int]) throws(RuntimeError) {
    for state in states {
      var bytes = state.elementType.byteCount
      for dimension in state.shape {
        let size =
          switch dimension {
          case .fixed(let size): size
          case .symbol(let symbol): maximums[symbol]
          }
        let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
        guard !overflow, product <= Int.max / 4 else { throw Self.tooLarge(state) }
        bytes = product
      }
      offsets.append(byteCount)
      byteCounts.append(bytes)
      let (sum, overflow) = byteCount.addingReportingOverflow((bytes + 63) / 64 * 64)
      guard !overflow, sum <= Int.max / 4 else { throw Self.tooLarge(state) }
      byteCount = sum
    }
  }

  private static func tooLarge(_ state: GraphState) -> RuntimeError {
    RuntimeError(.workspaceTooLarge, subject: state.name)
  }
}

/// The block, of the session's arena or the host's allocator.
final class StateMemory: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  private let byteCount: Int
  private let arena: MemoryArena

  /// - Throws: `outOfMemory`.
  init(byteCount: Int, arena: MemoryArena) throws(RuntimeError) {
    self.byteCount = byteCount
    self.arena = arena
    do throws(MemoryError) { start = try arena.allocate(byteCount: self.byteCount) } catch {
      throw RuntimeError(error)
    }
  }

  deinit { arena.free(start, byteCount: byteCount) }
}
