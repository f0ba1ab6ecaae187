package import SoniqGraph
package import SoniqMemory

/// One plan, one workspace and the threads to run a model with. One thread may use it at a time; several
/// sessions of one model may run at the same time.
package final class Session: @unchecked Sendable {
  package let model: Model

  /// Makes the plan, takes the memory and starts the threads: `run` needs nothing more.
  package init(_ model: Model, options: SessionOptions = SessionOptions()) throws(RuntimeError) {
    self.model = model
    throw RuntimeError(.invalidOption, subject: "session (not built yet)")
  }

  /// Bytes of workspace that a session with these options needs; the `workspace` option is ignored.
  package static func workspaceSize(_ model: Model, options: SessionOptions) throws(RuntimeError) -> Int {
    throw RuntimeError(.invalidOption, subject: "session (not built yet)")
  }

  /// Threads at work in `run`, the caller's included.
  package var threadCount: Int { 1 }
  /// Bytes of the workspace.
  package var workspaceByteCount: Int { 0 }
  /// What the session's own arena holds; nil when the host gave the workspace.
  package var memory: MemoryStatistics? { nil }
  /// The cap in force: "portable", "avx2" or "avx512".
  package var instructionSet: String { "portable" }

  /// Sets input `index` for the runs to come and makes the outputs not ready.
  ///
  /// - Parameters:
  ///   - index: of `Model.inputs`.
  ///   - data: row-major elements of `elementType`.
  ///   - elementType: that of the input.
  ///   - shape: `rank` dimensions, each >= 1.
  ///   - rank: that of the input.
  ///   - borrowing: read `data` in place during every `run` from now on, instead of copying it now. It
  ///     must then stay valid and be aligned to 4 bytes (else it is copied).
  /// - Throws: `noSuchInput`, `nullPointer`, `wrongElementType`, `wrongRank`, `wrongDimension`,
  ///   `dimensionTooLarge`. The input then keeps its former state.
  package func setInput(
    _ index: Int, data: UnsafeRawPointer?, elementType: ElementType, shape: UnsafePointer<Int64>?, rank: Int,
    borrowing: Bool = false
  ) throws(RuntimeError) {
    throw RuntimeError(.noSuchInput, actual: index)
  }

  /// Forgets input `index`: optional inputs take their fill again.
  package func clearInput(_ index: Int) throws(RuntimeError) {
    throw RuntimeError(.noSuchInput, actual: index)
  }

  /// Computes all outputs. Allocates nothing, locks nothing, logs nothing.
  ///
  /// - Throws, before anything is computed: `inputMissing`, `dimensionConflict`, `idOutOfRange`; and
  ///   `hostParallelForFailed`.
  package func run() throws(RuntimeError) {}

  /// Where output `index` lies and its shape. Valid until the next `setInput`, `run` or the session's end.
  package func output(_ index: Int) throws(RuntimeError) -> (data: UnsafeRawPointer, shape: [Int]) {
    throw RuntimeError(.noSuchOutput, actual: index)
  }

  /// The same without an allocation: writes the first min(rank, capacity) dimensions to `shape`.
  ///
  /// - Returns: the data and the rank.
  package func output(
    _ index: Int, shape: UnsafeMutablePointer<Int64>?, capacity: Int
  ) throws(RuntimeError) -> (data: UnsafeRawPointer, rank: Int) {
    throw RuntimeError(.noSuchOutput, actual: index)
  }

  /// A value named in `SessionOptions.keptValues`, like `output`.
  package func keptValue(_ value: ValueID) throws(RuntimeError) -> (data: UnsafeRawPointer, shape: [Int]) {
    throw RuntimeError(.noSuchOutput, actual: value)
  }

  /// One entry a step, in order of execution; times are 0 without `isProfiling`.
  package var profile: [ProfileEntry] { [] }
  package func resetProfile() {}

  /// One entry a node, in order of execution.
  package var kernelReport: [KernelReportEntry] { [] }
}
