import Glibc
import Synchronization

/// A loop whose turns know nothing of each other, on all processors. What a turn computes does not depend on how many
/// there are.
enum ParallelLoop {
  /// Runs turns 0..<count, each once, in any order; back when all are done.
  static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let turns = Turns(count: count, body: body)
    let helpers = min(count, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) - 1
    var threads: [pthread_t] = []
    for _ in 0..<max(0, helpers) {
      var thread = pthread_t()
      let argument = Unmanaged.passRetained(turns)
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<Turns>.fromOpaque(argument).takeRetainedValue().work()
          return nil
        }, argument.toOpaque())
      // Where the system has no more threads, those that are there do the work.
      guard status == 0 else {
        argument.release()
        break
      }
      threads.append(thread)
    }
    turns.work()
    for thread in threads { pthread_join(thread, nil) }
  }

  private final class Turns: Sendable {
    private let next = Atomic<Int>(0)
    private let count: Int
    private let body: @Sendable (Int) -> Void

    init(count: Int, body: @escaping @Sendable (Int) -> Void) { (self.count, self.body) = (count, body) }

    func work() {
      while true {
        let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard turn < count else { return }
        body(turn)
      }
    }
  }
}
