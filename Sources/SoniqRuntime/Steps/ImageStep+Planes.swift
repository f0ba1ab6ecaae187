import CKernelABI

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
    let target = place(level, frame, run)
    let stride = level.paddedChannels
    let planes = UnsafeRawPointer(codes)
    var pixel = 0
    if level.channels == 3 {
      // Four bytes are stored at a time: those of a last pixel, which others may stand behind, are left.
      while pixel &+ 16 < run.count {
        @inline(__always) func load(_ channel: Int) -> SIMD16<UInt32> {
          SIMD16<UInt32>(
            truncatingIfNeeded: planes.loadUnaligned(
              fromByteOffset: channel &* Self.planarPixelsAtOnce &+ pixel, as: SIMD16<UInt8>.self))
        }
        let words = load(0) | load(1) &<< 8 | load(2) &<< 16
        let place = UnsafeMutableRawPointer(target + pixel &* stride)
        if stride == 4 {
          place.storeBytes(of: words, as: SIMD16<UInt32>.self)
        } else {
          for lane in 0..<16 { place.storeBytes(of: words[lane], toByteOffset: lane &* 3, as: UInt32.self) }
        }
        pixel &+= 16
      }
    }
    while pixel < run.count {
      for channel in 0..<stride {
        target[pixel &* stride &+ channel] =
          channel < level.channels ? codes[channel &* Self.planarPixelsAtOnce &+ pixel] : 0
      }
      pixel &+= 1
    }
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
