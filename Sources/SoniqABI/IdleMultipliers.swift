import Glibc
import SoniqRuntime

/// A multiplier that waits for a caller, and the one that has waited longer.
final class WaitingMultiplier {
  let multiplier: MatrixMultiplier
  fileprivate var next: WaitingMultiplier?

  init(_ multiplier: MatrixMultiplier) { self.multiplier = multiplier }
}

/// Multipliers that no caller uses now. From any thread; nothing is allocated once it is there. The lock is one of
/// pthreads because ThreadSanitizer sees no `Synchronization.Mutex`.
final class IdleMultipliers: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var top: WaitingMultiplier?

  init() {
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
  }

  deinit {
    // One by one: a chain that frees itself recurs.
    while pop() != nil {}
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  func pop() -> WaitingMultiplier? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    let first = top
    top = first?.next
    first?.next = nil
    return first
  }

  func push(_ waiting: WaitingMultiplier) {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    waiting.next = top
    top = waiting
  }
}
