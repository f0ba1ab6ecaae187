import CKernelABI
import SoniqKernels

/// Float pixels to the activations of the convolution that follows, with the padding around them.
struct ImageStep: RowStep {
  static var entry: StepEntry { { ImageStep.answer($0, $1) } }
  var quantize: snq_quantize_function
  var takeCodes: snq_take_codes_function
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

  var isDynamic: Bool { geometry.isDynamic }

  mutating func bind(_ frame: borrowing RunFrame) {
    geometry.bind(frame)
    let parts = UnsafeMutablePointer(mutating: parts)
    for part in 0..<partCount {
      // Where there is one level, both are the same.
      parts[part].levels.0.bind(geometry, frame)
      parts[part].levels.1.bind(geometry, frame)
    }
  }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let source = frame.storages[input]
    if isReady { return placeCodes(frame, window, rows, source) }
    if isPlanar { return quantizePlanes(frame, window, rows, source) }
    let floats = UnsafePointer(source.floats(window))
    var runs = PixelRuns(
      rows, firstPixel: window.firstRow, height: geometry.height, width: geometry.width,
      atMost: Self.pixelsAtOnce)
    while let run = runs.next() {
      for part in 0..<partCount {
        quantizeRun(
          parts + part, frame, window.lane, run,
          floats + (run.begin &* source.stride &+ parts[part].firstChannel), source.stride)
        pad(parts + part, frame, run)
      }
    }
  }

  private func quantizeRun(
    _ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ lane: Int, _ run: PixelRun,
    _ input: UnsafePointer<Float>, _ stride: Int
  ) {
    if part.pointee.isSeamless, stride == geometry.channels {
      return quantizeSeamless(part, frame, lane, run, input)
    }
    if part.pointee.isGathered, stride == geometry.channels {
      return quantizeGathered(part, frame, lane, run, input)
    }
    let scratch = frame.scratch + lane &* frame.scratchStride
    let pixel = geometry.paddedPixel(run)
    var call = part.pointee.arguments
    call.input = input
    call.inputStride = stride
    call.scratch = (scratch + gather).assumingMemoryBound(to: Float.self)
    let parameters = (scratch + self.parameters).assumingMemoryBound(to: snq_row_params.self)
    let levels = Int(call.levelCount)
    call.levels.0.rows = parameters
    call.levels.1.rows = parameters + 1
    aim(
      &call.levels.0, part.pointee.levels.0, part.pointee.prepares.0, scratch + codes.0, frame, run, pixel)
    if levels == 2 {
      aim(
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

  /// Codes go to the image itself, or to scratch when they are prepared from there.
  @inline(__always)
  func aim(
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
  func finish(
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
}
