import CKernelABI
import SoniqKernels

/// One level of a matrix with the kernels that it got.
struct MatmulLevel: BitwiseCopyable {
  /// By row class.
  var variants: UnsafePointer<MatmulVariant>
  var codes: StorageID
  var prepared: StorageID
  var codeStride: Int
  /// Everything but what depends on the window.
  var arguments: snq_matmul_args

  /// The kernel for the window, and its arguments but for the outputs.
  @inline(__always)
  func call(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ parameters: UnsafePointer<snq_row_params>,
    scratchOffset: Int
  ) -> (snq_matmul_function, snq_matmul_args) {
    let variant = variants[window.rowClass]
    let isPrepared = variant.form != UInt32(SNQ_CODES)
    var call = arguments
    call.form = variant.form
    call.codeStride = isPrepared ? variant.preparedStride : codeStride
    call.codes = UnsafePointer(
      frame.storages[isPrepared ? prepared : codes].address(window).assumingMemoryBound(to: UInt8.self))
    call.rows = parameters
    (call.wordSteps, call.wordStepStride) = (variant.wordSteps, variant.wordStepStride)
    if let copy = variant.copy { copy.place(&call) }
    if variant.scratchBytes > 0 {
      call.scratch = (frame.scratch + (window.lane * frame.scratchStride + scratchOffset))
        .assumingMemoryBound(to: UInt8.self)
    }
    return (variant.function, call)
  }
}

/// Activation codes times a packed matrix, and the activation function on what was just written.
struct MatmulStep: RunnableStep {
  static var entry: StepEntry { { MatmulStep.answer($0, $1) } }
  var levels: UnsafePointer<MatmulLevel>
  var levelCount: Int
  /// Bit c: the kernel that the first level has for row class c does both levels in one call.
  var fusingClasses: UInt8
  var rowParameters: StorageID
  var output: StorageID
  /// Codes, as `snq_matmul_args.sink` says, not floats.
  var writesCodes: Bool
  var panelCount: Int
  /// Panels at a time: their weights and the outputs they make for a block of rows fit the L1 cache, so
  /// that the second level and the activation function find the outputs there.
  var panelGroup: Int
  var rowProducts: Int
  var fusedFunction: FusedFunction?
  var outputs: Int

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { rowProducts }

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ panels: Range<Int>) {
    let target = frame.storages[output]
    let parameters = UnsafePointer(
      frame.storages[rowParameters].address(window).assumingMemoryBound(to: snq_row_params.self))
    var (firstKernel, first) = levels[0].call(frame, window, parameters, scratchOffset: 0)
    first.output = target.floats(window)
    first.integerOutput = target.integers(window)
    first.outputStride = target.stride
    if writesCodes {
      first.sink.codes = target.address(window).assumingMemoryBound(to: UInt8.self)
      first.sink.codeStride = target.rowBytes
    }
    let next = min(1, levelCount - 1)
    var (secondKernel, second) = levels[next].call(
      frame, window, parameters + next,
      scratchOffset: levels[0].variants[window.rowClass].scratchBytes)
    second.output = first.output
    second.integerOutput = first.integerOutput
    second.outputStride = first.outputStride
    let isOne = rows.count == 1
    let (rowBegin, rowEnd) = (UInt32(rows.lowerBound), UInt32(rows.upperBound))
    let isFused = fusingClasses &>> UInt8(truncatingIfNeeded: window.rowClass) & 1 == 1
    // Nothing comes back to the outputs, or there are few of them.
    let isOnePass = levelCount == 1 || isFused
    let group = isOnePass && (isOne || fusedFunction == nil) ? panels.count : panelGroup
    var panel = panels.lowerBound
    while panel < panels.upperBound {
      let end = min(panel + group, panels.upperBound)
      if isFused {
        withUnsafePointer(to: &second) { next in
          first.next = next
          firstKernel(&first, rowBegin, rowEnd, UInt32(panel), UInt32(end))
        }
      } else {
        firstKernel(&first, rowBegin, rowEnd, UInt32(panel), UInt32(end))
        if levelCount > 1 { secondKernel(&second, rowBegin, rowEnd, UInt32(panel), UInt32(end)) }
        if levelCount > 2 { addLevels(frame, window, first, rows, panel..<end) }
      }
      fusedFunction?.apply(target, window, rows, channels: panel * 16..<min(end * 16, outputs))
      panel = end
    }
  }

  /// The third and the fourth level. Not inlined: hardly a matrix has them.
  @inline(never)
  private func addLevels(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ first: borrowing snq_matmul_args,
    _ rows: Range<Int>, _ panels: Range<Int>
  ) {
    var scratchOffset = 0
    for index in 0..<levelCount {
      defer { scratchOffset += levels[index].variants[window.rowClass].scratchBytes }
      guard index >= 2, let parameters = first.rows else { continue }
      var (kernel, call) = levels[index].call(frame, window, parameters + index, scratchOffset: scratchOffset)
      call.output = first.output
      call.integerOutput = first.integerOutput
      call.outputStride = first.outputStride
      kernel(
        &call, UInt32(rows.lowerBound), UInt32(rows.upperBound), UInt32(panels.lowerBound),
        UInt32(panels.upperBound))
    }
  }
}

/// Float rows times a float matrix: the reference mode.
struct FloatMatmulStep: RunnableStep {
  static var entry: StepEntry { { FloatMatmulStep.answer($0, $1) } }
  var function: snq_float_matmul_function
  /// Everything but the pointers that depend on the window.
  var arguments: snq_float_matmul_args
  var input: StorageID
  var output: StorageID
  var panelCount: Int
  var rowProducts: Int

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { rowProducts }

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ panels: Range<Int>) {
    var call = arguments
    call.input = UnsafePointer(frame.storages[input].floats(window))
    call.inputStride = frame.storages[input].stride
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(
      &call, UInt32(rows.lowerBound), UInt32(rows.upperBound), UInt32(panels.lowerBound),
      UInt32(panels.upperBound))
  }
}
