import CMemory
import Synchronization

/// Why an arena could not give memory.
package enum MemoryError: Error, Sendable, Hashable {
  /// The system has no memory left, or the host's allocator returned nil. `byteCount` was asked for.
  case outOfMemory(byteCount: Int)
  /// A size that is not positive, or an alignment that is not a power of two.
  case invalidRequest(byteCount: Int, alignment: Int)
  /// The host's allocator returned memory that is not aligned as asked.
  case misaligned(alignment: Int)
}

/// What an arena holds, in bytes.
package struct MemoryStatistics: Sendable, Hashable {
  /// Handed out by `allocate` and not freed.
  package var allocated: Int
  /// Address space of the arena, bookkeeping included. Equals `allocated` for a host's allocator.
  package var mapped: Int
  /// Bytes of it in physical memory at this moment: pages that nobody has touched take none. 0 for a host's
  /// allocator, whose pages the library does not know.
  package var resident: Int
  /// Calls of `allocate` that gave memory, since the arena was made. Not in bytes.
  package var allocationCount: Int

  package init(allocated: Int, mapped: Int, resident: Int, allocationCount: Int = 0) {
    self.allocated = allocated
    self.mapped = mapped
    self.resident = resident
    self.allocationCount = allocationCount
  }
}

/// Memory that belongs to one model or session and is given back whole.
///
/// Backed by a jemalloc arena of its own (by whole pages where there are too many arenas), or by the host's functions. Safe from any thread.
package final class MemoryArena: @unchecked Sendable {
  private enum Source {
    case own(OpaquePointer)
    case host(AllocatorHooks)
  }
  private let source: Source
  private let handedOut = Atomic<Int>(0)
  private let allocationCount = Atomic<Int>(0)

  /// - Throws: `outOfMemory` when there is no memory for another arena.
  package init(hooks: AllocatorHooks? = nil) throws(MemoryError) {
    if let hooks {
      source = .host(hooks)
      return
    }
    guard let arena = snq_arena_create() else { throw .outOfMemory(byteCount: 0) }
    source = .own(arena)
  }

  /// Memory for the caller to give back with `free`, contents undefined.
  ///
  /// - Throws: when there is none, or `byteCount` <= 0, or `alignment` is not a power of two.
  package func allocate(
    byteCount: Int, alignment: Int = 64
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard byteCount > 0, alignment > 0, alignment & (alignment - 1) == 0 else {
      throw .invalidRequest(byteCount: byteCount, alignment: alignment)
    }
    let memory: UnsafeMutableRawPointer?
    switch source {
    case .own(let arena): memory = snq_arena_allocate(arena, byteCount, alignment)
    case .host(let hooks): memory = hooks.allocate(hooks.context, byteCount, alignment)
    }
    guard let memory else { throw .outOfMemory(byteCount: byteCount) }
    guard UInt(bitPattern: memory) & UInt(alignment - 1) == 0 else {
      release(memory, byteCount: byteCount)
      throw .misaligned(alignment: alignment)
    }
    handedOut.wrappingAdd(byteCount, ordering: .relaxed)
    allocationCount.wrappingAdd(1, ordering: .relaxed)
    return memory
  }

  /// Gives back memory of `allocate`, with the byte count it was asked for.
  package func free(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
    release(memory, byteCount: byteCount)
    handedOut.wrappingSubtract(byteCount, ordering: .relaxed)
  }

  private func release(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
    switch source {
    case .own(let arena): snq_arena_free(arena, memory, byteCount)
    case .host(let hooks): hooks.free(hooks.context, memory, byteCount)
    }
  }

  /// A reading of the moment.
  package var statistics: MemoryStatistics {
    let allocated = handedOut.load(ordering: .relaxed)
    let allocationCount = allocationCount.load(ordering: .relaxed)
    if case .own(let arena) = source {
      var (mapped, resident) = (0, 0)
      snq_arena_measure(arena, &mapped, &resident)
      return MemoryStatistics(
        allocated: allocated, mapped: mapped, resident: resident, allocationCount: allocationCount)
    }
    return MemoryStatistics(
      allocated: allocated, mapped: allocated, resident: 0, allocationCount: allocationCount)
  }

  deinit {
    if case .own(let arena) = source { snq_arena_destroy(arena) }
  }
}
