import CKernelABI
import SoniqKernels

/// How the activations of one level of a convolution lie in memory: the pixels of an image with its padding, every
/// pixel `pixelBytes` long, in the form that the kernel wants. Bit planes lie one after the other, each with all pixels.
struct ImageLevel: BitwiseCopyable {
  var storage: StorageID
  /// int32 [image][pixel]: the sum of a pixel's codes; negative when nobody asks.
  var sums: StorageID
  /// `ActivationForm.tag`.
  var form: UInt32
  var channels: Int
  var paddedChannels: Int
  var activationBits: Int
  var pixelBytes: Int
  var planeStride: Int
  /// The code of padding: what stands for 0, or 0 for bipolar codes, which have none.
  var paddingCode: UInt8
  /// The sum of a padding pixel's codes.
  var paddingSum: Int32

  @inline(__always)
  func start(_ frame: borrowing RunFrame, image: Int) -> UnsafeMutablePointer<UInt8> {
    let storage = frame.storages[storage]
    return (storage.base + image &* storage.rowBytes).assumingMemoryBound(to: UInt8.self)
  }

  @inline(__always)
  func sumStart(_ frame: borrowing RunFrame, image: Int) -> UnsafeMutablePointer<Int32>? {
    guard sums >= 0 else { return nil }
    let storage = frame.storages[sums]
    return (storage.base + image &* storage.rowBytes).assumingMemoryBound(to: Int32.self)
  }

  /// Makes pixels padding.
  func pad(_ frame: borrowing RunFrame, image: Int, _ pixel: Int, count: Int) {
    guard count > 0 else { return }
    let start = start(frame, image: image) + pixel &* pixelBytes
    let bytes = count &* pixelBytes
    switch Int(form) {
    case SNQ_BIT_PLANES:
      for plane in 0..<activationBits {
        let bit = paddingCode &>> UInt8(truncatingIfNeeded: plane) & 1
        fill(start + plane &* planeStride, bytes, bit == 1 ? 255 : 0)
      }
    case SNQ_CODES:
      fill(start, bytes, 0)
      if paddingCode != 0 {
        for pixel in 0..<count { fill(start + pixel &* pixelBytes, channels, paddingCode) }
      }
    default: padTables(start, bytes)
    }
    if let sums = sumStart(frame, image: image) {
      for place in pixel..<pixel &+ count { sums[place] = paddingSum }
    }
  }

  @inline(__always)
  private func fill(_ start: UnsafeMutablePointer<UInt8>, _ count: Int, _ value: UInt8) {
    UnsafeMutableRawPointer(start).initializeMemory(as: UInt8.self, repeating: value, count: count)
  }

  /// Tables of 16 sums each; with halves, 8 tables of the lower 4 bits and then 8 of the upper.
  private func padTables(_ start: UnsafeMutablePointer<UInt8>, _ bytes: Int) {
    if paddingCode == 0 { return fill(start, bytes, 0) }
    let isHalved = form == UInt32(SNQ_HALF_TABLES)
    for byte in 0..<bytes {
      let code = !isHalved ? paddingCode : byte & 128 == 0 ? paddingCode & 15 : paddingCode &>> 4
      start[byte] = code &* UInt8(truncatingIfNeeded: (byte & 15).nonzeroBitCount)
    }
  }
}

/// One group of a convolution's input channels on its way to codes.
struct ImagePart: BitwiseCopyable {
  /// Everything but pointers.
  var arguments: snq_quantize_args
  var firstChannel: Int
  var levels: (ImageLevel, ImageLevel)
  var prepares: (Bool, Bool)
  /// The pixels of a run are one long row: one level, nothing gathered, all channels.
  var isSeamless: Bool
}

