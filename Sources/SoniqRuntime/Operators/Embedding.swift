import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqOperators

extension Embedding: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let work: any ScheduledWork
    switch schedule.graph.constants[table] {
    case .table(let packed): work = LookupWork(table: packed)
    case .dense(let dense): work = DenseLookupWork(table: dense)
    case .matrix(let matrix): work = MatrixLookupWork(matrix: matrix)
    default: return
    }
    schedule.append(work, node)
  }
}

/// Rows of a packed table.
struct LookupWork: ScheduledWork {
  let table: PackedTable

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.lookup)
    var arguments = snq_lookup_args()
    arguments.channels = UInt32(table.channels)
    arguments.scatter = table.scatter?.bound(to: UInt32.self).baseAddress
    arguments.levelCount = UInt32(table.levels.count)
    arguments.levels.0 = tableLevel(table, 0)
    if table.levels.count == 2 { arguments.levels.1 = tableLevel(table, 1) }
    let lookup = LookupStep(
      function: row.function, arguments: arguments, ids: step.reads[0], output: step.writes[0],
      check: IdentifierCheck(step, emitter.graph, rows: table.rows))
    var description = emitter.describe(step, "embedding", row)
    description.level = table.levels.map { "\($0.code.bits)" }.joined(separator: "+")
    return (try emitter.step(lookup), description)
  }

  private func tableLevel(_ table: PackedTable, _ index: Int) -> snq_table_level {
    let level = table.levels[index]
    var result = snq_table_level()
    result.begin = index == 0 ? 0 : UInt32(table.levels[0].channels)
    result.channels = UInt32(level.channels)
    result.kind = UInt32(level.code.kind.rawValue)
    result.bits = UInt32(level.code.bits)
    result.zero = Int32(truncatingIfNeeded: level.code.zero)
    result.blockLength = UInt32(level.blockLength)
    result.codes = level.codes.bound(to: UInt8.self).baseAddress
    result.rowStride = level.rowStride
    result.scales = level.scales.bound(to: UInt16.self).baseAddress
    return result
  }
}

/// Rows of a float table.
struct DenseLookupWork: ScheduledWork {
  let table: DenseConstant

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let lookup = DenseLookupStep(
      table: table.bytes.start, ids: step.reads[0], output: step.writes[0],
      check: IdentifierCheck(step, emitter.graph, rows: table.shape[0]))
    return (try emitter.step(lookup), emitter.describe(step, "embedding", "copy"))
  }
}

/// What checks ids that the graph makes: as in `gather`, negative ones count from the end of the table, and one that is
/// out of range stands for row 0 and makes the run fail. Ids of the host were checked before.
struct IdentifierCheck: BitwiseCopyable {
  var node: Int
  var tableRows: Int

  /// nil for ids of the host and for positions.
  init?(_ step: ScheduledStep, _ graph: Graph, rows: Int) {
    let ids = graph.nodes[step.nodes[0]].inputs[0]
    guard let maker = graph.nodes.first(where: { $0.outputs.contains(ids) }) else { return nil }
    if case .positions = maker.operation { return nil }
    (node, tableRows) = (step.nodes[0], rows)
  }

  /// The table's row of an id.
  @inline(__always)
  func row(_ id: Int32, position: Int, _ fault: UnsafeMutablePointer<IndexFault>) -> Int32 {
    let row = id < 0 ? Int(id) + tableRows : Int(id)
    if (0..<tableRows).contains(row) { return Int32(truncatingIfNeeded: row) }
    fault.pointee.report(node: node, position: position, index: Int(id), size: tableRows)
    return 0
  }
}

/// Rows of a packed table by ids that the session has checked, or else `check` does.
struct LookupStep: RowStep {
  static var entry: StepEntry { { LookupStep.answer($0, $1) } }
  var function: snq_lookup_function
  var arguments: snq_lookup_args
  var ids: StorageID
  var output: StorageID
  var check: IdentifierCheck?

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.ids = UnsafePointer(frame.storages[ids].integers(window))
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    guard let check, let ids = call.ids, let target = call.output else {
      function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
      return
    }
    for row in rows {
      var id = check.row(ids[row], position: window.firstRow + row, frame.faults + window.lane)
      withUnsafePointer(to: &id) { id in
        call.ids = id
        call.output = target + row * call.outputStride
        function(&call, 0, 1)
      }
    }
  }
}

/// Rows of a float table by ids that the session has checked, or else `check` does.
struct DenseLookupStep: RowStep {
  static var entry: StepEntry { { DenseLookupStep.answer($0, $1) } }
  var table: UnsafeRawPointer
  var ids: StorageID
  var output: StorageID
  var check: IdentifierCheck?

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let ids = frame.storages[ids].integers(window)
    let target = frame.storages[output]
    let start = target.address(window)
    for row in rows {
      let position = window.firstRow + row
      let id = check?.row(ids[row], position: position, frame.faults + window.lane) ?? ids[row]
      (start + row * target.rowBytes).copyMemory(
        from: table + Int(id) * target.rowBytes, byteCount: target.rowBytes)
    }
  }
}
