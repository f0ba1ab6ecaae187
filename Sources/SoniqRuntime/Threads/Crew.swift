import SoniqMemory

/// Who does the work of a session.
enum Crew {
  case caller
  case pool(WorkerPool)
  case host(HostThreads)

  /// The most threads of a session.
  static let maximumLanes = 256

  /// The number of lanes that options ask for, without starting a thread.
  static func laneCount(_ options: SessionOptions) throws(RuntimeError) -> Int {
    guard (0...maximumLanes).contains(options.threadCount) else {
      throw RuntimeError(.invalidOption, subject: "threadCount", actual: options.threadCount)
    }
    if let hook = options.parallelFor {
      return min(maximumLanes, max(1, Int(hook.width(hook.context))))
    }
    return options.threadCount == 0 ? min(maximumLanes, CPUAllowance().cpuCount()) : options.threadCount
  }

  /// Starts the threads.
  ///
  /// - Throws: `threadFailed`.
  init(_ options: SessionOptions, lanes: Int) throws(RuntimeError) {
    if lanes == 1 {
      self = .caller
    } else if let hook = options.parallelFor {
      self = .host(HostThreads(hook, laneCount: lanes))
    } else {
      self = .pool(try WorkerPool(laneCount: lanes))
    }
  }

  /// Runs units 0..<count (at most `JobBoard.maximumUnits`); 0 or the host's error. `state`: the host's.
  func run(
    _ count: Int, _ body: UnitBody, _ context: UnsafeMutableRawPointer, _ state: HostFloatState
  ) -> Int32 {
    switch self {
    case .pool(let pool):
      pool.run(count, body, context)
      return 0
    case .host(let host) where count > 1:
      return host.run(count, body, context, state)
    case .caller, .host:
      for unit in 0..<count { body(context, 0, unit) }
      return 0
    }
  }
}
