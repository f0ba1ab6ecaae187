import CMemory
import CPlatform
import SoniqCore
import SoniqKernels
package import SoniqMemory
import Synchronization

/// What the sessions of a model need of its weights in another form than the file's. Each form is made once, when the
/// first session wants it, and stays as long as the model: all sessions share it.
///
/// Threads may ask at the same time: the first one makes a form, the others sleep until it is there. No lock is held:
/// the forms are in lists that only grow, and a child of a process that forked meanwhile makes anew what a thread of
/// its parent had begun.
package final class PreparedWeights: @unchecked Sendable {
  /// Whether kernels may have the weights in another layout; else they take the file's, also where that is slower.
  package let allowsCopies: Bool
  private let arena: MemoryArena
  private let copied = Atomic<Int>(0)
  private let lists: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<PreparedEntry>?>>
  private let listCount: Int
  /// A retained `ProfileBox`, once a session has wanted it.
  private let profile = Atomic<UnsafeRawPointer?>(nil)

  /// - Parameters:
  ///   - arena: gives all memory.
  ///   - constantCount: about how many constants there will be forms of.
  ///   - allowsCopies: see `allowsCopies`.
  /// - Throws: `outOfMemory`.
  package init(_ arena: MemoryArena, constantCount: Int, allowsCopies: Bool) throws(RuntimeError) {
    self.arena = arena
    self.allowsCopies = allowsCopies
    var count = 1
    while count < min(constantCount, 1 << 16) { count *= 2 }
    listCount = count
    let byteCount = count * MemoryLayout<Atomic<UnsafeMutablePointer<PreparedEntry>?>>.stride
    lists = try arena.allocate(byteCount)
      .bindMemory(to: Atomic<UnsafeMutablePointer<PreparedEntry>?>.self, capacity: count)
    for index in 0..<count { (lists + index).initialize(to: Atomic(nil)) }
  }

  /// What kernels cost on this CPU, read from the library's text once: kept here, because what a library keeps for itself
  /// stays when it is unloaded.
  var kernelProfile: KernelProfile {
    if let known = profile.load(ordering: .acquiring) {
      return Unmanaged<ProfileBox>.fromOpaque(known).takeUnretainedValue().profile
    }
    let made = ProfileBox(.committed)
    let pointer = Unmanaged.passRetained(made)
    let (isFirst, other) = profile.compareExchange(
      expected: nil, desired: UnsafeRawPointer(pointer.toOpaque()), ordering: .acquiringAndReleasing)
    guard !isFirst, let other else { return made.profile }
    pointer.release()
    return Unmanaged<ProfileBox>.fromOpaque(other).takeUnretainedValue().profile
  }

  /// Bytes of copies of weights that there are now.
  package var copiedByteCount: Int { copied.load(ordering: .relaxed) }

  /// Where the bytes of a form are, aligned to 64 and there until the store ends. Makes them if need be.
  ///
  /// - Throws: `outOfMemory`; nothing half made stays, and a later call can succeed.
  func bytes(of form: PreparedForm) throws(RuntimeError) -> UnsafeRawPointer {
    let entry = try entry(of: form)
    while true {
      let word = entry.pointee.state.load(ordering: .acquiring)
      if word == PreparedEntry.made, let memory = entry.pointee.memory { return UnsafeRawPointer(memory) }
      let mine = PreparedEntry.beingMade
      // A thread of this process makes it, or one that only the parent process has.
      if word == mine {
        snq_futex_wait(UnsafeRawPointer(entry).assumingMemoryBound(to: UInt32.self), word)
        continue
      }
      let (isMine, _) = entry.pointee.state.compareExchange(
        expected: word, desired: mine, ordering: .acquiring)
      if isMine { try make(entry) }
    }
  }

  private func make(_ entry: UnsafeMutablePointer<PreparedEntry>) throws(RuntimeError) {
    var outcome = PreparedEntry.unmade
    defer {
      entry.pointee.state.store(outcome, ordering: .releasing)
      snq_futex_wake(UnsafeRawPointer(entry).assumingMemoryBound(to: UInt32.self), Int32.max)
    }
    let bytes = entry.pointee.form.bytes
    guard let byteCount = bytes.byteCount, byteCount > 0 else {
      throw RuntimeError(.outOfMemory, actual: Int.max)
    }
    let memory = try arena.allocate(byteCount)
    do throws(RuntimeError) { try bytes.write(to: memory, arena) } catch {
      arena.free(memory, byteCount: byteCount)
      throw error
    }
    entry.pointee.memory = memory
    entry.pointee.byteCount = byteCount
    if bytes.isCopy { copied.wrappingAdd(byteCount, ordering: .relaxed) }
    outcome = PreparedEntry.made
  }

  private func entry(of form: PreparedForm) throws(RuntimeError) -> UnsafeMutablePointer<PreparedEntry> {
    let list = lists + listIndex(form)
    var first = list.pointee.load(ordering: .acquiring)
    if let found = Self.find(form, first, before: nil) { return found }
    let entryBytes = MemoryLayout<PreparedEntry>.stride
    let entry = try arena.allocate(entryBytes).bindMemory(to: PreparedEntry.self, capacity: 1)
    entry.initialize(to: PreparedEntry(form, next: first))
    while true {
      let (isIn, newFirst) = list.pointee.compareExchange(
        expected: first, desired: entry, ordering: .acquiringAndReleasing)
      if isIn { return entry }
      // Others have put theirs before, maybe the same.
      if let found = Self.find(form, newFirst, before: first) {
        entry.deinitialize(count: 1)
        arena.free(entry, byteCount: entryBytes)
        return found
      }
      first = newFirst
      entry.pointee.next = first
    }
  }

  private func listIndex(_ form: PreparedForm) -> Int {
    // The high bits of a product: addresses differ by large round numbers.
    let product = UInt64(UInt(bitPattern: form.bytes.source)) &* 0x9e37_79b9_7f4a_7c15
    return Int(product >> 32) & (listCount - 1)
  }

  /// The entry of a form among those from `first` on and before `end`.
  private static func find(
    _ form: PreparedForm, _ first: UnsafeMutablePointer<PreparedEntry>?,
    before end: UnsafeMutablePointer<PreparedEntry>?
  ) -> UnsafeMutablePointer<PreparedEntry>? {
    var next = first
    while let entry = next, entry != end {
      if entry.pointee.form == form { return entry }
      next = entry.pointee.next
    }
    return nil
  }

  deinit {
    if let known = profile.load(ordering: .acquiring) { Unmanaged<ProfileBox>.fromOpaque(known).release() }
    for index in 0..<listCount {
      var next = (lists + index).pointee.load(ordering: .acquiring)
      while let entry = next {
        next = entry.pointee.next
        if let memory = entry.pointee.memory {
          arena.free(memory, byteCount: entry.pointee.byteCount)
        }
        entry.deinitialize(count: 1)
        arena.free(entry, byteCount: MemoryLayout<PreparedEntry>.stride)
      }
      (lists + index).deinitialize(count: 1)
    }
    arena.free(
      lists, byteCount: listCount * MemoryLayout<Atomic<UnsafeMutablePointer<PreparedEntry>?>>.stride)
  }
}

