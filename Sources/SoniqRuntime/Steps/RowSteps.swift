import CKernelABI
import SoniqKernels
import SoniqOperators

/// (Residual addition and) layer norm.
struct LayerNormStep: BitwiseCopyable {
  var function: snq_layer_norm_function
  var arguments: snq_layer_norm_args
  var input: StorageID
  /// Negative when there is none.
  var residual: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.input = UnsafePointer(frame.storages[input].floats(window))
    call.inputStride = frame.storages[input].stride
    if residual >= 0 {
      call.residual = UnsafePointer(frame.storages[residual].floats(window))
      call.residualStride = frame.storages[residual].stride
    }
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}

/// An activation function that no matrix step could take over.
struct ActivationStep: BitwiseCopyable {
  var function: snq_activation_function
  var arguments: snq_activation_args
  var input: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    let source = UnsafePointer(frame.storages[input].floats(window))
    let target = frame.storages[output].floats(window)
    call.inputStride = frame.storages[input].stride
    call.outputStride = frame.storages[output].stride
    guard call.channels == 1, call.inputStride == 1, call.outputStride == 1 else {
      (call.input, call.output) = (source, target)
      function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
      return
    }
    // Rows of one number, as where the last axis is dynamic, are one row of many.
    (call.input, call.output) = (source + rows.lowerBound, target + rows.lowerBound)
    call.channels = UInt32(rows.count)
    function(&call, 0, 1)
  }
}

/// Addition of two values of one shape.
struct AddStep: BitwiseCopyable {
  var function: snq_add_function
  var arguments: snq_add_args
  var left: StorageID
  var right: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.left = UnsafePointer(frame.storages[left].floats(window))
    call.leftStride = frame.storages[left].stride
    call.right = UnsafePointer(frame.storages[right].floats(window))
    call.rightStride = frame.storages[right].stride
    call.rightRows = UInt32(rows.upperBound)
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}

/// What checks ids that the graph makes: as in `gather`, negative ones count from the end of the table, and one that is
/// out of range stands for row 0 and makes the run fail. Ids of the host were checked before.
struct IdentifierCheck: BitwiseCopyable {
  var node: Int
  var tableRows: Int

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
struct LookupStep: BitwiseCopyable {
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
struct DenseLookupStep: BitwiseCopyable {
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

/// The position of each row in its sequence.
struct PositionsStep: BitwiseCopyable {
  var sequence: SizeReference
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let sequence = frame.size(sequence)
    let target = frame.storages[output].integers(window)
    for row in rows { target[row] = Int32(truncatingIfNeeded: (window.firstRow + row) % sequence) }
  }
}

/// Mean over the positions of each batch entry; rows are batch entries.
struct PoolStep: BitwiseCopyable {
  var function: snq_pool_function
  var arguments: snq_pool_args
  var input: StorageID
  /// Negative when there is none.
  var mask: StorageID
  var output: StorageID
  var sequence: SizeReference

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    let sequence = frame.size(sequence)
    var positions = window
    positions.isShared = true
    positions.firstRow = window.firstRow * sequence
    call.input = UnsafePointer(frame.storages[input].floats(positions))
    call.inputStride = frame.storages[input].stride
    if mask >= 0 { call.mask = UnsafePointer(frame.storages[mask].integers(positions)) }
    call.sequence = UInt32(sequence)
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}

/// Rows divided by their Euclidean norm.
struct NormalizeStep: BitwiseCopyable {
  var function: snq_normalize_function
  var arguments: snq_normalize_args
  var input: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.input = UnsafePointer(frame.storages[input].floats(window))
    call.inputStride = frame.storages[input].stride
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