/// Float pixels to the activations of the convolution that follows, with the padding around them.
struct ImageStep: BitwiseCopyable {
  var quantize: snq_quantize_function
  var prepare: snq_prepare_function
  var parts: UnsafePointer<ImagePart>
  var partCount: Int
  var geometry: ImageGeometry
  var input: StorageID
  /// The input is the codes, of one seamless part, which the step before has made.
  var isReady: Bool
  /// The input is [B,C,H,W], for one level of at most 4 channels and a kernel that takes codes.
  var isPlanar: Bool
  /// Offsets into the lane's scratch.
  var codes: (Int, Int)
  /// Codes of pixels without padding.
  var tight: Int
  var parameters: Int
  var gather: Int

  /// Pixels at a time, which the scratch has room for.
  static let pixelsAtOnce = 64
  static let planarPixelsAtOnce = 256

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let source = frame.storages[input]
    if isReady { return place(frame, window, rows, source) }
    if isPlanar { return quantizePlanes(frame, window, rows, source) }
    let floats = UnsafePointer(source.floats(window))
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.height, width: geometry.width)
    while let run = runs.next() {
      for part in 0..<partCount {
        var done = 0
        while done < run.count {
          var piece = run
          piece.begin = run.begin &+ done
          piece.column = run.column &+ done
          piece.count = min(Self.pixelsAtOnce, run.count &- done)
          quantize(
            parts + part, frame, window.lane, piece,
            floats + (piece.begin &* source.stride &+ parts[part].firstChannel), source.stride)
          done &+= piece.count
        }
        pad(parts + part, frame, run)
      }
    }
  }

  private func quantize(
    _ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ lane: Int, _ run: PixelRun,
    _ input: UnsafePointer<Float>, _ stride: Int
  ) {
    if part.pointee.isSeamless, stride == geometry.channels {
      return quantizeSeamless(part, frame, lane, run, input)
    }
    let scratch = frame.scratch + lane &* frame.scratchStride
    let pixel = (run.row &+ geometry.top) &* geometry.paddedWidth &+ geometry.left &+ run.column
    var call = part.pointee.arguments
    call.input = input
    call.inputStride = stride
    call.scratch = (scratch + gather).assumingMemoryBound(to: Float.self)
    let parameters = (scratch + self.parameters).assumingMemoryBound(to: snq_row_params.self)
    let levels = Int(call.levelCount)
    call.levels.0.rows = parameters
    call.levels.1.rows = parameters + 1
    place(
      &call.levels.0, part.pointee.levels.0, part.pointee.prepares.0, scratch + codes.0, frame, run, pixel)
    if levels == 2 {
      place(
        &call.levels.1, part.pointee.levels.1, part.pointee.prepares.1, scratch + codes.1, frame, run, pixel)
    }
    quantize(&call, 0, UInt32(run.count))
    finish(
      part.pointee.levels.0, part.pointee.prepares.0, call.levels.0, parameters, levels, frame, run, pixel)
    if levels == 2 {
      finish(
        part.pointee.levels.1, part.pointee.prepares.1, call.levels.1, parameters + 1, levels, frame, run,
        pixel)
    }
  }

  /// A run of pixels as one row: no constants, sums and calls for each of them.
  private func quantizeSeamless(
    _ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ lane: Int, _ run: PixelRun,
    _ input: UnsafePointer<Float>
  ) {
    let scratch = frame.scratch + lane &* frame.scratchStride
    let level = part.pointee.levels.0
    let length = run.count &* level.channels
    let target = place(level, frame, run)
    var call = part.pointee.arguments
    call.input = input
    call.inputStride = length
    call.channels = UInt32(truncatingIfNeeded: length)
    call.levels.0.channels = call.channels
    call.levels.0.paddedChannels = call.channels
    call.levels.0.rows = (scratch + parameters).assumingMemoryBound(to: snq_row_params.self)
    call.levels.0.codeStride = length
    let codes: UnsafeMutablePointer<UInt8>
    if level.paddedChannels != level.channels {
      codes = (scratch + tight).assumingMemoryBound(to: UInt8.self)
    } else {
      codes = part.pointee.prepares.0 ? (scratch + self.codes.0).assumingMemoryBound(to: UInt8.self) : target
    }
    call.levels.0.codes = codes
    quantize(&call, 0, 1)
    take(UnsafePointer(codes), part, frame, scratch, run)
  }

  /// Pieces of the planes' rows to codes, then to pixels.
  private func quantizePlanes(
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
      rows, firstPixel: window.firstRow, height: geometry.height, width: geometry.width)
    while let run = runs.next() {
      var done = 0
      while done < run.count {
        var piece = run
        piece.column = run.column &+ done
        piece.count = min(Self.planarPixelsAtOnce, run.count &- done)
        let place = run.image &* level.channels &* plane &+ run.row &* geometry.width &+ piece.column
        call.input = floats + place
        call.channels = UInt32(truncatingIfNeeded: piece.count)
        call.levels.0.channels = call.channels
        call.levels.0.paddedChannels = call.channels
        quantize(&call, 0, UInt32(truncatingIfNeeded: level.channels))
        interleave(codes, level, frame, piece)
        done &+= piece.count
      }
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
    let first = (run.row &+ geometry.top) &* geometry.paddedWidth &+ geometry.left &+ run.column
    for pixel in 0..<run.count {
      var sum: Int32 = 0
      for channel in 0..<level.channels {
        sum &+= Int32(codes[channel &* Self.planarPixelsAtOnce &+ pixel])
      }
      sums[first &+ pixel] = sum
    }
  }

  /// Codes that are there, to where the convolution wants them.
  private func place(
    _ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>, _ source: RowStorage
  ) {
    let scratch = frame.scratch + window.lane &* frame.scratchStride
    let codes = UnsafePointer(source.address(window).assumingMemoryBound(to: UInt8.self))
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.height, width: geometry.width)
    while let run = runs.next() {
      var done = 0
      while done < run.count {
        var piece = run
        piece.begin = run.begin &+ done
        piece.column = run.column &+ done
        piece.count = min(Self.pixelsAtOnce, run.count &- done)
        take(codes + piece.begin &* source.rowBytes, parts, frame, scratch, piece)
        done &+= piece.count
      }
      pad(parts, frame, run)
    }
  }

  /// The place of a run in the image.
  @inline(__always)
  private func place(
    _ level: ImageLevel, _ frame: borrowing RunFrame, _ run: PixelRun
  ) -> UnsafeMutablePointer<UInt8> {
    let pixel = (run.row &+ geometry.top) &* geometry.paddedWidth &+ geometry.left &+ run.column
    return level.start(frame, image: run.image) + pixel &* level.pixelBytes
  }

  /// Codes of a run, pixel after pixel, to the form and the place that the convolution wants, unless they are there.
  private func take(
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
      let pixel = (run.row &+ geometry.top) &* geometry.paddedWidth &+ geometry.left &+ run.column
      if level.form == UInt32(SNQ_BIT_PLANES) {
        for place in 0..<run.count {
          sums[pixel &+ place] = Self.sum(planes: target + place &* level.pixelBytes, level)
        }
      } else {
        for place in 0..<run.count {
          sums[pixel &+ place] = Self.sum(codes + place &* level.channels, level.channels)
        }
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

  /// The sum of a pixel's codes from their planes.
  @inline(__always)
  private static func sum(planes: UnsafePointer<UInt8>, _ level: ImageLevel) -> Int32 {
    var sum = 0
    for plane in 0..<level.activationBits {
      let words = UnsafeRawPointer(planes + plane &* level.planeStride)
      var count = 0
      var byte = 0
      while byte &+ 8 <= level.pixelBytes {
        count &+= words.loadUnaligned(fromByteOffset: byte, as: UInt64.self).nonzeroBitCount
        byte &+= 8
      }
      if byte < level.pixelBytes {
        count &+= words.loadUnaligned(fromByteOffset: byte, as: UInt32.self).nonzeroBitCount
      }
      sum &+= count &<< plane
    }
    return Int32(truncatingIfNeeded: sum)
  }

  /// The sum of `count` codes.
  @inline(__always)
  static func sum(_ codes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    var sums = SIMD8<UInt16>(repeating: 0)
    var total: Int32 = 0
    var place = 0
    while place &+ 16 <= count {
      let bytes = UnsafeRawPointer(codes + place).loadUnaligned(as: SIMD16<UInt8>.self)
      sums &+=
        SIMD8<UInt16>(truncatingIfNeeded: bytes.lowHalf) &+ SIMD8<UInt16>(truncatingIfNeeded: bytes.highHalf)
      place &+= 16
      // 128 additions of two codes stay within 16 bits.
      if place & 2047 == 0 {
        total &+= SIMD8<Int32>(truncatingIfNeeded: sums).wrappedSum()
        sums = SIMD8(repeating: 0)
      }
    }
    total &+= SIMD8<Int32>(truncatingIfNeeded: sums).wrappedSum()
    while place < count {
      total &+= Int32(codes[place])
      place &+= 1
    }
    return total
  }

  /// Codes go to the image itself, or to scratch when they are prepared from there.
  @inline(__always)
  private func place(
    _ target: inout snq_activation_level, _ level: ImageLevel, _ isPrepared: Bool,
    _ scratch: UnsafeMutableRawPointer, _ frame: borrowing RunFrame, _ run: PixelRun, _ pixel: Int
  ) {
    target.codeStride = isPrepared ? (level.paddedChannels &+ 63) & ~63 : level.pixelBytes
    target.codes =
      isPrepared
      ? scratch.assumingMemoryBound(to: UInt8.self)
      : level.start(frame, image: run.image) + pixel &* level.pixelBytes
  }

  @inline(__always)
  private func finish(
    _ level: ImageLevel, _ isPrepared: Bool, _ made: snq_activation_level,
    _ parameters: UnsafePointer<snq_row_params>, _ levels: Int, _ frame: borrowing RunFrame, _ run: PixelRun,
    _ pixel: Int
  ) {
    if isPrepared {
      var call = snq_prepare_args(
        codes: UnsafePointer(made.codes), codeStride: made.codeStride,
        paddedChannels: UInt32(truncatingIfNeeded: level.paddedChannels),
        activationBits: UInt32(truncatingIfNeeded: level.activationBits), form: level.form,
        prepared: level.start(frame, image: run.image) + pixel &* level.pixelBytes,
        preparedStride: level.pixelBytes, planeStride: level.planeStride)
      prepare(&call, 0, UInt32(truncatingIfNeeded: run.count))
    }
    if let sums = level.sumStart(frame, image: run.image) {
      for place in 0..<run.count { sums[pixel &+ place] = parameters[place &* levels].codeSum }
    }
  }

  /// The padding around a part of an image row: the ends of the row, and above the first and below the last row.
  private func pad(_ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ run: PixelRun) {
    pad(part.pointee.levels.0, frame, run)
    if part.pointee.arguments.levelCount == 2 { pad(part.pointee.levels.1, frame, run) }
  }

  private func pad(_ level: ImageLevel, _ frame: borrowing RunFrame, _ run: PixelRun) {
    let width = geometry.paddedWidth
    let begin = run.column == 0 ? 0 : geometry.left &+ run.column
    let end = run.column &+ run.count == geometry.width ? width : geometry.left &+ run.column &+ run.count
    let line = (run.row &+ geometry.top) &* width
    if begin == 0 { level.pad(frame, image: run.image, line, count: geometry.left) }
    if end == width {
      let right = geometry.left &+ geometry.width
      level.pad(frame, image: run.image, line &+ right, count: width &- right)
    }
    if run.row == 0 {
      for row in 0..<geometry.top {
        level.pad(frame, image: run.image, row &* width &+ begin, count: end &- begin)
      }
    }
    if run.row == geometry.height &- 1 {
      for row in geometry.top &+ geometry.height..<geometry.paddedHeight {
        level.pad(frame, image: run.image, row &* width &+ begin, count: end &- begin)
      }
    }
  }
}
