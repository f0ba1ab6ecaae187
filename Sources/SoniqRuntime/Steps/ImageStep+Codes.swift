import CKernelABI
import SoniqOperators

// Codes that are made, on their way to the image.

extension ImageStep {
  /// Codes that are there, to where the convolution wants them.
  func placeCodes(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ source: RowStorage
  ) {
    let scratch = frame.scratch + window.lane &* frame.scratchStride
    let codes = UnsafePointer(source.address(window).assumingMemoryBound(to: UInt8.self))
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.height, width: geometry.width,
      atMost: Self.pixelsAtOnce)
    while let run = runs.next() {
      take(codes + run.begin &* source.rowBytes, parts, frame, scratch, run)
      pad(parts, frame, run)
    }
  }

  /// The place of a run in the image.
  @inline(__always)
  func place(
    _ level: ImageLevel, _ frame: borrowing RunFrame, _ run: PixelRun
  ) -> UnsafeMutablePointer<UInt8> {
    level.start(frame, image: run.image) + geometry.paddedPixel(run) &* level.pixelBytes
  }

  /// Codes of a run, pixel after pixel, to the form and the place that the convolution wants, unless they are there.
  func take(
    _ codes: UnsafePointer<UInt8>, _ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame,
    _ scratch: UnsafeMutableRawPointer, _ run: PixelRun
  ) {
    let level = part.pointee.levels.0
    let target = place(level, frame, run)
    let paddedLength = run.count &* level.paddedChannels
    let isPrepared = part.pointee.prepares.0
    var ready = codes
    if level.paddedChannels != level.channels {
      let padded = isPrepared ? (scratch + self.codes.0).assumingMemoryBound(to: UInt8.self) : target
      Self.spread(codes, level.channels, padded, level.paddedChannels, run.count)
      ready = UnsafePointer(padded)
    }
    if isPrepared {
      var preparation = snq_prepare_args(
        codes: ready, codeStride: paddedLength,
        paddedChannels: UInt32(truncatingIfNeeded: paddedLength),
        activationBits: UInt32(truncatingIfNeeded: level.activationBits), form: level.form, prepared: target,
        preparedStride: run.count &* level.pixelBytes, planeStride: level.planeStride)
      prepare(&preparation, 0, 1)
    } else if ready != UnsafePointer(target) {
      target.update(from: ready, count: paddedLength)
    }
    if let sums = level.sumStart(frame, image: run.image) {
      let pixel = geometry.paddedPixel(run)
      if level.form == UInt32(SNQ_BIT_PLANES) {
        CodeSums.ofPlanes(
          target, count: run.count, pixelBytes: level.pixelBytes, planeCount: level.activationBits,
          planeStride: level.planeStride, into: sums + pixel)
      } else {
        CodeSums.ofPixels(codes, count: run.count, channels: level.channels, into: sums + pixel)
      }
    }
  }

  /// Puts zeros behind the channels of every pixel.
  private static func spread(
    _ codes: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>, _ padded: Int,
    _ count: Int
  ) {
    let (source, place) = (UnsafeRawPointer(codes), UnsafeMutableRawPointer(target))
    if channels == 3, padded == 4 {
      // Reads one byte behind the last pixel: the scratch has it.
      for pixel in 0..<count {
        let four = source.loadUnaligned(fromByteOffset: pixel &* 3, as: UInt32.self)
        place.storeBytes(of: four & 0x00ff_ffff, toByteOffset: pixel &* 4, as: UInt32.self)
      }
    } else if channels == 16, padded == 32 {
      for pixel in 0..<count {
        let low = source.loadUnaligned(fromByteOffset: pixel &* 16, as: SIMD16<UInt8>.self)
        place.storeBytes(of: low, toByteOffset: pixel &* 32, as: SIMD16<UInt8>.self)
        place.storeBytes(
          of: SIMD16<UInt8>(repeating: 0), toByteOffset: pixel &* 32 &+ 16, as: SIMD16<UInt8>.self)
      }
    } else {
      for pixel in 0..<count {
        (place + pixel &* padded).copyMemory(from: source + pixel &* channels, byteCount: channels)
        (place + (pixel &* padded &+ channels)).initializeMemory(
          as: UInt8.self, repeating: 0, count: padded &- channels)
      }
    }
  }
}
