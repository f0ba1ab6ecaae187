import CMemory
import CSoniq
import SoniqCore
import SoniqGraph
import SoniqMemory
import SoniqRuntime

/// Behind a soniq_matrix: immutable but for the multipliers that wait for a caller.
final class MatrixHandle: Handle {
  override class var tag: UInt64 { 0x0178_6972_7461_6d00 }  // "\0matrix\1"
  override class var name: String { "matrix" }

  private let storage: MatrixStorage
  /// For all multipliers.
  private let preparedWeights: PreparedWeights
  let options: MatrixOptions
  let kernelReport: soniq_kernel_report
  /// Largest code and zero of each input channel, and whether the sum over all levels stays in int32.
  let largestCodes: [UInt8]
  /// The largest code of all channels, nil when they differ.
  let commonLargestCode: UInt8?
  let sumsAreExact: Bool
  private let texts: TextStore
  /// Multipliers that no caller uses now: one for each caller that ever ran at the same time.
  private let idle = IdleMultipliers()

  var matrix: PackedMatrix { storage.matrix }

  init(_ packing: MatrixPacking, options: MatrixOptions) throws(Failure) {
    self.options = options
    let arena: MemoryArena
    do throws(MemoryError) { arena = try MemoryArena(hooks: options.session.allocator) } catch {
      throw Failure(error)
    }
    storage = try withExtendedLifetime(packing.store) { () throws(Failure) in
      try MatrixStorage(copying: packing.matrix, to: arena)
    }
    do throws(RuntimeError) {
      preparedWeights = try PreparedWeights(
        arena, constantCount: storage.matrix.levels.count, allowsCopies: options.allowsCopies)
    } catch { throw Failure(error) }
    let first = try Self.makeMultiplier(storage, preparedWeights, options)
    texts = TextStore(arena)
    var report = soniq_kernel_report()
    // The step before the last quantises the activations.
    if let entry = first.kernelReport.last { report = try soniq_kernel_report(entry, texts: texts) }
    kernelReport = report
    var codes = [UInt8](repeating: 0, count: storage.matrix.inputs)
    for (level, channels) in zip(options.levels, options.channels) {
      for channel in channels { codes[channel] = UInt8(level.activation.codeCount - 1) }
    }
    largestCodes = codes
    commonLargestCode = codes.allSatisfy { $0 == codes[0] } ? codes[0] : nil
    sumsAreExact = Self.sumsAreExact(storage.matrix)
    idle.push(WaitingMultiplier(first))
    super.init()
  }

  private static func makeMultiplier(
    _ storage: MatrixStorage, _ weights: PreparedWeights, _ options: MatrixOptions
  ) throws(Failure) -> MatrixMultiplier {
    do throws(RuntimeError) {
      return try MatrixMultiplier(
        storage.matrix, owner: storage, weights: weights, maximumRows: options.blockRows,
        options: options.session)
    } catch { throw Failure(error) }
  }

  private static func sumsAreExact(_ matrix: PackedMatrix) -> Bool {
    var sum = 0
    for level in matrix.levels {
      let largest = level.level.weight.maximumMagnitude * level.level.activation.maximumMagnitude
      guard let product = checkedProduct(largest, level.channels) else { return false }
      let (next, overflow) = sum.addingReportingOverflow(product)
      guard !overflow else { return false }
      sum = next
    }
    return sum <= Int(Int32.max)
  }

  /// Runs a body with a multiplier of the caller's own. Allocates only when none is idle.
  @inline(__always)
  func withMultiplier(_ body: (MatrixMultiplier) throws(Failure) -> Void) throws(Failure) {
    let waiting = if let waiting = idle.pop() { waiting } else { try anotherMultiplier() }
    defer { idle.push(waiting) }
    try body(waiting.multiplier)
  }

  /// For one more caller at the same time.
  private func anotherMultiplier() throws(Failure) -> WaitingMultiplier {
    guard let reserve = snq_reserve_begin(Reserve.base) else {
      throw Failure(MemoryError.outOfMemory(byteCount: 0))
    }
    defer { snq_reserve_end(reserve) }
    return WaitingMultiplier(try Self.makeMultiplier(storage, preparedWeights, options))
  }

  /// The level with this index.
  func level(_ index: UInt32) throws(Failure) -> MatrixLevel {
    guard index < matrix.levels.count else { throw .index(index, of: "level", count: matrix.levels.count) }
    return matrix.levels[Int(index)]
  }

  /// Bytes of the packed codes, and of everything.
  var byteCounts: (weights: Int, all: Int) {
    var weights = 0
    var others = (matrix.gather?.count ?? 0) + (matrix.bias?.count ?? 0)
    for level in matrix.levels {
      weights += level.weights.count
      others += level.numbers.reduce(0) { $0 + $1.count }
    }
    return (weights, weights + others)
  }
}
