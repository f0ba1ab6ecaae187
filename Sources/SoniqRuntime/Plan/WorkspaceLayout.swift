import SoniqCore
import SoniqGraph

/// Where every slot of a schedule lies in the workspace.
struct WorkspaceLayout {
  enum Place: Hashable {
    /// Row after row from an offset of the workspace.
    case arena(offset: Int)
    /// A block of rows for each lane, from an offset of the lane's block memory.
    case block(offset: Int)
    /// In the host's memory, or in the copy at an offset of the workspace.
    case input(index: Int, copy: Int)
  }
  /// One for each slot of the schedule.
  private(set) var places: [Place] = []
  /// Rows of a lane's block; a multiple of 16, which keeps blocks aligned to 64 bytes.
  private(set) var blockRows = 0
  /// Where the block memory of the lanes begins, and the bytes of one.
  private(set) var blockOffset = 0
  private(set) var blockStride = 0
  private(set) var scratchOffset = 0
  /// Scratch bytes of one lane.
  private(set) var scratchStride = 0
  private(set) var byteCount = 0
  /// Bytes of what is not a lane's.
  var valueBytes: Int { blockOffset }

  private let schedule: Schedule
  private let sizes: SessionSizes
  /// For each slot, the slot whose memory it uses: itself, or the one that it is computed in place of.
  private var roots: [SlotID] = []
  /// For each root, the last step that reads any slot of its memory; the host's memory is read for ever.
  private var lastReaders: [Int] = []
  /// The first step of each segment.
  private var segmentStarts: [Int] = []

  /// - Parameters:
  ///   - schedule: the steps to lay memory out for.
  ///   - sizes: what must be possible.
  ///   - lanes: threads at work.
  ///   - cacheBytes: what a lane's block of rows should fit.
  ///   - scratchBytes: what a lane needs beside its block.
  /// - Throws: `tooLarge`.
  init(
    _ schedule: Schedule, _ sizes: SessionSizes, lanes: Int, cacheBytes: Int, scratchBytes: Int
  ) throws(GraphError) {
    self.schedule = schedule
    self.sizes = sizes
    chooseRoots()
    let isBlock = roots.indices.map { staysInSegment(roots[$0]) }
    var mostRows = 1
    for step in schedule.steps { mostRows = max(mostRows, try rows(step.space)) }
    blockRows = try chooseBlockRows(isBlock, cacheBytes: cacheBytes, mostRows: mostRows)
    let arena = try place(isBlock, block: false) { root throws(GraphError) in
      let slot = schedule.slots[root]
      // What the host lends takes nothing, but its size is computed in runs too.
      guard slot.needsMemory || (slot.input != nil && !slot.isExternal) else { return 0 }
      let size = try byteCount(slot)
      return slot.needsMemory ? size : 0
    }
    let blocks = try place(isBlock, block: true) { slot throws(GraphError) in
      try bytes(schedule.slots[slot].rowBytes, blockRows)
    }
    guard let stride = roundedUp(scratchBytes, to: MemoryPlan.alignment) else { throw Self.tooLarge }
    scratchStride = stride
    blockOffset = arena.byteCount
    blockStride = blocks.byteCount
    scratchOffset = try sum(blockOffset, bytes(blockStride, lanes))
    byteCount = max(MemoryPlan.alignment, try sum(scratchOffset, bytes(stride, lanes)))
    places = schedule.slots.indices.map { slot in
      if let input = schedule.slots[slot].input {
        return .input(index: input, copy: arena.offsets[slot] ?? 0)
      }
      let root = roots[slot]
      return isBlock[root]
        ? .block(offset: blocks.offsets[root] ?? 0) : .arena(offset: arena.offsets[root] ?? 0)
    }
  }

  private static let tooLarge = GraphError(.tooLarge, field: "workspace")

  private func bytes(_ left: Int, _ right: Int) throws(GraphError) -> Int {
    guard let product = checkedProduct(left, right), product <= Int.max / 4 else { throw Self.tooLarge }
    return product
  }

