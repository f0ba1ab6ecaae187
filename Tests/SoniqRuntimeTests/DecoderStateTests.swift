import Glibc
import SoniqCore
import SoniqGraph
import SoniqMemory
import SoniqTestSupport
import Synchronization
import Testing

@testable import SoniqRuntime

/// Keys and values that attention finds from the runs before.
@Suite struct DecoderStateTests {
  static let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9]

  static func options(
    lanes: Int = 1, batch: Int = 1, capacity: Int? = nil, instructions: String? = nil
  ) -> SessionOptions {
    var options = SessionOptions()
    options.threadCount = lanes
    options.maximums = [SymbolMaximum(name: "batch", maximum: batch)]
    if let capacity { options.maximums.append(SymbolMaximum(name: "capacity", maximum: capacity)) }
    options.maximumInstructionSet = instructions
    return options
  }

  /// The bits of all logits of a run, [batch][positions x vocabulary].
  static func run(_ session: Session, _ batches: [[Int32]]) throws -> [[UInt32]] {
    try session.set(0, batches.flatMap { $0 }, [batches.count, batches[0].count])
    try session.run()
    let bits = try session.floats(session.output(0)).map(\.bitPattern)
    let length = bits.count / batches.count
    return batches.indices.map { Array(bits[$0 * length..<($0 + 1) * length]) }
  }

  /// The same in runs of these lengths.
  static func run(_ session: Session, _ ids: [Int32], by lengths: [Int]) throws -> [UInt32] {
    var bits: [UInt32] = []
    var begin = 0
    for length in lengths {
      bits += try run(session, [Array(ids[begin..<begin + length])])[0]
      begin += length
    }
    return bits
  }

  static func whole(_ decoder: SyntheticDecoder) throws -> [UInt32] {
    try run(Session(decoder.model(), options: options()), [ids])[0]
  }

  @Test(arguments: CacheNumbers.allCases)
  func isADecoder(cache: CacheNumbers) throws {
    let decoder = SyntheticDecoder(seed: 9400, states: cache)
    let truth = decoder.truth(Self.ids).flatMap { $0 }
    let session = try Session(decoder.model(), options: Self.options())
    let floats = try Self.run(session, Self.ids, by: [1, 7, 5]).map(Float.init(bitPattern:))
    let worst = zip(floats, truth).map { abs(Double($0) - $1) }.max() ?? .infinity
    let bound = cache == .float32 ? 2e-5 : cache == .float16 ? 2e-2 : cache == .bytes ? 5e-2 : 0.5
    #expect(floats.count == truth.count && worst < bound, "\(worst)")
  }

  @Test(arguments: [false, true], CacheNumbers.allCases)
  func runsOfAnyLength(isQuantized: Bool, cache: CacheNumbers) throws {
    let decoder = SyntheticDecoder(seed: 9401, isQuantized: isQuantized, states: cache)
    let expected = try Self.whole(decoder)
    let ones = [Int](repeating: 1, count: Self.ids.count)
    for lengths in [ones, [1, 7, 5], [8, 5], [4, 4, 4, 1], [12, 1]] {
      for lanes in 1...3 {
        let session = try Session(decoder.model(), options: Self.options(lanes: lanes))
        #expect(try Self.run(session, Self.ids, by: lengths) == expected, "\(lengths), \(lanes) lanes")
      }
      let portable = try Session(decoder.model(), options: Self.options(instructions: "portable"))
      #expect(try Self.run(portable, Self.ids, by: lengths) == expected, "\(lengths), portable")
    }
  }

  @Test(arguments: [false, true], [CacheNumbers.float32, .bytes, .nibbles])
  func entriesOfABatchAreAlone(isQuantized: Bool, cache: CacheNumbers) throws {
    let decoder = SyntheticDecoder(seed: 9402, isQuantized: isQuantized, states: cache)
    let others = [Self.ids, Self.ids.reversed(), Self.ids.map { ($0 + 1) % 11 }]
    let alone = try others.map { ids in
      try Self.run(Session(decoder.model(), options: Self.options()), [ids])[0]
    }
    for lanes in 1...3 {
      let session = try Session(decoder.model(), options: Self.options(lanes: lanes, batch: 3))
      var bits = [[UInt32]](repeating: [], count: 3)
      for range in [0..<2, 2..<9, 9..<13] {
        let parts = try Self.run(session, others.map { Array($0[range]) })
        for entry in 0..<3 { bits[entry] += parts[entry] }
      }
      #expect(bits == alone, "\(lanes) lanes")
    }
  }

  @Test func aFullStateRefusesARunAndStays() throws {
    let decoder = SyntheticDecoder(seed: 9403)
    let expected = try Self.whole(decoder)
    let session = try Session(decoder.model(), options: Self.options(capacity: 6))
    let first = try Self.run(session, Self.ids, by: [4])
    let error = #expect(throws: RuntimeError.self) { try Self.run(session, [Array(Self.ids[4..<7])]) }
    #expect(
      error?.code == .capacityExceeded && error?.subject == "keys 0" && error?.position == 4
        && error?.actual == 7 && error?.expected == 6)
    #expect(session.states.info(0).length == 4)
    #expect(throws: RuntimeError.self) { try session.output(0) }
    let rest = try Self.run(session, [Array(Self.ids[4..<6])])[0]
    let both: [UInt32] = first + rest
    #expect(both == Array(expected[..<(6 * SyntheticDecoder.vocabulary)]))
    #expect(throws: RuntimeError.self) { try Self.run(session, [[1]]) }
    session.states.reset()
    #expect(try Self.run(session, [Array(Self.ids[..<6])])[0] == both)
  }

  @Test(arguments: [CacheNumbers.float32, .bytes, .nibbles]) func truncatedStatesContinue(cache: CacheNumbers)
    throws
  {
    let decoder = SyntheticDecoder(seed: 9404, states: cache)
    let expected = try Self.whole(decoder)
    let session = try Session(decoder.model(), options: Self.options(batch: 2))
    let vocabulary = SyntheticDecoder.vocabulary
    for length in [12, 8, 3, 1] {
      _ = try Self.run(session, [Array(Self.ids[session.states.info(0).length...])])
      // What is cut off is of other tokens than what follows.
      _ = try Self.run(session, [[7, 7, 7]])
      let error = #expect(throws: RuntimeError.self) { try session.states.truncate(to: 17) }
      #expect(error?.code == .invalidArgument && error?.expected == 16)
      #expect(throws: RuntimeError.self) { try session.states.truncate(to: -1) }
      try session.states.truncate(to: length)
      #expect((0..<4).allSatisfy { session.states.info($0).length == length })
      let again = try Self.run(session, [Array(Self.ids[length...])])[0]
      #expect(again == Array(expected[(length * vocabulary)...]), "from \(length)")
      try session.states.truncate(to: length)
    }
    let other = #expect(throws: RuntimeError.self) { try Self.run(session, [[1], [2]]) }
    #expect(
      other?.code == .stateSizeDiffers && other?.subject == "keys 0" && other?.position == 0
        && other?.actual == 2 && other?.expected == 1)
    try session.states.truncate(to: 0)
    #expect(try Self.run(session, [Self.ids, Self.ids])[1] == expected)
  }

  @Test func theBatchIsOneUnlessNamed() throws {
    let session = try Session(SyntheticDecoder(seed: 9405).model())
    // [1][24][8] floats, four times.
    #expect(session.states.byteCount == 4 * 24 * 8 * 4)
    #expect(session.states.info(2).shape == [1, 24, 8] && session.states.info(2).name == "keys 1")
    // Codes have room for whole tiles of 16 positions, and a step for each position and head.
    let codes = try Session(SyntheticDecoder(seed: 9405, states: .bytes).model())
    #expect(codes.states.byteCount == 4 * (32 * 8 + 32 * 2 * 4))
    #expect(
      codes.states.info(2).elementType == .int8 && codes.states.info(2).byteCount == 32 * 8 + 32 * 2 * 4)
    let error = #expect(throws: RuntimeError.self) { try Self.run(session, [[1], [2]]) }
    #expect(error?.code == .dimensionNotPlanned && error?.expected == 1)
  }

  // MARK: Copies

  private static func copy(_ session: Session) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0xee, count: session.states.copyByteCount)
    try bytes.withUnsafeMutableBytes { try session.readStates(into: $0) }
    return bytes
  }

  private static func restore(_ session: Session, _ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try session.writeStates(from: $0) }
  }

  @Test(arguments: CacheNumbers.allCases)
  func savedStatesContinueElsewhere(cache: CacheNumbers) throws {
    let decoder = SyntheticDecoder(seed: 9406, states: cache)
    let others = [Self.ids, Self.ids.reversed()]
    let first = try Session(decoder.model(), options: Self.options(batch: 3))
    _ = try Self.run(first, others.map { Array($0[..<5]) })
    let saved = try Self.copy(first)
    let dataBytes = 2 * 2 * 5 * (cache.rowBytes(isKey: true) + cache.rowBytes(isKey: false))
    #expect(saved.count == 48 + 4 * 24 + dataBytes)
    let expected = try Self.run(first, others.map { Array($0[5...]) })
    // In another session of other sizes, which has states already; and in the same.
    let second = try Session(decoder.model(), options: Self.options(lanes: 2, batch: 2, capacity: 13))
    _ = try Self.run(second, [[2, 2, 2]])
    for session in [second, first] {
      try Self.restore(session, saved)
      #expect(try Self.copy(session) == saved)
      #expect(try Self.run(session, others.map { Array($0[5...]) }) == expected)
    }
    // Before the first run.
    let start = try Self.copy(Session(decoder.model(), options: Self.options()))
    try Self.restore(second, start)
    #expect(try Self.run(second, [Self.ids])[0] == Self.whole(decoder))
  }

  @Test func damagedStatesChangeNothing() throws {
    let decoder = SyntheticDecoder(seed: 9407)
    let session = try Session(decoder.model(), options: Self.options(batch: 2))
    _ = try Self.run(session, Self.ids, by: [3])
    let saved = try Self.copy(session)
    for index in saved.indices {
      var damaged = saved
      damaged[index] ^= 0x10
      let error = #expect(throws: RuntimeError.self, "byte \(index)") { try Self.restore(session, damaged) }
      #expect(error?.code == .invalidStates, "byte \(index)")
    }
    for count in [0, 1, 47, 48, 60, saved.count - 1] {
      #expect(throws: RuntimeError.self) { try Self.restore(session, Array(saved[..<count])) }
    }
    #expect(throws: RuntimeError.self) { try Self.restore(session, saved + [0]) }
    var small = [UInt8](repeating: 0, count: saved.count - 1)
    #expect(throws: RuntimeError.self) {
      try small.withUnsafeMutableBytes { try session.readStates(into: $0) }
    }
    #expect(try Self.copy(session) == saved)
  }

  @Test func statesOfAnotherSessionAreChecked() throws {
    let decoder = SyntheticDecoder(seed: 9408)
    let session = try Session(decoder.model(), options: Self.options(batch: 2))
    _ = try Self.run(session, [Self.ids, Self.ids])
    let saved = try Self.copy(session)
    func code(_ options: SessionOptions, identity: UInt64 = 0) throws -> RuntimeError.Code? {
      var description = ModelDescription(graph: decoder.graph, metadata: [], owner: decoder.owners)
      description.identity = identity
      let other = try Session(Model(description), options: options)
      _ = try Self.run(other, [[1, 2]])
      let before = try Self.copy(other)
      var code: RuntimeError.Code?
      do { try Self.restore(other, saved) } catch let error as RuntimeError { code = error.code }
      #expect(try Self.copy(other) == before)
      return code
    }
    #expect(try code(Self.options(batch: 2), identity: 5) == .statesOfAnotherModel)
    #expect(try code(Self.options(batch: 2, capacity: 12)) == .capacityExceeded)
    #expect(try code(Self.options(batch: 1)) == .dimensionTooLarge)
  }

  // MARK: What fails

  /// Calls of the host's threads, of which one fails.
  private final class Host: @unchecked Sendable {
    var calls = 0
    var failing = Int.max
  }

  @Test func aRunThatFailsInTheMiddleLeavesTheStates() throws {
    let decoder = SyntheticDecoder(seed: 9409)
    let expected = try Self.whole(decoder)
    let host = Host()
    var options = Self.options()
    options.threadCount = 0
    options.parallelFor = ParallelForHook(
      context: Unmanaged.passUnretained(host).toOpaque(), width: { _ in 2 },
      parallelFor: { context, count, body, argument in
        guard let context else { return 1 }
        let host = Unmanaged<Host>.fromOpaque(context).takeUnretainedValue()
        host.calls += 1
        if host.calls == host.failing { return 3 }
        for index in 0..<count { body?(argument, index) }
        return 0
      })
    try withExtendedLifetime(host) {
      let session = try Session(decoder.model(), options: options)
      _ = try Self.run(session, Self.ids, by: [4])
      host.calls = 0
      let rest = try Self.run(session, [Array(Self.ids[4...])])[0]
      let calls = host.calls
      #expect(calls > 4 && rest == Array(expected[(4 * SyntheticDecoder.vocabulary)...]))
      for failing in 1...calls {
        try session.states.truncate(to: 4)
        (host.calls, host.failing) = (0, failing)
        let error = #expect(throws: RuntimeError.self) { try Self.run(session, [[7, 7, 7, 7, 7, 7]]) }
        #expect(error?.code == .hostParallelForFailed && session.states.info(3).length == 4)
        host.failing = .max
        #expect(try Self.run(session, [Array(Self.ids[4...])])[0] == rest, "call \(failing)")
      }
    }
  }

  @Test func anIdOutOfRangeLeavesTheStates() throws {
    let decoder = SyntheticDecoder(seed: 9410)
    let session = try Session(decoder.model(), options: Self.options())
    let first = try Self.run(session, Self.ids, by: [4])
    #expect(throws: RuntimeError.self) { try Self.run(session, [[1, 99]]) }
    let rest = try Self.run(session, [Array(Self.ids[4...])])[0]
    let expected = try Self.whole(decoder)
    #expect(Array([first, rest].joined()) == expected)
  }

  @Test func positionsBeyondTheTableLeaveTheStates() throws {
    // More room than angles.
    let decoder = SyntheticDecoder(seed: 9411, capacity: 100)
    let session = try Session(decoder.model(), options: Self.options())
    for _ in 0..<2 { _ = try Self.run(session, [[Int32](repeating: 2, count: 30)]) }
    let error = #expect(throws: RuntimeError.self) { try Self.run(session, [[1, 2, 3, 4, 5]]) }
    #expect(error?.code == .idOutOfRange && error?.actual == 64)
    #expect(session.states.info(0).length == 60)
    _ = try Self.run(session, [[1, 2, 3, 4]])
  }

  @Test func memoryOfStatesCanBeRefused() throws {
    let model = try SyntheticDecoder(seed: 9412).model()
    Self.refusals.withLock { $0 = (0, 0) }
    var options = Self.options()
    options.allocator = AllocatorHooks(
      context: nil,
      allocate: { _, size, alignment in
        let isRefused = Self.refusals.withLock { refusals in
          refusals.calls += 1
          return refusals.calls == refusals.refused
        }
        return isRefused ? nil : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
      }, free: { _, memory, _ in Glibc.free(memory) })
    _ = try Session(model, options: options)
    let count = Self.refusals.withLock { $0.calls }
    #expect(count >= 3)
    for refused in 1...count {
      Self.refusals.withLock { $0 = (0, refused) }
      let error = #expect(throws: RuntimeError.self) { try Session(model, options: options) }
      #expect(error?.code == .outOfMemory, "call \(refused)")
    }
  }
  private static let refusals = Mutex((calls: 0, refused: 0))
}
