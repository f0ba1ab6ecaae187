import SoniqGraph
import SoniqMemory

/// What the numbers of a state are, and how they lie.
enum StateForm: Equatable, BitwiseCopyable {
  /// Rows of channels, as in the graph.
  case float32, float16
  /// Codes by heads, and steps behind them: see snq_append_codes_args.
  case keyCodes(bits: Int)
  case valueCodes(bits: Int)

  /// `isKey` is read of growing states alone.
  init(_ state: GraphState, isKey: Bool) {
    switch state.elementType {
    case .int8 where state.isGrowing:
      self = isKey ? .keyCodes(bits: state.bits) : .valueCodes(bits: state.bits)
    case .float16: self = .float16
    default: self = .float32
    }
  }

  /// Bits of a code; nil of floats.
  var codeBits: Int? {
    switch self {
    case .float32, .float16: nil
    case .keyCodes(let bits), .valueCodes(let bits): bits
    }
  }
  var isCodes: Bool { codeBits != nil }

  /// Bytes of a head of a position.
  func headBytes(_ length: Int) -> Int {
    switch self {
    case .float32: 4 &* length
    case .float16: 2 &* length
    case .keyCodes(let bits): length &* bits / 8
    case .valueCodes(let bits): bits == 8 ? length : (length &+ 31) / 32 &* 16
    }
  }
}

/// Where a state lies, for the steps of a run.
struct StateStorage: BitwiseCopyable {
  /// Of a growing state [batch][capacity][channels]; of codes [batch][heads][room].
  var base: UnsafeMutableRawPointer
  /// Positions of a growing state that runs before have made; the same for every entry of the batch.
  var length = 0
  var capacity = 0
  var channels = 0
  var form = StateForm.float32
  var heads = 1
  /// Of codes [batch][heads][room].
  var steps: UnsafeMutablePointer<Float>?
  /// Of a recurrent one that no run has replaced: it is zero, whatever lies there.
  var isZero = false

  /// Bytes of a position; of codes without the steps.
  var rowBytes: Int { heads &* headBytes }
  /// The same, of codes with the steps.
  var copiedRowBytes: Int { rowBytes &+ (form.isCodes ? 4 &* heads : 0) }
  /// Positions that memory has room for.
  var room: Int { form.isCodes ? StateLayout.room(capacity) : capacity }
  var headLength: Int { channels / heads }
  var headBytes: Int { form.headBytes(headLength) }

  /// A position of an entry of the batch, of floats.
  func row(_ entry: Int, _ position: Int) -> UnsafeMutableRawPointer {
    base + (entry &* capacity &+ position) &* rowBytes
  }

  /// The first byte of an entry of the batch.
  func start(_ entry: Int) -> UnsafeMutableRawPointer { base + entry &* room &* rowBytes }

  /// The codes of a head, from position 0 on.
  func plane(_ entry: Int, _ head: Int) -> UnsafeMutableRawPointer {
    base + (entry &* heads &+ head) &* room &* headBytes
  }

  /// The step of a position and head.
  func step(_ entry: Int, _ head: Int, _ position: Int) -> UnsafeMutablePointer<Float>? {
    steps.map { $0 + ((entry &* heads &+ head) &* room &+ position) }
  }
}

/// Where states lie in one block of memory.
struct StateLayout {
  /// By state, each a multiple of 64.
  private(set) var offsets: [Int] = []
  private(set) var byteCounts: [Int] = []
  /// By state: bytes before the steps of codes.
  private(set) var stepOffsets: [Int] = []
  private(set) var byteCount = 0

  /// Tiles of keys have 16 positions.
  static func room(_ capacity: Int) -> Int { (capacity &+ 15) & ~15 }

  /// - Parameters:
  ///   - states: of a valid graph.
  ///   - rows: by state: `Graph.growingRows`.
  ///   - maximums: of the graph's symbols.
  /// - Throws: `workspaceTooLarge`.
  init(_ states: [GraphState], rows: [GrowingRows?], maximums: [Int]) throws(RuntimeError) {
    for (index, state) in states.enumerated() {
      let sizes = state.shape.map { dimension in
        switch dimension {
        case .fixed(let size): size
        case .symbol(let symbol): maximums[symbol]
        }
      }
      let form = StateForm(state, isKey: rows[index]?.isKey == true)
      let heads = rows[index]?.heads ?? 1
      var bytes = state.elementType.byteCount
      for size in sizes where !form.isCodes { bytes = try Self.product(bytes, size, of: state) }
      if form.isCodes {
        let room = try Self.product(Self.room(sizes[1]), sizes[0], of: state)
        bytes = try Self.product(heads * form.headBytes(sizes[2] / heads), room, of: state)
        // Kernels read sixteen codes at a time, at the end of a row what follows: the steps.
        bytes = try Self.sum(bytes, 63, of: state) & ~63
      }
      stepOffsets.append(bytes)
      if form.isCodes {
        let steps = try Self.product(4 * heads * Self.room(sizes[1]), sizes[0], of: state)
        bytes = try Self.sum(bytes, steps, of: state)
      }
      offsets.append(byteCount)
      byteCounts.append(bytes)
      byteCount = try Self.sum(byteCount, (bytes + 63) / 64 * 64, of: state)
    }
  }

  private static func product(_ a: Int, _ b: Int, of state: GraphState) throws(RuntimeError) -> Int {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    guard !overflow, product <= Int.max / 4 else { throw tooLarge(state) }
    return product
  }

  private static func sum(_ a: Int, _ b: Int, of state: GraphState) throws(RuntimeError) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    guard !overflow, sum <= Int.max / 4 else { throw tooLarge(state) }
    return sum
  }

  private static func tooLarge(_ state: GraphState) -> RuntimeError {
    RuntimeError(.workspaceTooLarge, subject: state.name)
  }
}

/// The block, of the session's arena or the host's allocator.
final class StateMemory: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  private let byteCount: Int
  private let arena: MemoryArena

  /// - Throws: `outOfMemory`.
  init(byteCount: Int, arena: MemoryArena) throws(RuntimeError) {
    self.byteCount = byteCount
    self.arena = arena
    do throws(MemoryError) { start = try arena.allocate(byteCount: self.byteCount) } catch {
      throw RuntimeError(error)
    }
  }

  deinit { arena.free(start, byteCount: byteCount) }
}
