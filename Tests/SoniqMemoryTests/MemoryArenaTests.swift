import SoniqMemory
import Synchronization
import Testing

@Suite struct MemoryArenaTests {
  @Test(arguments: [1, 63, 64, 4096, 1 << 20])
  func memoryIsAlignedAndWritable(byteCount: Int) throws {
    let arena = try MemoryArena()
    let memory = try arena.allocate(byteCount: byteCount)
    #expect(UInt(bitPattern: memory) & 63 == 0)
    memory.initializeMemory(as: UInt8.self, repeating: 0xa5, count: byteCount)
    #expect(arena.statistics.allocated == byteCount)
    #expect(arena.statistics.mapped >= byteCount)
    #expect(arena.statistics.resident >= byteCount)
    arena.free(memory, byteCount: byteCount)
    #expect(arena.statistics.allocated == 0)
  }

  @Test func onlyTouchedPagesAreResident() throws {
    let arena = try MemoryArena()
    let empty = arena.statistics.resident
    let byteCount = 64 << 20
    let memory = try arena.allocate(byteCount: byteCount)
    #expect(arena.statistics.mapped >= byteCount)
    #expect(arena.statistics.resident <= empty + 65536)
    memory.initializeMemory(as: UInt8.self, repeating: 1, count: byteCount / 2)
    #expect((byteCount / 2...byteCount / 2 + empty + 65536).contains(arena.statistics.resident))
    arena.free(memory, byteCount: byteCount)
    #expect(arena.statistics.resident <= empty + 65536)
  }

  /// jemalloc knows 4095 arenas at most.
  @Test func thereMayBeMoreArenasThanJemallocKnows() throws {
    var arenas: [(MemoryArena, UnsafeMutableRawPointer)] = []
    for index in 0..<5000 {
      let arena = try MemoryArena()
      let memory = try arena.allocate(byteCount: 8192, alignment: 64)
      memory.storeBytes(of: index, as: Int.self)
      arenas.append((arena, memory))
    }
    for (index, (arena, memory)) in arenas.enumerated() {
      #expect(memory.load(as: Int.self) == index)
      #expect(arena.statistics.allocated == 8192)
      #expect(arena.statistics.resident > 0)
      arena.free(memory, byteCount: 8192)
    }
  }

  @Test func arenasAreSeparate() throws {
    let first = try MemoryArena()
    let second = try MemoryArena()
    let memory = try first.allocate(byteCount: 100_000)
    #expect(second.statistics.allocated == 0)
    first.free(memory, byteCount: 100_000)
  }

  @Test(arguments: [(0, 64), (-1, 64), (64, 0), (64, 48), (64, -64)])
  func senselessRequestsAreRefused(byteCount: Int, alignment: Int) throws {
    let arena = try MemoryArena()
    #expect(throws: MemoryError.invalidRequest(byteCount: byteCount, alignment: alignment)) {
      try arena.allocate(byteCount: byteCount, alignment: alignment)
    }
  }

  @Test func whatCannotBeHadIsAnError() throws {
    let arena = try MemoryArena()
    #expect(throws: MemoryError.outOfMemory(byteCount: Int.max / 2)) {
      try arena.allocate(byteCount: Int.max / 2)
    }
  }

  /// Counts what a host's allocator is asked for.
  final class Counter: Sendable {
    let allocated = Atomic<Int>(0)
    let freed = Atomic<Int>(0)
  }

  @Test func hostAllocatorGetsBackWhatItGave() throws {
    let counter = Counter()
    let hooks = AllocatorHooks(
      context: Unmanaged.passUnretained(counter).toOpaque(),
      allocate: { context, size, alignment in
        guard let context else { return nil }
        Unmanaged<Counter>.fromOpaque(context).takeUnretainedValue().allocated
          .wrappingAdd(size, ordering: .relaxed)
        return .allocate(byteCount: size, alignment: alignment)
      },
      free: { context, pointer, size in
        guard let context, let pointer else { return }
        Unmanaged<Counter>.fromOpaque(context).takeUnretainedValue().freed
          .wrappingAdd(size, ordering: .relaxed)
        pointer.deallocate()
      })
    let arena = try MemoryArena(hooks: hooks)
    let memory = try arena.allocate(byteCount: 1000)
    #expect(counter.allocated.load(ordering: .relaxed) == 1000)
    #expect(arena.statistics.allocated == 1000)
    #expect(arena.statistics.resident == 0)
    arena.free(memory, byteCount: 1000)
    #expect(counter.freed.load(ordering: .relaxed) == 1000)
  }

  @Test func hostAllocatorMayRefuseOrMisalign() throws {
    let refusing = try MemoryArena(
      hooks: AllocatorHooks(context: nil, allocate: { _, _, _ in nil }, free: { _, _, _ in }))
    #expect(throws: MemoryError.outOfMemory(byteCount: 8)) { try refusing.allocate(byteCount: 8) }
    let crooked = try MemoryArena(
      hooks: AllocatorHooks(
        context: nil, allocate: { _, _, _ in UnsafeMutableRawPointer(bitPattern: 0x1004) },
        free: { _, _, _ in }))
    #expect(throws: MemoryError.misaligned(alignment: 64)) { try crooked.allocate(byteCount: 8) }
  }
}
