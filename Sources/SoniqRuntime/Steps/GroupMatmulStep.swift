import CKernelABI
import SoniqKernels

/// Where the activations of a level with symmetric codes lie.
struct GroupActivationSlots: BitwiseCopyable {
  var codes: StorageID
  /// Sums of the codes of each group.
  var sums: StorageID
  /// Scales of the row, or of each of its groups.
  var scales: StorageID
}

/// Float rows to symmetric codes with sums and scales of groups, for all levels of the matrix that follows.
struct QuantizeGroupsStep: RowStep {
  static var entry: StepEntry { { QuantizeGroupsStep.answer($0, $1) } }
  var function: snq_quantize_groups_function
  /// Everything but the pointers that depend on the window.
  var arguments: snq_quantize_groups_args
  var input: StorageID
  /// One for each level.
  var slots: UnsafePointer<GroupActivationSlots>

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    let source = frame.storages[input]
    call.input = UnsafePointer(source.floats(window))
    call.inputStride = source.stride
    call.scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: Float.self)
    place(&call.levels.0, slots[0], frame, window)
    if call.levelCount > 1 { place(&call.levels.1, slots[1], frame, window) }
    if call.levelCount > 2 { place(&call.levels.2, slots[2], frame, window) }
    if call.levelCount > 3 { place(&call.levels.3, slots[3], frame, window) }
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }

  @inline(__always)
  private func place(
    _ level: inout snq_group_activation_level, _ slots: GroupActivationSlots, _ frame: borrowing RunFrame,
    _ window: RowWindow
  ) {
    level.codes = frame.storages[slots.codes].address(window).assumingMemoryBound(to: Int8.self)
    level.groupSums = frame.storages[slots.sums].integers(window)
    level.rowScales = frame.storages[slots.scales].floats(window)
  }
}

/// One level of such a matrix.
struct GroupMatmulLevel: BitwiseCopyable {
  var function: snq_group_matmul_function
  /// Everything but what depends on the window.
  var arguments: snq_group_matmul_args
  var slots: GroupActivationSlots

  /// The arguments for the window, but for the outputs.
  @inline(__always)
  func call(_ frame: borrowing RunFrame, _ window: RowWindow) -> snq_group_matmul_args {
    var call = arguments
    call.codes = UnsafePointer(
      frame.storages[slots.codes].address(window).assumingMemoryBound(to: Int8.self))
    call.groupSums = UnsafePointer(frame.storages[slots.sums].integers(window))
    call.rowScales = UnsafePointer(frame.storages[slots.scales].floats(window))
    call.scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: UInt8.self)
    return call
  }
}

/// Symmetric codes times a packed matrix, and the activation function on what was just written.
struct GroupMatmulStep: RunnableStep {
  static var entry: StepEntry { { GroupMatmulStep.answer($0, $1) } }
  var levels: UnsafePointer<GroupMatmulLevel>
  var levelCount: Int
  var output: StorageID
  var panelCount: Int
  /// See `MatmulStep.panelGroup`.
  var panelGroup: Int
  var rowProducts: Int
  var fusedFunction: FusedFunction?
  var outputs: Int

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { rowProducts }

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ panels: Range<Int>) {
    let target = frame.storages[output]
    let (rowBegin, rowEnd) = (UInt32(rows.lowerBound), UInt32(rows.upperBound))
    let group = levelCount == 1 && fusedFunction == nil ? panels.count : panelGroup
    var panel = panels.lowerBound
    while panel < panels.upperBound {
      let end = min(panel + group, panels.upperBound)
      for index in 0..<levelCount {
        var call = levels[index].call(frame, window)
        call.output = target.floats(window)
        call.outputStride = target.stride
        levels[index].function(&call, rowBegin, rowEnd, UInt32(panel), UInt32(end))
      }
      fusedFunction?.apply(target, window, rows, channels: panel * 16..<min(end * 16, outputs))
      panel = end
    }
  }
}
