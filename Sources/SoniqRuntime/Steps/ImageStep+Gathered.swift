import CKernelABI

// Pixels whose channels have levels of their own, in an order of their own.

extension ImageStep {
  /// A run of pixels as one row for each level, of which its channels are then picked: codes are a quarter of floats, and a
  /// pixel has few of either.
  func quantizeGathered(
    _ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ lane: Int, _ run: PixelRun,
    _ input: UnsafePointer<Float>
  ) {
    quantizeGathered(
      part, frame, lane, run, input, part.pointee.levels.0, part.pointee.prepares.0, second: false)
    guard part.pointee.arguments.levelCount == 2 else { return }
    quantizeGathered(
      part, frame, lane, run, input, part.pointee.levels.1, part.pointee.prepares.1, second: true)
  }

  private func quantizeGathered(
    _ part: UnsafePointer<ImagePart>, _ frame: borrowing RunFrame, _ lane: Int, _ run: PixelRun,
    _ input: UnsafePointer<Float>, _ level: ImageLevel, _ isPrepared: Bool, second: Bool
  ) {
    let scratch = frame.scratch + lane &* frame.scratchStride
    let parameters = (scratch + self.parameters).assumingMemoryBound(to: snq_row_params.self)
    let channels = geometry.channels
    let all = (scratch + tight).assumingMemoryBound(to: UInt8.self)
    let own = second ? part.pointee.arguments.levels.1 : part.pointee.arguments.levels.0
    var call = part.pointee.arguments
    call.input = input
    call.inputStride = run.count &* channels
    call.channels = UInt32(truncatingIfNeeded: run.count &* channels)
    call.gather = nil
    call.levelCount = 1
    call.levels.0 = own
    call.levels.0.begin = 0
    call.levels.0.channels = call.channels
    call.levels.0.paddedChannels = call.channels
    call.levels.0.codes = all
    call.levels.0.codeStride = call.inputStride
    call.levels.0.rows = parameters
    quantize(&call, 0, 1)
    var picked = snq_take_codes_args()
    picked.codes = UnsafePointer(all)
    picked.codeStride = channels
    picked.channels = UInt32(truncatingIfNeeded: channels)
    picked.gather = part.pointee.arguments.gather
    picked.levelCount = 1
    picked.levels.0 = own
    picked.levels.0.rows = parameters
    picked.levels.0.rowStride = 1
    let pixel = geometry.paddedPixel(run)
    aim(
      &picked.levels.0, level, isPrepared, scratch + (second ? codes.1 : codes.0), frame, run, pixel)
    takeCodes(&picked, 0, UInt32(truncatingIfNeeded: run.count))
    finish(level, isPrepared, picked.levels.0, parameters, 1, frame, run, pixel)
  }
}