/// A form in a list of the store. `state` is the first word: threads sleep on it.
private struct PreparedEntry: ~Copyable {
  let state = Atomic<UInt32>(PreparedEntry.unmade)
  let form: PreparedForm
  var next: UnsafeMutablePointer<PreparedEntry>?
  /// Set when `state` is `made`.
  var memory: UnsafeMutableRawPointer?
  var byteCount = 0

  init(_ form: PreparedForm, next: UnsafeMutablePointer<PreparedEntry>?) {
    self.form = form
    self.next = next
  }

  static let unmade: UInt32 = 0
  static let made: UInt32 = 1
  /// By a thread of this process, and not of one that it was forked from.
  static var beingMade: UInt32 { 2 &+ snq_fork_count() & 0x7fff_ffff }
}

extension MemoryArena {
  /// Memory aligned to 64 bytes; a size that is not positive is refused.
  func allocate(_ byteCount: Int) throws(RuntimeError) -> UnsafeMutableRawPointer {
    do throws(MemoryError) { return try allocate(byteCount: byteCount) } catch { throw RuntimeError(error) }
  }

  /// Zeroed numbers that only `body` needs.
  func withTemporary<T: BitwiseCopyable & Numeric>(
    count: Int, _ body: (UnsafeMutablePointer<T>) -> Void
  ) throws(RuntimeError) {
    guard let byteCount = checkedProduct(max(1, count), MemoryLayout<T>.stride) else {
      throw RuntimeError(.outOfMemory, actual: Int.max)
    }
    let memory = try allocate(byteCount)
    defer { free(memory, byteCount: byteCount) }
    let start = memory.bindMemory(to: T.self, capacity: max(1, count))
    start.initialize(repeating: 0, count: count)
    body(start)
  }
}

private final class ProfileBox: Sendable {
  let profile: KernelProfile
  init(_ profile: KernelProfile) { self.profile = profile }
}
