import CKernelABI
import SoniqKernels

/// Images of codes, each channel with taps of its own, and the activation function on the result. Rows are output
/// pixels.
struct DepthwiseStep: RowStep {
  static var entry: StepEntry { { DepthwiseStep.answer($0, $1) } }
  var function: snq_depthwise_function
  /// Everything but what depends on the rows.
  var arguments: snq_depthwise_args
  var image: ImageLevel
  var geometry: ImageGeometry
  var output: StorageID
  /// Codes, as `snq_depthwise_args.sink` says, not floats.
  var writesCodes: Bool
  var fusedFunction: FusedFunction?

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { geometry.taps &* geometry.channels }

  /// Bytes from the first pixel of a window to a tap's.
  static func tapOffset(_ tap: Int, _ geometry: ImageGeometry, pixelBytes: Int) -> Int32 {
    let pixel = geometry.tapPixel(tap / geometry.windowWidth, tap % geometry.windowWidth)
    return Int32(truncatingIfNeeded: pixel &* pixelBytes)
  }

  var isDynamic: Bool { geometry.isDynamic }

  mutating func bind(_ frame: borrowing RunFrame) {
    geometry.bind(frame)
    image.bind(geometry, frame)
    let offsets = UnsafeMutablePointer(mutating: arguments.tapOffsets)
    for tap in 0..<geometry.taps {
      offsets?[tap] = Self.tapOffset(tap, geometry, pixelBytes: image.pixelBytes)
    }
  }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let target = frame.storages[output]
    let codes = target.address(window).assumingMemoryBound(to: UInt8.self)
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.outputHeight, width: geometry.outputWidth)
    while let run = runs.next() {
      var call = arguments
      if writesCodes {
        call.sink.codes = codes + run.begin &* target.rowBytes
        call.sink.codeStride = target.rowBytes
      }
      call.codes = UnsafePointer(
        image.start(frame, image: run.image) + geometry.firstPixel(run.row, run.column) &* image.pixelBytes)
      call.output = target.floats(window) + run.begin &* target.stride
      call.outputStride = target.stride
      function(&call, 0, UInt32(truncatingIfNeeded: run.count))
    }
    fusedFunction?.apply(target, window, rows, channels: 0..<geometry.channels)
  }
}

/// The same in float32: the reference mode.
struct FloatDepthwiseStep: RowStep {
  static var entry: StepEntry { { FloatDepthwiseStep.answer($0, $1) } }
  var function: snq_depthwise_float_function
  /// With offsets of taps where windows are made of lines.
  var arguments: snq_depthwise_float_args
  var windows: WindowCopy
  var output: StorageID
  var fusedFunction: FusedFunction?

  var isDynamic: Bool { windows.geometry.isDynamic }
  mutating func bind(_ frame: borrowing RunFrame) { windows.geometry.bind(frame) }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let target = frame.storages[output]
    let geometry = windows.geometry
    let scratch = (frame.scratch + window.lane &* frame.scratchStride).assumingMemoryBound(to: Float.self)
    let lines = LineCopy(geometry: geometry, input: windows.input)
    let hasLines = arguments.tapOffsets != nil
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.outputHeight, width: geometry.outputWidth,
      atMost: hasLines ? LineCopy.pixelsAtOnce : WindowCopy.pixelsAtOnce)
    while let run = runs.next() {
      if hasLines {
        lines.copy(frame, run, scratch)
      } else {
        windows.copy(frame, run, firstChannel: 0, scratch)
      }
      var call = arguments
      call.input = UnsafePointer(scratch)
      call.output = target.floats(window) + run.begin &* target.stride
      call.outputStride = target.stride
      function(&call, 0, UInt32(truncatingIfNeeded: run.count))
    }
    fusedFunction?.apply(target, window, rows, channels: 0..<geometry.channels)
  }
}
