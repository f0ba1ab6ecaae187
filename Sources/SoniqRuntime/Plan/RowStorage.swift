import SoniqGraph
import SoniqKernels
import SoniqMemory
import SoniqOperators

/// Where the rows of a value or of scratch lie.
///
/// Values that live across segments lie in the arena (or in the host's memory), row after row. Values of
/// one segment live only while a block of rows passes through it: each lane has memory of its own for
/// that, small enough for its cache. When the lanes share their rows, the memory of all of them is laid
/// out like that of one, each part as many times larger as there are lanes.
struct RowStorage: BitwiseCopyable {
  var base: UnsafeMutableRawPointer
  var rowBytes: Int
  /// Bytes between the blocks of two lanes; 0 when the row's number in the whole value counts.
  var laneStride = 0
  /// The block of all lanes together.
  var sharedBase: UnsafeMutableRawPointer?

  /// The window's first row.
  @inline(__always)
  func address(_ window: RowWindow) -> UnsafeMutableRawPointer {
    if laneStride == 0 { return base + window.firstRow * rowBytes }
    guard window.isShared, let sharedBase else { return base + window.lane * laneStride }
    return sharedBase
  }
  @inline(__always)
  func floats(_ window: RowWindow) -> UnsafeMutablePointer<Float> {
    address(window).assumingMemoryBound(to: Float.self)
  }
  @inline(__always)
  func integers(_ window: RowWindow) -> UnsafeMutablePointer<Int32> {
    address(window).assumingMemoryBound(to: Int32.self)
  }
  /// Floats between rows.
  @inline(__always) var stride: Int { rowBytes >> 2 }
}

/// Index of a `RowStorage` of the plan.
typealias StorageID = Int

/// The rows that a call works on, counted from `firstRow` of the whole value.
struct RowWindow: BitwiseCopyable {
  /// The thread's number: whose scratch, and whose block of rows, to use.
  var lane: Int
  /// All lanes work on the block of all lanes.
  var isShared: Bool
  var firstRow: Int
  /// Rows that the matrices of this window are multiplied with at a time: kernels are chosen by it, so it is the
  /// same for all calls that work on the window.
  var rowClass: Int

  /// All rows, for the steps of a lane that shares them.
  static func all(lane: Int, rows: Int) -> RowWindow {
    RowWindow(lane: lane, isShared: true, firstRow: 0, rowClass: RowClass(rows: rows).rawValue)
  }
}

/// A dimension without its graph: a symbol's index, or the negated size.
typealias SizeReference = Int

extension Dimension {
  var sizeReference: SizeReference {
    switch self {
    case .fixed(let size): -size
    case .symbol(let symbol): symbol
    }
  }
}

/// What the steps of a run share: plain memory, reached through one pointer.
struct RunFrame: BitwiseCopyable {
  var storages: UnsafeMutablePointer<RowStorage>
  var steps: UnsafePointer<Step>
  /// By state.
  var states: UnsafePointer<StateStorage>
  /// Of the texts whose rows a run of one batch entry has; none where states are the frame's own.
  var texts: UnsafePointer<TextRows>
  var textCount = 0
  /// Sizes bound to the symbols for this run.
  var sizes: UnsafeMutablePointer<Int>
  /// [lane][step], nil when not profiling.
  var costs: UnsafeMutablePointer<StepCost>?
  /// Of each lane: the first index out of range in this run.
  var faults: UnsafeMutablePointer<IndexFault>
  var stepCount: Int
  /// Scratch of each lane for attention and for gathering.
  var scratch: UnsafeMutableRawPointer
  var scratchStride: Int
  /// What the host's functions are called in; set before each run.
  var host = HostFloatState()
  /// The region at work.
  var region = Region()

  @inline(__always)
  func size(_ reference: SizeReference) -> Int { reference < 0 ? -reference : sizes[reference] }
}

/// One fork-join: units of work and the steps to do for each.
struct Region: BitwiseCopyable {
  enum Split: BitwiseCopyable {
    /// A unit is a block of rows that goes through all steps in the lane's own block.
    case rowBlocks
    /// A unit is some rows of the block that all lanes share.
    case sharedRows
    /// A unit is some panels of the one matrix step, for all rows of the shared block.
    case panels
    /// A unit is some units of the one step that has units of its own.
    case units
  }
  var split = Split.rowBlocks
  var firstStep = 0
  var endStep = 0
  /// Rows, panels or units: those in all, those of a unit, and the first of this region.
  var total = 0
  var unitSize = 1
  var origin = 0
  /// Rows of the shared block.
  var rows = 0
}

/// What a lane has spent on a step.
struct StepCost: BitwiseCopyable {
  var nanoseconds: UInt64 = 0
  var rows: UInt64 = 0
  var multiplyAccumulates: UInt64 = 0
}
