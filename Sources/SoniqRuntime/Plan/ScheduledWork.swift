import SoniqGraph

/// What a scheduled step does, with the constants it needs: how it is planned and made ready.
protocol ScheduledWork {
  var traits: WorkTraits { get }
  /// Scratch of a lane.
  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int
  /// The step, and what to say of it.
  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription)
}

extension ScheduledWork {
  var traits: WorkTraits { [] }
  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int { 0 }
}

struct WorkTraits: OptionSet {
  let rawValue: UInt8

  /// May be split over panels, and is then done by all lanes together.
  static let matrix = WorkTraits(rawValue: 1)
  /// Has units of its own instead of rows: no step can follow in its segment.
  static let ownUnits = WorkTraits(rawValue: 2)
  /// Its rows are pixels of which it takes those of a row of an image together.
  static let windowed = WorkTraits(rawValue: 4)
  /// Reads rows that other lanes make: all steps before it must be done.
  static let readsOtherRows = WorkTraits(rawValue: 8)
}

/// What the scratch of a step depends on.
struct ScratchSizing {
  let schedule: Schedule
  var kernels: StepKernels { schedule.kernels }

  func size(_ dimension: Dimension) -> Int {
    switch dimension {
    case .fixed(let size): size
    case .symbol(let symbol): schedule.maximums[symbol]
    }
  }
}
