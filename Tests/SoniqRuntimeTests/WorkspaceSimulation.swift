import SoniqGraph
import SoniqTestSupport

@testable import SoniqRuntime

/// Runs the steps of a schedule without computing anything: every byte of the workspace knows which byte of which slot
/// was written there last, and a step that reads another one is a fault. Lanes advance in any order that the runtime
/// allows.
struct WorkspaceSimulation {
  /// How lanes share a segment.
  enum Sharing: CaseIterable { case ownBlocks, sharedRows }

  private let schedule: Schedule
  private let layout: WorkspaceLayout
  private let lanes: Int
  private let sharing: Sharing
  /// Of each byte: the slot in the upper half, the byte within it in the lower.
  private var bytes: [UInt64]
  private(set) var faults: [String] = []

  init(_ schedule: Schedule, _ layout: WorkspaceLayout, lanes: Int, _ sharing: Sharing) {
    self.schedule = schedule
    self.layout = layout
    self.lanes = lanes
    self.sharing = sharing
    bytes = [UInt64](repeating: .max, count: layout.byteCount)
  }

  /// Rows of a space; all dimensions are fixed here.
  static func rows(_ space: [Dimension]) -> Int {
    space.reduce(1) { product, dimension in
      if case .fixed(let size) = dimension { product * size } else { product }
    }
  }

  mutating func run(using generator: inout SeededGenerator) {
    for (slot, value) in schedule.slots.enumerated() where value.input != nil && !value.isExternal {
      write(slot, rows: 0..<Self.rows(value.space), lane: 0, firstRow: 0)
    }
    var begin = 0
    while begin < schedule.steps.count {
      let segment = schedule.steps[begin].segment
      let end = schedule.steps[begin...].firstIndex { $0.segment != segment } ?? schedule.steps.count
      let rows = Self.rows(schedule.steps[begin].space)
      switch sharing {
      case .ownBlocks: runBlocks(begin..<end, rows, &generator)
      case .sharedRows: runShared(begin..<end, rows, &generator)
      }
      begin = end
    }
    for (slot, value) in schedule.slots.enumerated() where value.isKept && !value.isExternal {
      check(slot, rows: 0..<Self.rows(value.space), lane: 0, firstRow: 0, "after the run")
    }
  }

  /// Blocks of rows go through all steps of the segment, each in the block of its lane.
  private mutating func runBlocks(_ steps: Range<Int>, _ rows: Int, _ generator: inout SeededGenerator) {
    struct Lane {
      var block = 0..<0
      var step = 0
    }
    var next = 0
    var active = (0..<lanes).map { _ in Lane(step: steps.upperBound) }
    while true {
      for lane in active.indices where active[lane].step == steps.upperBound && next < rows {
        active[lane] = Lane(block: next..<min(next + layout.blockRows, rows), step: steps.lowerBound)
        next = active[lane].block.upperBound
      }
      let working = active.indices.filter { active[$0].step < steps.upperBound }
      guard let lane = working.randomElement(using: &generator) else { return }
      let block = active[lane].block
      perform(active[lane].step, rows: block, lane: lane, firstRow: block.lowerBound)
      active[lane].step += 1
    }
  }

  /// All rows in the block of all lanes; those of a group in any order, each through all of the group's steps.
  private mutating func runShared(_ steps: Range<Int>, _ rows: Int, _ generator: inout SeededGenerator) {
    // More rows than this are never shared.
    let most = min(rows, max(1, lanes * Execution.rowsWorthOwnBlocks - 1))
    guard most == rows else { return runBlocks(steps, rows, &generator) }
    var begin = steps.lowerBound
    while begin < steps.upperBound {
      let group = schedule.steps[begin].group
      let end = schedule.steps[begin..<steps.upperBound].firstIndex { $0.group != group } ?? steps.upperBound
      for row in (0..<rows).shuffled(using: &generator) {
        for step in begin..<end { perform(step, rows: row..<row + 1, lane: nil, firstRow: 0) }
      }
      begin = end
    }
  }

  /// * lane: nil in the block of all lanes.
  private mutating func perform(_ index: Int, rows: Range<Int>, lane: Int?, firstRow: Int) {
    let step = schedule.steps[index]
    for slot in step.reads {
      // Other rows too, of what other segments made; but only its own of what it may be computed in place of.
      let isOthers = step.work.traits.contains(.readsOtherRows) && !step.inPlaceOf.contains(slot)
      let isWhole = isOthers || schedule.slots[slot].space != step.space
      let all = 0..<Self.rows(schedule.slots[slot].space)
      check(slot, rows: isWhole ? all : rows, lane: lane, firstRow: firstRow, "in step \(index)")
    }
    for slot in step.writes {
      let isImage = schedule.slots[slot].space != step.space
      write(
        slot, rows: isImage ? 0..<Self.rows(schedule.slots[slot].space) : rows, lane: lane, firstRow: firstRow
      )
    }
  }

  /// Where rows of a slot lie; nil in the host's memory.
  private func address(_ slot: Int, rows: Range<Int>, lane: Int?, firstRow: Int) -> Int? {
    let value = schedule.slots[slot]
    let owner = schedule.slots[value.aliasOf ?? slot]
    let isHosts = owner.isExternal || (owner.input != nil && !owner.isFilled)
    guard !value.isExternal, !isHosts, value.constant == nil else { return nil }
    switch layout.places[slot] {
    case .arena(let offset), .input(_, let offset): return offset + rows.lowerBound * value.rowBytes
    case .block(let offset):
      let start = layout.blockOffset + (lane.map { $0 * layout.blockStride + offset } ?? offset * lanes)
      return start + (rows.lowerBound - firstRow) * value.rowBytes
    }
  }

  private func tag(_ slot: Int, _ rows: Range<Int>) -> UInt64 {
    let value = schedule.slots[slot]
    return UInt64(value.aliasOf ?? slot) << 32 + UInt64(rows.lowerBound * value.rowBytes)
  }

  private mutating func write(_ slot: Int, rows: Range<Int>, lane: Int?, firstRow: Int) {
    guard let start = address(slot, rows: rows, lane: lane, firstRow: firstRow) else { return }
    let count = rows.count * schedule.slots[slot].rowBytes
    guard start >= 0, start + count <= layout.scratchOffset else {
      faults.append("slot \(slot) is written at \(start)..<\(start + count), beyond the values")
      return
    }
    let tag = tag(slot, rows)
    bytes.withUnsafeMutableBufferPointer { bytes in
      for index in 0..<count { bytes[start + index] = tag &+ UInt64(index) }
    }
  }

  private mutating func check(_ slot: Int, rows: Range<Int>, lane: Int?, firstRow: Int, _ place: String) {
    guard let start = address(slot, rows: rows, lane: lane, firstRow: firstRow) else { return }
    let tag = tag(slot, rows)
    let count = rows.count * schedule.slots[slot].rowBytes
    guard start >= 0, start + count <= layout.scratchOffset else {
      faults.append("slot \(slot) is read at \(start)..<\(start + count), beyond the values")
      return
    }
    let wrong = bytes.withUnsafeBufferPointer { bytes in
      (0..<count).first { bytes[start + $0] != tag &+ UInt64($0) }
    }
    guard let wrong else { return }
    faults.append(
      "\(place): byte \(wrong) of slot \(slot), rows \(rows), holds slot \(bytes[start + wrong] >> 32)")
  }
}