  private func sum(_ left: Int, _ right: Int) throws(GraphError) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    guard !overflow, sum <= Int.max / 4 else { throw Self.tooLarge }
    return sum
  }

  /// The most rows of a space that are planned for.
  func rows(_ space: [Dimension]) throws(GraphError) -> Int {
    var most = 0
    for combination in sizes.combinations { most = max(most, try rows(space, combination)) }
    return most
  }

  private func rows(_ space: [Dimension], _ sizes: [Int]) throws(GraphError) -> Int {
    var product = 1
    for dimension in space {
      switch dimension {
      case .fixed(let size): product = try bytes(product, size)
      case .symbol(let symbol): product = try bytes(product, sizes[symbol])
      }
    }
    return product
  }

  /// The most bytes of all rows of a slot that are planned for.
  func byteCount(_ slot: Slot) throws(GraphError) -> Int {
    guard let image = slot.image else { return try bytes(slot.rowBytes, rows(slot.space)) }
    var most = 0
    for combination in sizes.combinations {
      guard let row = image.byteCount({ combination[$0] }) else { throw Self.tooLarge }
      most = max(most, try bytes(row, rows(slot.space, combination)))
    }
    return most
  }

  // MARK: In place

  private mutating func chooseRoots() {
    roots = schedule.slots.indices.map { schedule.slots[$0].aliasOf ?? $0 }
    lastReaders = [Int](repeating: 0, count: roots.count)
    for (index, slot) in schedule.slots.enumerated() {
      let isHosts = slot.input != nil || slot.constant != nil || slot.isExternal || slot.isKept
      lastReaders[roots[index]] = max(lastReaders[roots[index]], isHosts ? .max : slot.readers.last ?? 0)
    }
    for (index, step) in schedule.steps.enumerated() where step.segment == segmentStarts.count {
      segmentStarts.append(index)
    }
    for (index, step) in schedule.steps.enumerated() {
      for candidate in step.inPlaceOf where mayTakeOver(candidate, output: step.writes[0], at: index) {
        takeOver(candidate, output: step.writes[0])
        break
      }
    }
  }

  /// Whether nobody needs `candidate` after this step and the output may have its memory: rows of the
  /// same length, both within the segment or both beyond it.
  private func mayTakeOver(_ candidate: SlotID, output: SlotID, at step: Int) -> Bool {
    let slot = schedule.slots[candidate]
    return lastReaders[roots[candidate]] == step && slot.readers.last == step
      && slot.rowBytes == schedule.slots[output].rowBytes && slot.space == schedule.slots[output].space
      && staysInSegment(candidate) == staysInSegment(output)
      && !isReadAcrossRows(roots[candidate], inSegmentOf: step)
  }

  /// Whether the segment begins with a step that reads other rows than it makes, windows of an image for example: it still
  /// needs rows of the memory when later steps of the segment are done with theirs. No other step of a segment reads so.
  private func isReadAcrossRows(_ root: SlotID, inSegmentOf step: Int) -> Bool {
    let first = schedule.steps[segmentStarts[schedule.steps[step].segment]]
    return first.work.traits.contains(.readsOtherRows) && first.reads.contains { roots[$0] == root }
  }

  /// Gives an output, and the slots that are its memory under another shape, the memory of `candidate`.
  private mutating func takeOver(_ candidate: SlotID, output: SlotID) {
    let root = roots[candidate]
    lastReaders[root] = max(lastReaders[root], lastReaders[output])
    if schedule.slots[output].isShared {
      for slot in roots.indices where roots[slot] == output { roots[slot] = root }
    }
    roots[output] = root
  }

  private func staysInSegment(_ slot: SlotID) -> Bool {
    let slot = schedule.slots[slot]
    // What nobody reads is written all the same, and not by every step in blocks of rows.
    guard !slot.readers.isEmpty else { return false }
    guard slot.input == nil, !slot.isKept, !slot.isShared, let writer = slot.writer else { return false }
    let segment = schedule.steps[writer].segment
    return slot.readers.allSatisfy { schedule.steps[$0].segment == segment }
  }

  // MARK: Offsets

  private struct Placement {
    /// By root slot.
    var offsets: [SlotID: Int] = [:]
    var byteCount = 0
  }

  /// Places all roots of one class. What crosses segments is alive for whole segments, because blocks of
  /// rows pass through a segment one after the other; the others are alive for whole groups.
  private func place(
    _ isBlock: [Bool], block: Bool, size: (SlotID) throws(GraphError) -> Int
  ) throws(GraphError) -> Placement {
    var members: [SlotID] = []
    var requests: [MemoryRequest] = []
    var position: [SlotID: Int] = [:]
    for slot in roots.indices where isBlock[slot] == block {
      let life = lifetime(slot, block: block)
      if let known = position[roots[slot]] {
        requests[known].first = min(requests[known].first, life.first)
        requests[known].last = max(requests[known].last, life.last)
      } else {
        position[roots[slot]] = requests.count
        members.append(roots[slot])
        requests.append(
          MemoryRequest(byteCount: try size(roots[slot]), first: life.first, last: life.last))
      }
    }
    let plan = try MemoryPlan(requests)
    return Placement(
      offsets: Dictionary(uniqueKeysWithValues: zip(members, plan.offsets)), byteCount: plan.byteCount)
  }

  private func lifetime(_ slot: SlotID, block: Bool) -> (first: Int, last: Int) {
    let slot = schedule.slots[slot]
    let clock = { (step: Int) in block ? schedule.steps[step].group : schedule.steps[step].segment }
    let end = block ? schedule.groupCount : schedule.segmentCount
    if slot.input != nil { return (0, end) }
    guard let writer = slot.writer ?? slot.aliasOf.flatMap({ schedule.slots[$0].writer }) else {
      return (0, 0)
    }
    let last = slot.readers.map(clock).max() ?? clock(writer)
    return (clock(writer), slot.isKept ? end : max(last, clock(writer)))
  }

  /// As many rows as keep a block within the cache: 16 ... 64.
  private func chooseBlockRows(
    _ isBlock: [Bool], cacheBytes: Int, mostRows: Int
  ) throws(GraphError) -> Int {
    let perRow = try place(isBlock, block: true) { slot in schedule.slots[slot].rowBytes }.byteCount
    let fitting = cacheBytes / max(1, perRow) / 16 * 16
    let enough = (min(mostRows, 64) + 15) / 16 * 16
    return max(16, min(fitting, enough))
  }
}
