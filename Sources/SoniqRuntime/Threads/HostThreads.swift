import SoniqMemory
import Synchronization

/// The host's `parallel_for` as the threads of a session: every body it starts is one lane.
final class HostThreads: @unchecked Sendable {
  let laneCount: Int
  private let hook: ParallelForHook
  private let next = Atomic<Int>(0)
  private let finished = Atomic<Int>(0)
  private var count = 0
  private var body: UnitBody?
  private var context: UnsafeMutableRawPointer?

  /// - Parameters:
  ///   - hook: the host's functions.
  ///   - laneCount: bodies that may be at work at once.
  init(_ hook: ParallelForHook, laneCount: Int) {
    self.hook = hook
    self.laneCount = laneCount
  }

  /// Runs units 0..<count.
  ///
  /// - Returns: 0, what the host returned, or -1 when it returned before the work was done.
  func run(
    _ count: Int, _ body: UnitBody, _ context: UnsafeMutableRawPointer, _ state: HostFloatState
  ) -> Int32 {
    self.count = count
    self.body = body
    self.context = context
    next.store(0, ordering: .relaxed)
    finished.store(0, ordering: .releasing)
    let argument = Unmanaged.passUnretained(self).toOpaque()
    let bodies = UInt32(min(laneCount, count))
    let status = state.call {
      hook.parallelFor(
        hook.context, bodies,
        { argument, lane in
          guard let argument else { return }
          Unmanaged<HostThreads>.fromOpaque(argument).takeUnretainedValue().work(lane: Int(lane))
        }, argument)
    }
    guard status == 0 else { return status }
    return finished.load(ordering: .acquiring) == count ? 0 : -1
  }

  private func work(lane: Int) {
    guard lane < laneCount, let body, let context else { return }
    let own = HostFloatState.enter()
    defer { own.leave() }
    while true {
      let unit = next.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
      guard unit < count else { return }
      body(context, lane, unit)
      finished.wrappingAdd(1, ordering: .releasing)
    }
  }
}
