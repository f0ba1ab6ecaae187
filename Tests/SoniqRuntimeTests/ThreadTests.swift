import Glibc
import SoniqRuntime
import SoniqTestSupport
import Synchronization
import Testing

@testable import SoniqRuntime

@Suite struct ThreadTests {
  /// Counts how often each unit ran and whether two calls shared a lane.
  final class Tally: @unchecked Sendable {
    let counts: UnsafeMutablePointer<Atomic<Int>>
    let busy: UnsafeMutablePointer<Atomic<Int>>
    let collisions = Atomic<Int>(0)
    init() {
      counts = .allocate(capacity: 1024)
      busy = .allocate(capacity: 64)
      for index in 0..<1024 { (counts + index).initialize(to: Atomic(0)) }
      for index in 0..<64 { (busy + index).initialize(to: Atomic(0)) }
    }
    deinit {
      counts.deallocate()
      busy.deallocate()
    }
  }

  static let body: UnitBody = { context, lane, unit in
    let tally = Unmanaged<Tally>.fromOpaque(context).takeUnretainedValue()
    if tally.busy[lane].add(1, ordering: .relaxed).oldValue != 0 {
      tally.collisions.add(1, ordering: .relaxed)
    }
    tally.counts[unit].add(1, ordering: .relaxed)
    tally.busy[lane].subtract(1, ordering: .relaxed)
  }

  @Test(arguments: [1, 2, 3, 8])
  func everyUnitRunsOnceWhateverTheTiming(lanes: Int) throws {
    let pool = try WorkerPool(laneCount: lanes)
    let tally = Tally()
    var generator = SeededGenerator(seed: UInt64(lanes))
    var expected = [Int](repeating: 0, count: 1024)
    for round in 0..<3000 {
      let count = Int.random(in: 1...(round % 50 == 0 ? 1024 : 12), using: &generator)
      for unit in 0..<count { expected[unit] += 1 }
      pool.run(count, Self.body, Unmanaged.passUnretained(tally).toOpaque())
      if round % 500 == 0 { usleep(2000) }  // long enough for the workers to fall asleep
    }
    #expect((0..<1024).map { tally.counts[$0].load(ordering: .relaxed) } == expected)
    #expect(tally.collisions.load(ordering: .relaxed) == 0)
  }

