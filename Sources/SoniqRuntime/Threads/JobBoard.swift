import CPlatform
import Synchronization

/// The work of one parallel region: called once for every unit, with the lane (0..<lanes) it runs on. No
/// two calls with the same lane run at the same time.
typealias UnitBody = @convention(c) (UnsafeMutableRawPointer, _ lane: Int, _ unit: Int) -> Void

/// What the caller and the workers of a pool share: one job at a time, claimed unit by unit.
///
/// The claim word holds the job's number, its unit count and the next unit. A worker that comes late
/// finds another job number in it and cannot claim a unit of a job whose body it has not read.
final class JobBoard: @unchecked Sendable {
  /// The claim word counts units in 16 bits.
  static let maximumUnits = 0xffff
  /// How long a thread without work spins before it sleeps.
  static let spinNanoseconds: UInt64 = 40_000

  private let claim = Atomic<UInt64>(0)
  private let finished: UnsafeMutablePointer<Atomic<UInt32>>
  private let signal: UnsafeMutablePointer<Atomic<UInt32>>
  private let sleepers = Atomic<UInt32>(0)
  private let callerSleeps = Atomic<Bool>(false)
  private let isStopped = Atomic<Bool>(false)
  private let body = Atomic<UInt>(0)
  private let context = Atomic<UInt>(0)

  init() {
    finished = .allocate(capacity: 1)
    signal = .allocate(capacity: 1)
    finished.initialize(to: Atomic(0))
    signal.initialize(to: Atomic(0))
  }

  deinit {
    finished.deinitialize(count: 1)
    signal.deinitialize(count: 1)
    finished.deallocate()
    signal.deallocate()
  }

  /// Runs `count` units on the calling thread (lane 0) and whatever workers come. Returns when all are done.
  func run(_ count: Int, _ body: UnitBody, _ context: UnsafeMutableRawPointer) {
    self.body.store(UInt(bitPattern: unsafeBitCast(body, to: Int.self)), ordering: .relaxed)
    self.context.store(UInt(bitPattern: context), ordering: .relaxed)
    finished.pointee.store(0, ordering: .relaxed)
    let job = (claim.load(ordering: .relaxed) >> 32) &+ 1
    claim.store(job << 32 | UInt64(count) << 16, ordering: .sequentiallyConsistent)
    wakeWorkers(job: UInt32(truncatingIfNeeded: job))
    takeUnits(lane: 0)
    waitUntilFinished(UInt32(count))
  }

  /// Ends every worker's `serve` soon.
  func stop() {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    wakeWorkers(job: signal.pointee.load(ordering: .relaxed) &+ 1)
  }

  private func wakeWorkers(job: UInt32) {
    signal.pointee.store(job, ordering: .sequentiallyConsistent)
    guard sleepers.load(ordering: .sequentiallyConsistent) != 0 else { return }
    if sleepers.exchange(0, ordering: .sequentiallyConsistent) != 0 {
      snq_futex_wake(UnsafeRawPointer(signal).assumingMemoryBound(to: UInt32.self), Int32.max)
    }
  }

  /// Claims units until none is left; false when there was none.
  @discardableResult
  private func takeUnits(lane: Int) -> Bool {
    var tookSome = false
    var word = claim.load(ordering: .acquiring)
    while true {
      let count = (word >> 16) & 0xffff
      let unit = word & 0xffff
      guard unit < count else { return tookSome }
      let body = unsafeBitCast(Int(bitPattern: self.body.load(ordering: .relaxed)), to: UnitBody?.self)
      let context = UnsafeMutableRawPointer(bitPattern: self.context.load(ordering: .relaxed))
      let (isMine, found) = claim.weakCompareExchange(
        expected: word, desired: word + 1, ordering: .acquiring)
      guard isMine else {
        word = found
        continue
      }
      if let body, let context { body(context, lane, Int(unit)) }
      tookSome = true
      finished.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
      if lane != 0, callerSleeps.load(ordering: .sequentiallyConsistent) {
        snq_futex_wake(UnsafeRawPointer(finished).assumingMemoryBound(to: UInt32.self), 1)
      }
      word = claim.load(ordering: .acquiring)
    }
  }

  private func waitUntilFinished(_ count: UInt32) {
    var deadline = SpinDeadline()
    while finished.pointee.load(ordering: .acquiring) != count {
      guard deadline.isOver else { continue }
      callerSleeps.store(true, ordering: .sequentiallyConsistent)
      let seen = finished.pointee.load(ordering: .sequentiallyConsistent)
      if seen != count {
        snq_futex_wait(UnsafeRawPointer(finished).assumingMemoryBound(to: UInt32.self), seen)
      }
      callerSleeps.store(false, ordering: .relaxed)
    }
  }

  /// A worker's life: take units, spin a little, sleep, until `stop`.
  func serve(lane: Int) {
    var deadline = SpinDeadline()
    while !isStopped.load(ordering: .acquiring) {
      if takeUnits(lane: lane) { deadline = SpinDeadline() }
      guard deadline.isOver else { continue }
      let seen = signal.pointee.load(ordering: .sequentiallyConsistent)
      sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
      let word = claim.load(ordering: .sequentiallyConsistent)
      let hasWork = word & 0xffff < (word >> 16) & 0xffff
      if !hasWork && !isStopped.load(ordering: .sequentiallyConsistent) {
        snq_futex_wait(UnsafeRawPointer(signal).assumingMemoryBound(to: UInt32.self), seen)
      }
      deadline = SpinDeadline()
    }
  }
}

/// A short, bounded time of spinning that reads the clock only now and then.
private struct SpinDeadline {
  private var polls: UInt32 = 0
  private var end: UInt64 = 0

  /// Pauses for a moment and says whether the time is over.
  var isOver: Bool {
    mutating get {
      snq_cpu_pause()
      polls &+= 1
      guard polls & 63 == 0 else { return false }
      let now = snq_clock_nanoseconds()
      if end == 0 { end = now &+ JobBoard.spinNanoseconds }
      return now >= end
    }
  }
}
