import CKernelABI
import SoniqKernels

/// One group of a float convolution.
struct FloatConvolutionPart: BitwiseCopyable {
  /// Everything but the pointers that depend on the rows.
  var arguments: snq_float_matmul_args
  var firstChannel: Int
  var firstOutput: Int
  var panelCount: UInt32
}

/// Float images times a float convolution: the reference mode. Rows are output pixels.
struct FloatConvolutionStep: RowStep {
  static var entry: StepEntry { { FloatConvolutionStep.answer($0, $1) } }
  var function: snq_float_matmul_function
  var parts: UnsafePointer<FloatConvolutionPart>
  var partCount: Int
  var windows: WindowCopy
  var output: StorageID
  var rowProducts: Int
  var fusedFunction: FusedFunction?
  var outputs: Int

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { rowProducts }
  var isDynamic: Bool { windows.geometry.isDynamic }
  mutating func bind(_ frame: borrowing RunFrame) { windows.geometry.bind(frame) }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let target = frame.storages[output]
    let geometry = windows.geometry
    let scratch = (frame.scratch + window.lane &* frame.scratchStride).assumingMemoryBound(to: Float.self)
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.outputHeight, width: geometry.outputWidth,
      atMost: WindowCopy.pixelsAtOnce)
    while let run = runs.next() {
      for part in 0..<partCount {
        windows.copy(frame, run, firstChannel: parts[part].firstChannel, scratch)
        var call = parts[part].arguments
        call.input = UnsafePointer(scratch)
        call.inputStride = geometry.taps &* windows.channels
        call.output = target.floats(window) + (run.begin &* target.stride &+ parts[part].firstOutput)
        call.outputStride = target.stride
        function(&call, 0, UInt32(truncatingIfNeeded: run.count), 0, parts[part].panelCount)
      }
    }
    fusedFunction?.apply(target, window, rows, channels: 0..<outputs)
  }
}
