import CMemory
import CPlatform
import Glibc

/// The threads of one session. Started when it is made, joined when it goes: nothing is left behind.
///
/// In a child after fork the threads do not exist: `run` then does all the work on the caller.
final class WorkerPool: @unchecked Sendable {
  /// Threads at work, the caller's included.
  let laneCount: Int
  private let board = JobBoard()
  private var threads: [pthread_t] = []
  private let process = getpid()
  /// Four times what a lane needs (soniq.h: 64 KiB), and the most that is tried: the thread-local variables of the
  /// host and of its libraries lie on the stack too.
  private static let stackBytes = 1 << 18
  private static let mostStackBytes = 1 << 30

  /// - Throws: `outOfMemory`, `threadFailed`; no thread is left.
  init(laneCount: Int) throws(RuntimeError) {
    self.laneCount = laneCount
    for lane in 1..<max(1, laneCount) {
      var status = start(lane)
      // The system has one number for no memory and for too many threads.
      if status == EAGAIN, Self.hasMemoryForThread { status = start(lane) }
      guard status == 0 else {
        join()
        guard status != ENOMEM, Self.hasMemoryForThread else {
          throw RuntimeError(.outOfMemory, actual: Self.stackBytes)
        }
        throw RuntimeError(.threadFailed, actual: Int(status))
      }
    }
  }

  deinit { join() }

  /// Runs units 0..<count, at most `JobBoard.maximumUnits`. One caller at a time.
  func run(_ count: Int, _ body: UnitBody, _ context: UnsafeMutableRawPointer) {
    guard count > 1, laneCount > 1, getpid() == process else {
      for unit in 0..<count { body(context, 0, unit) }
      return
    }
    board.run(count, body, context)
  }

  /// Whether the memory that a thread takes is there: its stack, and what the C library allocates for it.
  private static var hasMemoryForThread: Bool {
    let byteCount = 2 * stackBytes
    guard let stack = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      stack != MAP_FAILED
    else { return false }
    munmap(stack, byteCount)
    guard let small = snq_allocate(4096) else { return false }
    snq_release(small)
    return true
  }

  private final class Assignment {
    let board: JobBoard
    let lane: Int
    init(board: JobBoard, lane: Int) {
      self.board = board
      self.lane = lane
    }
  }

  /// Starts a worker that no signal of the host interrupts; 0 or the system's error number.
  private func start(_ lane: Int) -> Int32 {
    var all = sigset_t()
    var former = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &former)
    defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
    var stackBytes = Self.stackBytes
    var status = start(lane, stackBytes: stackBytes)
    // The system's word for a stack that the thread-local variables do not fit.
    while status == EINVAL, stackBytes < Self.mostStackBytes {
      stackBytes *= 2
      status = start(lane, stackBytes: stackBytes)
    }
    return status
  }

  private func start(_ lane: Int, stackBytes: Int) -> Int32 {
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return ENOMEM }
    defer { pthread_attr_destroy(&attributes) }
    _ = pthread_attr_setstacksize(&attributes, stackBytes)
    let assignment = Unmanaged.passRetained(Assignment(board: board, lane: lane))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        let assignment = Unmanaged<Assignment>.fromOpaque(argument).takeRetainedValue()
        snq_thread_name("soniq")
        _ = snq_float_state_enter()
        assignment.board.serve(lane: assignment.lane)
        return nil
      }, assignment.toOpaque())
    if status == 0 { threads.append(thread) } else { assignment.release() }
    return status
  }

  private func join() {
    guard getpid() == process else { return }
    board.stop()
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }
}
