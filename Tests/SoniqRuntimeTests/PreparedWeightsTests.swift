import Glibc
import SoniqCore
import SoniqGraph
import SoniqMemory
import SoniqTestSupport
import Synchronization
import Testing

@testable import SoniqRuntime

@Suite struct PreparedWeightsTests {
  @Test(arguments: [1, 2, 3, 5, 6, 7], [(16, 32), (33, 100), (70, 257)])
  func planesBecomeWhatTheFileWouldHave(bits: Int, size: (outputs: Int, channels: Int)) throws {
    let planes = try Planes(bits: bits, outputs: size.outputs, channels: size.channels, seed: 5000)
    let wide = bits < 4 ? 4 : 8
    let expected = try planes.packed(at: wide)
    let weights = try PreparedWeights(MemoryArena(), constantCount: 1, allowsCopies: true)
    let start = try weights.bytes(of: planes.form(wide))
    #expect(UInt(bitPattern: start) % 64 == 0)
    #expect(Array(UnsafeRawBufferPointer(start: start, count: expected.count)) == expected)
    #expect(weights.copiedByteCount == expected.count)
  }

  /// Kernels count on zeros behind the last channel, whatever the entry of code 0 is.
  @Test(arguments: [96, 97, 98, 99], [0, 128]) func codebooksBecomeTheirEntries(
    channels: Int, bias: UInt8
  ) throws {
    let weights = try PreparedWeights(MemoryArena(), constantCount: 1, allowsCopies: true)
    let planes = try Planes(bits: 3, outputs: 32, channels: channels, seed: 12)
    let start = try weights.bytes(of: planes.entries(plus: bias))
    let expected = planes.packedEntries(plus: bias)
    #expect(Array(UnsafeRawBufferPointer(start: start, count: expected.count)) == expected)
  }

  @Test func equalFormsAreOne() throws {
    let weights = try PreparedWeights(MemoryArena(), constantCount: 2, allowsCopies: true)
    let planes = try (1...3).map { try Planes(bits: $0, outputs: 16, channels: 64, seed: UInt64($0)) }
    let forms = planes.flatMap { [$0.form(4), $0.form(8)] }
    let places = try (forms + forms).map { (form) throws in try weights.bytes(of: form) }
    #expect(Array(places[..<6]) == Array(places[6...]) && Set(places).count == 6)
    #expect(weights.copiedByteCount == 3 * (16 * 32 + 16 * 64))
  }

  /// Threads that ask at the same time, while the first one is held up in its allocation, get the same bytes.
  @Test func threadsShareWhatOneMakes() throws {
    let planes = try Planes(bits: 2, outputs: 64, channels: 256, seed: 7)
    let host = HostMemory()
    let weights = try PreparedWeights(
      MemoryArena(hooks: host.hooks), constantCount: 1, allowsCopies: true)
    host.meanwhile = { size in if size == 64 * 128 { usleep(20000) } }
    nonisolated(unsafe) let places = UnsafeMutablePointer<UnsafeRawPointer?>.allocate(capacity: 8)
    defer { places.deallocate() }
    places.initialize(repeating: nil, count: 8)
    let threads = try (0..<8).map { index in
      try Thread { places[index] = try? weights.bytes(of: planes.form(4)) }
    }
    for thread in threads { thread.join() }
    let found = (0..<8).map { places[$0] }
    #expect(Set(found).count == 1 && found[0] != nil)
    #expect(host.largeCalls(64 * 128) == 1 && weights.copiedByteCount == 64 * 128)
  }

  /// Whichever allocation fails: an error, nothing is kept of what failed, and the next try succeeds.
  @Test func everyAllocationMayFail() throws {
    let planes = try Planes(bits: 3, outputs: 32, channels: 96, seed: 9)
    let forms = [planes.form(4), try planes.borders(), planes.form(8), planes.entries(plus: 128)]
    let whole = HostMemory()
    try Self.make(forms, whole)
    var failures = 0
    for call in 1...whole.calls {
      let host = HostMemory()
      host.refusedCall = call
      do {
        try Self.make(forms, host)
      } catch let error as RuntimeError {
        #expect(error.code == .outOfMemory)
        failures += 1
      }
      #expect(host.live == 0)
    }
    #expect(failures == whole.calls && whole.live == 0)
  }

