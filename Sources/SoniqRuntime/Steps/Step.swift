import CPlatform

/// A kind of step: its arguments lie in `PlanMemory`.
protocol RunnableStep: BitwiseCopyable {
  /// `{ TheType.answer($0, $1) }`: a C function cannot be made of a generic type.
  static var entry: StepEntry { get }
  /// Panels of the matrix when the step can be split over them, else 0.
  var panelCount: Int { get }
  /// Multiply-accumulates of one row, or of one unit.
  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int
  /// Of steps that have units of their own: how many, and how many at a time.
  func units(_ frame: borrowing RunFrame, lanes: Int) -> StepUnits
  /// It depends on sizes of the run beside the number of its rows: see `bind`.
  var isDynamic: Bool { get }
  /// Takes the sizes of the run; called before its first step.
  mutating func bind(_ frame: borrowing RunFrame)
  /// Does rows of the window (a matrix step all its panels), or units.
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ panels: Range<Int>)
}

extension RunnableStep {
  var panelCount: Int { 0 }
  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { 0 }
  func units(_ frame: borrowing RunFrame, lanes: Int) -> StepUnits { StepUnits() }
  var isDynamic: Bool { false }
  mutating func bind(_ frame: borrowing RunFrame) {}

  static func answer(_ context: UnsafeRawPointer, _ question: UnsafeMutableRawPointer) {
    let step = context.assumingMemoryBound(to: Self.self)
    let question = question.assumingMemoryBound(to: StepQuestion.self)
    let frame = question.pointee.frame
    switch question.pointee.kind {
    case .run:
      step.pointee.run(
        frame.pointee, question.pointee.window, question.pointee.rows, question.pointee.panels)
    case .count: question.pointee.multiplyAccumulates = step.pointee.multiplyAccumulates(frame.pointee)
    case .bind: UnsafeMutablePointer(mutating: step).pointee.bind(frame.pointee)
    case .split(let lanes): question.pointee.units = step.pointee.units(frame.pointee, lanes: lanes)
    }
  }
}

/// A step that does rows and knows of no panels.
protocol RowStep: RunnableStep {
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>)
}

extension RowStep {
  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ panels: Range<Int>) {
    run(frame, window, rows)
  }
}

/// Takes a step and a `StepQuestion`.
typealias StepEntry = @convention(c) (UnsafeRawPointer, UnsafeMutableRawPointer) -> Void

struct StepUnits: BitwiseCopyable {
  var count = 0
  /// Units that a lane takes at a time.
  var size = 1
}

/// What a step is asked for, and its answer.
struct StepQuestion {
  enum Kind {
    case run, count, bind
    case split(lanes: Int)
  }
  var kind: Kind
  var frame: UnsafePointer<RunFrame>
  var window = RowWindow.all(lane: 0, rows: 0)
  var rows = 0..<0
  var panels = 0..<0
  var multiplyAccumulates = 0
  var units = StepUnits()
}

/// One step of the plan.
struct Step: BitwiseCopyable {
  let entry: StepEntry
  let context: UnsafeRawPointer
  let panelCount: Int
  let isDynamic: Bool

  init<Kind: RunnableStep>(_ step: UnsafePointer<Kind>) {
    entry = Kind.entry
    context = UnsafeRawPointer(step)
    panelCount = step.pointee.panelCount
    isDynamic = step.pointee.isDynamic
  }
}

extension UnsafePointer<RunFrame> {
  /// Does `rows` of the window; a matrix step does `panels` of all.
  @inline(never)
  func perform(_ index: Int, _ window: RowWindow, rows: Range<Int>, panels: Range<Int>) {
    let step = pointee.steps[index]
    var question = StepQuestion(kind: .run, frame: self, window: window, rows: rows, panels: panels)
    guard let costs = pointee.costs else {
      step.entry(step.context, &question)
      return
    }
    let start = snq_clock_nanoseconds()
    step.entry(step.context, &question)
    let cost = costs + (window.lane * pointee.stepCount + index)
    cost.pointee.nanoseconds &+= snq_clock_nanoseconds() &- start
    // Panels of the same rows are counted once: by the unit that has the first panel.
    let isWhole = panels.lowerBound == 0
    if isWhole { cost.pointee.rows &+= UInt64(rows.count) }
    question.kind = .count
    step.entry(step.context, &question)
    let share = step.panelCount == 0 ? 1 : step.panelCount
    cost.pointee.multiplyAccumulates &+= UInt64(
      truncatingIfNeeded: rows.count &* question.multiplyAccumulates / share &* Swift.max(1, panels.count))
  }

  /// Lets a step take the sizes of the run.
  func bind(_ index: Int) {
    let step = pointee.steps[index]
    var question = StepQuestion(kind: .bind, frame: self)
    step.entry(step.context, &question)
  }

  /// The units of a step that has units of its own.
  func units(_ index: Int, lanes: Int) -> StepUnits {
    let step = pointee.steps[index]
    var question = StepQuestion(kind: .split(lanes: lanes), frame: self)
    step.entry(step.context, &question)
    return question.units
  }
}
