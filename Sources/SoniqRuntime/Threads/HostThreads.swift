import CPlatform
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

  init(_ hook: ParallelForHook) {
    self.hook = hook
    laneCount = min(256, max(1, Int(hook.width(hook.context))))
  }

  /// Runs units 0..<count.
  ///
  /// - Returns: 0, what the host returned, or -1 when it returned before the work was done.
  func run(_ count: Int, _ body: UnitBody, _ context: UnsafeMutableRawPointer) -> Int32 {
    self.count = count
    self.body = body
    self.context = context
    next.store(0, ordering: .relaxed)
    finished.store(0, ordering: .releasing)
    let argument = Unmanaged.passUnretained(self).toOpaque()
    let bodies = UInt32(min(laneCount, count))
    let status = hook.parallelFor(
      hook.context, bodies,
      { argument, lane in
        guard let argument else { return }
        Unmanaged<HostThreads>.fromOpaque(argument).takeUnretainedValue().work(lane: Int(lane))
      }, argument)
    guard status == 0 else { return status }
    return finished.load(ordering: .acquiring) == count ? 0 : -1
  }

  private func work(lane: Int) {
    guard lane < laneCount, let body, let context else { return }
    let saved = snq_float_state_enter()
    defer { snq_float_state_leave(saved) }
    while true {
      let unit = next.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
      guard unit < count else { return }
      body(context, lane, unit)
      finished.wrappingAdd(1, ordering: .releasing)
    }
  }
}

/// Who does the work of a session.
enum Crew {
  case caller
  case pool(WorkerPool)
  case host(HostThreads)

  /// The crew that options ask for.
  init(_ options: SessionOptions) throws(RuntimeError) {
    guard (0...256).contains(options.threadCount) else {
      throw RuntimeError(.invalidOption, subject: "threadCount", actual: options.threadCount)
    }
    if let hook = options.parallelFor {
      self = .host(HostThreads(hook))
      return
    }
    let lanes = options.threadCount == 0 ? min(256, CPUAllowance().cpuCount()) : options.threadCount
    self = lanes == 1 ? .caller : .pool(try WorkerPool(laneCount: lanes))
  }

  var laneCount: Int {
    switch self {
    case .caller: 1
    case .pool(let pool): pool.laneCount
    case .host(let host): host.laneCount
    }
  }

  /// Runs units 0..<count (at most `JobBoard.maximumUnits`); 0 or the host's error.
  func run(_ count: Int, _ body: UnitBody, _ context: UnsafeMutableRawPointer) -> Int32 {
    switch self {
    case .caller:
      for unit in 0..<count { body(context, 0, unit) }
      return 0
    case .pool(let pool):
      pool.run(count, body, context)
      return 0
    case .host(let host):
      if count > 1, host.laneCount > 1 { return host.run(count, body, context) }
      for unit in 0..<count { body(context, 0, unit) }
      return 0
    }
  }
}