  /// Makes all forms; where one fails, again, and then throws the first failure.
  private static func make(_ forms: [PreparedForm], _ host: HostMemory) throws {
    let weights = try PreparedWeights(
      MemoryArena(hooks: host.hooks), constantCount: 1, allowsCopies: true)
    var failure: RuntimeError?
    for form in forms {
      let (live, copied) = (host.live, weights.copiedByteCount)
      do throws(RuntimeError) { _ = try weights.bytes(of: form) } catch {
        failure = error
        // An entry of a list, at most.
        #expect(host.live - live <= 512 && weights.copiedByteCount == copied)
        _ = try weights.bytes(of: form)
      }
    }
    if let failure { throw failure }
  }

  /// A child finds a form that a thread of its parent was making: it makes the form itself.
  @Test func aForkedChildWaitsForNobody() throws {
    let planes = try Planes(bits: 2, outputs: 32, channels: 128, seed: 11)
    let expected = try planes.packed(at: 4)
    let host = HostMemory()
    let weights = try PreparedWeights(
      MemoryArena(hooks: host.hooks), constantCount: 1, allowsCopies: true)
    let parent = getpid()
    let isMaking = Atomic<Bool>(false)
    let mayGoOn = Atomic<Bool>(false)
    host.meanwhile = { size in
      guard size == expected.count, getpid() == parent else { return }
      isMaking.store(true, ordering: .releasing)
      while !mayGoOn.load(ordering: .acquiring) { usleep(1000) }
    }
    let maker = try Thread { _ = try? weights.bytes(of: planes.form(4)) }
    while !isMaking.load(ordering: .acquiring) { usleep(1000) }
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
    let child = fork()
    if child == 0 {
      alarm(20)
      let start = try? weights.bytes(of: planes.form(4))
      let isRight = start.map { memcmp($0, expected, expected.count) == 0 } ?? false
      _exit(isRight ? 0 : 1)
    }
    var status: Int32 = -1
    #expect(child > 0 && waitpid(child, &status, 0) == child && status == 0)
    mayGoOn.store(true, ordering: .releasing)
    maker.join()
    #expect(memcmp(try weights.bytes(of: planes.form(4)), expected, expected.count) == 0)
  }
}

/// Random codes of a matrix, packed in planes.
private struct Planes {
  /// Forms do not own the bytes that they point to, and are read after a test's last use of what made them.
  private static let kept = Mutex<[AlignedBuffer]>([])
  private let bits: Int
  private let outputs: Int
  private let channels: Int
  private let codes: [UInt8]
  private let planes: AlignedBuffer

  init(bits: Int, outputs: Int, channels: Int, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    codes = (0..<outputs * channels).map { _ in UInt8.random(in: 0..<1 << UInt8(bits), using: &generator) }
    (self.bits, self.outputs, self.channels) = (bits, outputs, channels)
    let planes = try Self.pack(codes, bits, outputs: outputs, channels: channels)
    Self.kept.withLock { $0.append(planes) }
    self.planes = planes
  }

