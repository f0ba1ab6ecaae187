import CKernelABI
import SoniqOperators

// Images that lie plane by plane.

extension ImageStep {
  /// Pieces of the planes' rows to codes, then to pixels.
  func quantizePlanes(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ source: RowStorage
  ) {
    let scratch = frame.scratch + window.lane &* frame.scratchStride
    let codes = (scratch + tight).assumingMemoryBound(to: UInt8.self)
    let level = parts.pointee.levels.0
    let plane = geometry.height &* geometry.width
    let floats = UnsafePointer(source.base.assumingMemoryBound(to: Float.self))
    var call = parts.pointee.arguments
    call.inputStride = plane
    call.levels.0.codes = codes
    call.levels.0.codeStride = Self.planarPixelsAtOnce
    call.levels.0.rows = (scratch + parameters).assumingMemoryBound(to: snq_row_params.self)
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.height, width: geometry.width,
      atMost: Self.planarPixelsAtOnce)
    while let run = runs.next() {
      let first = run.image &* level.channels &* plane &+ run.row &* geometry.width &+ run.column
      call.input = floats + first
      call.channels = UInt32(truncatingIfNeeded: run.count)
      call.levels.0.channels = call.channels
      call.levels.0.paddedChannels = call.channels
      quantize(&call, 0, UInt32(truncatingIfNeeded: level.channels))
      interleave(codes, level, frame, run)
      pad(parts, frame, run)
    }
  }

  /// Codes of planes to pixels of `paddedChannels`, and their sums.
  private func interleave(
    _ codes: UnsafePointer<UInt8>, _ level: ImageLevel, _ frame: borrowing RunFrame, _ run: PixelRun
  ) {
    PlanarCodes.interleave(
      codes, planeStride: Self.planarPixelsAtOnce, channels: level.channels, count: run.count,
      into: place(level, frame, run), stride: level.paddedChannels)
    guard let sums = level.sumStart(frame, image: run.image) else { return }
    let first = geometry.paddedPixel(run)
    for pixel in 0..<run.count {
      var sum: Int32 = 0
      for channel in 0..<level.channels {
        sum &+= Int32(codes[channel &* Self.planarPixelsAtOnce &+ pixel])
      }
      sums[first &+ pixel] = sum
    }
  }
}
