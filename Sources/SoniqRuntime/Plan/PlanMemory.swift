import SoniqMemory

/// Plain values at fixed addresses, for code that may not touch arrays or reference counts. All of it comes from one
/// arena, in blocks: small values share one.
final class PlanMemory {
  /// At the start of every block, which is a multiple of 64 bytes.
  private struct Header {
    var next: UnsafeMutableRawPointer?
    var byteCount: Int
  }
  private static let alignment = 64
  private static let sharedBytes = 16384

  private let arena: MemoryArena
  private var blocks: UnsafeMutableRawPointer?
  /// What is left of the block that small values share.
  private var rest = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  init(_ arena: MemoryArena) { self.arena = arena }

  func store<T: BitwiseCopyable>(_ value: T) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let start = try room(for: T.self, count: 1)
    start.initialize(to: value)
    return start
  }

  /// At least one element's room, so that an empty list has an address too.
  func store<T: BitwiseCopyable>(_ values: [T]) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let start = try room(for: T.self, count: values.count)
    for (index, value) in values.enumerated() { (start + index).initialize(to: value) }
    return start
  }

  func store<T: BitwiseCopyable>(
    repeating value: T, count: Int
  ) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let start = try room(for: T.self, count: count)
    start.initialize(repeating: value, count: count)
    return start
  }

  private func room<T>(for type: T.Type, count: Int) throws(RuntimeError) -> UnsafeMutablePointer<T> {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    guard !overflow else { throw RuntimeError(.outOfMemory, actual: Int.max) }
    return try allocate(byteCount: byteCount).bindMemory(to: T.self, capacity: max(1, count))
  }

  /// Memory without content, aligned to 64.
  func allocate(byteCount: Int) throws(RuntimeError) -> UnsafeMutableRawPointer {
    guard byteCount < Int.max - 2 * Self.alignment else {
      throw RuntimeError(.outOfMemory, actual: byteCount)
    }
    let size = max(1, (byteCount + Self.alignment - 1) / Self.alignment) * Self.alignment
    if size > Self.sharedBytes / 4 { return try block(size) }
    if size > rest.count {
      let shared = Self.sharedBytes - Self.alignment  // with its header
      rest = UnsafeMutableRawBufferPointer(start: try block(shared), count: shared)
    }
    defer { rest = UnsafeMutableRawBufferPointer(rebasing: rest[size...]) }
    guard let start = rest.baseAddress else { throw RuntimeError(.outOfMemory, actual: byteCount) }
    return start
  }

  /// A block of its own, behind a header.
  private func block(_ size: Int) throws(RuntimeError) -> UnsafeMutableRawPointer {
    let byteCount = size + Self.alignment
    let block: UnsafeMutableRawPointer
    do throws(MemoryError) {
      block = try arena.allocate(byteCount: byteCount, alignment: Self.alignment)
    } catch { throw RuntimeError(error) }
    block.initializeMemory(as: Header.self, to: Header(next: blocks, byteCount: byteCount))
    blocks = block
    return block + Self.alignment
  }

  deinit {
    while let block = blocks {
      let header = block.load(as: Header.self)
      blocks = header.next
      arena.free(block, byteCount: header.byteCount)
    }
  }
}

extension RuntimeError {
  /// An arena's refusal. What a misaligned allocator gave cannot be used either.
  init(_ error: MemoryError) {
    switch error {
    case .outOfMemory(let byteCount), .invalidRequest(let byteCount, _):
      self.init(.outOfMemory, actual: byteCount)
    case .misaligned(let alignment): self.init(.misalignedAllocator, actual: alignment)
    }
  }
}