  private static func pack(_ codes: [UInt8], _ bits: Int, outputs: Int, channels: Int) throws -> AlignedBuffer
  {
    let packing = try #require(
      WeightPacking(code: .symmetric(bits), outputs: outputs, channels: channels))
    let bytes = AlignedBuffer(byteCount: packing.byteCount)
    codes.withUnsafeBufferPointer {
      packing.pack($0, into: UnsafeMutableRawBufferPointer(start: bytes.start, count: bytes.count))
    }
    return bytes
  }

  /// The bytes of a file with so many bits a weight and the same stored integers.
  func packed(at wide: Int) throws -> [UInt8] {
    let bytes = try Self.pack(
      wide == 8 ? codes.map { $0 + 128 } : codes, wide, outputs: outputs, channels: channels)
    return Array(UnsafeRawBufferPointer(start: bytes.start, count: bytes.count))
  }

  private func level(taps: Int) -> StoredLevel {
    let none = ConstantBytes(planes)
    let level = MatrixLevel(
      level: Level(weight: .symmetric(bits), activation: ActivationCode(kind: .affine, bits: 8)),
      channels: channels / taps, taps: taps, weights: ConstantBytes(planes), scales: none, storedSums: none)
    return StoredLevel(level, panels: (outputs + 15) / 16)
  }

  func form(_ wide: Int) -> PreparedForm { .widenedCodes(WidenedCodes(level(taps: 1), bits: wide)) }

  /// The same planes as the codes of a codebook, for kernels of signed bytes, or with 128 more of unsigned ones.
  func entries(plus bias: UInt8) -> PreparedForm {
    let none = ConstantBytes(planes)
    let entries = (0..<8).map { Int8($0 * 17 - 60) }
    let level = MatrixLevel(
      level: Level(
        weight: .codebook(entries, layout: .planes), activation: ActivationCode(kind: .symmetric, bits: 8)),
      channels: channels, weights: none, scales: none, storedSums: none)
    let stored = StoredLevel(level, panels: (outputs + 15) / 16)
    return .widenedCodes(
      WidenedCodes(level: stored, bits: 8, layout: bias == 0 ? .bytes : .unsignedBytes, entryBias: bias))
  }

  /// The bytes that `entries` must have, whole tiles of them.
  func packedEntries(plus bias: UInt8) -> [UInt8] {
    let tiles = (channels + 3) / 4
    var bytes = [UInt8](repeating: 0, count: outputs * tiles * 4)
    for output in 0..<outputs {
      for channel in 0..<channels {
        let place = (output / 16 * tiles + channel / 4) * 64 + output % 16 * 4 + channel % 4
        bytes[place] = UInt8(
          truncatingIfNeeded: Int(codes[output * channels + channel]) * 17 - 60 + Int(bias))
      }
    }
    return bytes
  }

  /// The same weights as a row of three taps, whose sums need memory only while they are made.
  func borders() throws -> PreparedForm {
    let window = Window(height: 1, width: 3, padding: (0, 1, 0, 1))
    let geometry = ImageGeometry(window, shape: [1, 4, 5, channels / 3].map { .fixed($0) }, maximums: [])
    return .borderSums(BorderSums(level(taps: 3), geometry))
  }
}

/// A host's allocator that counts, refuses one call, and does something meanwhile.
private final class HostMemory: @unchecked Sendable {
  /// The hooks do not own it, and arenas may end after its last use by a test.
  private static let kept = Mutex<[HostMemory]>([])
  private let counts = Mutex<(live: Int, sizes: [Int])>((0, []))
  /// Set before the arena is used.
  var refusedCall = 0
  var meanwhile: (@Sendable (Int) -> Void)?

  var live: Int { counts.withLock { $0.live } }
  var calls: Int { counts.withLock { $0.sizes.count } }
  func largeCalls(_ size: Int) -> Int { counts.withLock { $0.sizes.count { $0 == size } } }

  private func allocate(_ size: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
    let call = counts.withLock { counts in
      counts.sizes.append(size)
      return counts.sizes.count
    }
    meanwhile?(size)
    guard call != refusedCall else { return nil }
    counts.withLock { $0.live += size }
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
  }

  var hooks: AllocatorHooks {
    Self.kept.withLock { $0.append(self) }
    return AllocatorHooks(
      context: Unmanaged.passUnretained(self).toOpaque(),
      allocate: { context, size, alignment in
        guard let context else { return nil }
        return Unmanaged<HostMemory>.fromOpaque(context).takeUnretainedValue().allocate(size, alignment)
      },
      free: { context, memory, size in
        guard let context else { return }
        Unmanaged<HostMemory>.fromOpaque(context).takeUnretainedValue().counts.withLock { $0.live -= size }
        Glibc.free(memory)
      })
  }
}

/// A thread that runs a body once.
private final class Thread {
  private var thread = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) throws {
    final class Body {
      let run: @Sendable () -> Void
      init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    let argument = Unmanaged.passRetained(Body(body)).toOpaque()
    let error = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument)
    try #require(error == 0)
  }

  func join() { pthread_join(thread, nil) }
}