  @Test func poolsLeaveNoThreadBehind() throws {
    func threads() -> Int {
      var count = 0
      guard let directory = opendir("/proc/self/task") else { return -1 }
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
        }
        guard let task = Int32(name) else { continue }
        let path = "/proc/self/task/\(task)/comm"
        guard let file = fopen(path, "r") else { continue }
        var line = [CChar](repeating: 0, count: 32)
        if fgets(&line, 32, file) != nil, line.starts(with: "soniq".utf8.map { CChar($0) }) { count += 1 }
        fclose(file)
      }
      closedir(directory)
      return count
    }
    // Other tests have pools too: compare a crowd of ours with what is left.
    var pools: [WorkerPool] = []
    for _ in 0..<20 { pools.append(try WorkerPool(laneCount: 4)) }
    // A thread has its name only once it runs, which a busy machine may delay.
    var crowded = threads()
    for _ in 0..<1000 where crowded < 60 {
      usleep(5000)
      crowded = threads()
    }
    #expect(crowded >= 60)
    pools.removeAll()
    #expect(threads() <= crowded - 40)
  }

  @Test func sessionsWorkInTheChildOfAFork() throws {
    let model = try Model(SyntheticEncoder(seed: 41, precision: .quantized).description)
    var options = SessionOptions()
    options.threadCount = 3
    let session = try Session(model, options: options)
    var generator = SeededGenerator(seed: 42)
    let tokens = TokenBatch(batch: 4, sequence: 24, vocabulary: 50, masksTails: true, using: &generator)
    let expected = try session.outputs(of: tokens)[0]
    guard let symbol = dlsym(nil, "fork") else {
      Issue.record("no fork")
      return
    }
    let fork = unsafeBitCast(symbol, to: (@convention(c) () -> Int32).self)
    let child = fork()
    if child == 0 {
      alarm(30)  // a pool that hangs ends the child by a signal
      guard (try? session.run()) != nil, let output = try? session.output(0, shape: nil, capacity: 0) else {
        _exit(2)
      }
      let floats = output.data.assumingMemoryBound(to: Float.self)
      for index in expected.indices where floats[index] != expected[index] { _exit(3) }
      _exit(0)
    }
    var status: Int32 = -1
    #expect(waitpid(child, &status, 0) == child)
    #expect(status == 0)
    #expect(try session.outputs(of: tokens)[0] == expected)
  }

  @Test func hostThreadsGiveTheSameBits() throws {
    let model = try Model(SyntheticEncoder(seed: 43, precision: .quantized).description)
    var generator = SeededGenerator(seed: 44)
    let tokens = TokenBatch(batch: 4, sequence: 20, vocabulary: 50, masksTails: true, using: &generator)
    let expected = try Session(model).outputs(of: tokens)
    var options = SessionOptions()
    // Backwards and one after the other: allowed, and the least that a host can do.
    options.parallelFor = ParallelForHook(
      context: nil, width: { _ in 5 },
      parallelFor: { _, count, body, argument in
        for index in (0..<count).reversed() { body?(argument, index) }
        return 0
      })
    #expect(try Session(model, options: options).outputs(of: tokens) == expected)
    #expect(try Session(model, options: options).threadCount == 5)
  }

  @Test(arguments: [7, -1])
  func hostThatFailsIsReported(status: Int) throws {
    let model = try Model(SyntheticEncoder(seed: 45, precision: .quantized).description)
    var options = SessionOptions()
    let context = UnsafeMutableRawPointer(bitPattern: status == 7 ? 7 : 1)
    options.parallelFor = ParallelForHook(
      context: context, width: { _ in 2 },
      // Does nothing: either says so, or claims that all is done.
      parallelFor: { context, _, _, _ in context == UnsafeMutableRawPointer(bitPattern: 7) ? 7 : 0 })
    let session = try Session(model, options: options)
    try session.set(0, [Int32](repeating: 1, count: 40), [2, 20])
    let error = #expect(throws: RuntimeError.self) { try session.run() }
    #expect(error?.code == .hostParallelForFailed)
    #expect(error?.actual == status)
    #expect(throws: RuntimeError.self) { try session.output(0) }
  }

  @Test func profileCountsAllRowsAndProducts() throws {
    let encoder = SyntheticEncoder(seed: 46, precision: .quantized)
    let model = try Model(encoder.description)
    for threads in 1...2 {
      for (batch, sequence) in [(1, 6), (4, 24)] {
        var options = SessionOptions()
        options.threadCount = threads
        options.isProfiling = true
        let session = try Session(model, options: options)
        var generator = SeededGenerator(seed: 47)
        let tokens = TokenBatch(
          batch: batch, sequence: sequence, vocabulary: 50, masksTails: false, using: &generator)
        _ = try session.outputs(of: tokens)
        let rows = UInt64(batch * sequence)
        let linears = session.profile.filter { $0.operation.hasPrefix("linear") }
        #expect(linears.count == 8)
        #expect(linears.allSatisfy { $0.rows == rows })
        let perRow: UInt64 = 2 * (4 * 48 * 48 + 2 * 48 * 80)
        var products: UInt64 = 0
        for entry in linears { products += entry.multiplyAccumulates }
        #expect(products == rows * perRow)
        #expect(linears.allSatisfy { $0.nanoseconds > 0 })
        session.resetProfile()
        #expect(session.profile.allSatisfy { $0.rows == 0 && $0.nanoseconds == 0 })
      }
    }
  }
}
