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

/// Float images times a float convolution: the reference mode. Rows are output pixels; their windows are copied
/// together, zeros for padding.
struct FloatConvolutionStep: BitwiseCopyable {
  var function: snq_float_matmul_function
  var parts: UnsafePointer<FloatConvolutionPart>
  var partCount: Int
  var geometry: ImageGeometry
  /// Of one group.
  var channels: Int
  var input: StorageID
  var output: StorageID
  var multiplyAccumulates: Int
  var activation: snq_activation_function?
  var activationKind: UInt32
  var outputs: Int

  static let pixelsAtOnce = 8

  static func scratchBytes(_ geometry: ImageGeometry) -> Int {
    pixelsAtOnce * geometry.taps * geometry.channels * 4
  }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let target = frame.storages[output]
    let windows = (frame.scratch + window.lane &* frame.scratchStride).assumingMemoryBound(to: Float.self)
    let rowLength = geometry.taps &* channels
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.outputHeight, width: geometry.outputWidth)
    while let run = runs.next() {
      var done = 0
      while done < run.count {
        let count = min(Self.pixelsAtOnce, run.count &- done)
        for part in 0..<partCount {
          for row in 0..<count {
            copyWindow(frame, run, run.column &+ done &+ row, parts[part].firstChannel, windows + row &* rowLength)
          }
          var call = parts[part].arguments
          call.input = UnsafePointer(windows)
          call.inputStride = rowLength
          call.output =
            target.floats(window) + ((run.begin &+ done) &* target.stride &+ parts[part].firstOutput)
          call.outputStride = target.stride
          function(&call, 0, UInt32(count), 0, parts[part].panelCount)
        }
        done &+= count
      }
    }
    if let activation {
      let start = target.floats(window)
      var call = snq_activation_args(
        kind: activationKind, input: UnsafePointer(start), inputStride: target.stride,
        channels: UInt32(outputs), output: start, outputStride: target.stride)
      activation(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
    }
  }

  private func copyWindow(
    _ frame: borrowing RunFrame, _ run: PixelRun, _ outputColumn: Int, _ firstChannel: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let source = frame.storages[input]
    let image = source.base.assumingMemoryBound(to: Float.self)
      + run.image &* geometry.height &* geometry.width &* source.stride
    var place = target
    for tapRow in 0..<geometry.windowHeight {
      let row = run.row &* geometry.strideHeight &+ tapRow &* geometry.dilationHeight &- geometry.top
      for tapColumn in 0..<geometry.windowWidth {
        let column = outputColumn &* geometry.strideWidth &+ tapColumn &* geometry.dilationWidth &- geometry.left
        if row >= 0, row < geometry.height, column >= 0, column < geometry.width {
          let pixel = image + ((row &* geometry.width &+ column) &* source.stride &+ firstChannel)
          place.update(from: pixel, count: channels)
        } else {
          place.update(repeating: 0, count: channels)
        }
        place += channels
      }
    }
  }
}
