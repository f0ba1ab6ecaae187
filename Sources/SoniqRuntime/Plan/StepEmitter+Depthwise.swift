import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension StepEmitter {
  func emitDepthwiseImage(
    _ step: ScheduledStep, _ depthwise: ScheduledDepthwise
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let weights = depthwise.weights
    let (scale, zero) = weights.level.activation.fixedParameters
    var arguments = snq_quantize_args()
    arguments.channels = UInt32(weights.channels)
    arguments.levelCount = 1
    arguments.levels.0.channels = UInt32(weights.channels)
    arguments.levels.0.paddedChannels = UInt32(weights.paddedChannels)
    arguments.levels.0.kind = UInt32(weights.level.activation.kind.rawValue)
    arguments.levels.0.bits = UInt32(weights.level.activation.bits)
    arguments.levels.0.isStatic = 1
    arguments.levels.0.scale = scale
    arguments.levels.0.zero = Int32(truncatingIfNeeded: zero)
    arguments.levels.0.rowStride = 1
    let level = imageLevel(depthwise)
    let part = ImagePart(
      arguments: arguments, firstChannel: 0, levels: (level, level), prepares: (false, false),
      isSeamless: true)
    let image = ImageStep(
      quantize: kernels.quantize.function, prepare: kernels.prepare.function, parts: try memory.store([part]),
      partCount: 1, geometry: depthwise.geometry, input: step.reads[0], isReady: readsCodes(step),
      isPlanar: false, codes: (0, 0),
      tight: ConvolutionScratch.parameterBytes, parameters: 0, gather: 0)
    var description = describeImage(step)
    description.level = levelText(depthwise)
    return (.image(try memory.store(image)), description)
  }

  func emitDepthwise(
    _ step: ScheduledStep, _ depthwise: ScheduledDepthwise, _ function: ActivationFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let weights = depthwise.weights
    let padded = weights.paddedChannels
    let (scale, zero) = weights.level.activation.fixedParameters
    let codes = weights.weights.bound(to: Int8.self)
    let integers = try memory.store(count: codes.count) { Int32(codes[$0]) }
    let zeroSums = try memory.store(repeating: Int32(0), count: padded)
    for place in codes.indices {
      zeroSums[place % padded] &+= integers[place] &* Int32(truncatingIfNeeded: zero)
    }
    let geometry = depthwise.geometry
    var offsets: [Int32] = []
    for row in 0..<geometry.windowHeight {
      for column in 0..<geometry.windowWidth {
        let pixel =
          row * geometry.dilationHeight * geometry.paddedWidth + column * geometry.dilationWidth
        offsets.append(Int32(truncatingIfNeeded: pixel * padded))
      }
    }
    var arguments = snq_depthwise_args()
    arguments.rowStep = geometry.strideWidth * padded
    arguments.tapOffsets = UnsafePointer(try memory.store(offsets))
    arguments.taps = UInt32(weights.taps)
    arguments.channels = UInt32(weights.channels)
    arguments.paddedChannels = UInt32(padded)
    arguments.weights = UnsafePointer(integers)
    arguments.windowWidth = UInt32(geometry.windowWidth)
    arguments.scale = scale
    let scales = weights.scales.bound(to: Float.self)
    let bias = depthwise.bias?.bytes.bound(to: Float.self)
    if kernels.depthwise.instructionSet == .avx512 {
      let rowBytes = schedule.slots[step.writes[0]].rowBytes
      let tiles = DepthwiseTiles(
        weights, geometry, isTight: rowBytes == weights.channels * (step.sink == nil ? 4 : 1))
      arguments.pixels = UInt32(tiles.pixels)
      arguments.tiles = try tiles.tiles(codes, memory)
      arguments.zeroSums = try tiles.ordered(
        UnsafeBufferPointer(start: zeroSums, count: padded), memory)
      arguments.weightScale = try tiles.ordered(scales, memory)
      if let bias { arguments.bias = try tiles.ordered(bias, memory) }
    } else {
      arguments.zeroSums = UnsafePointer(zeroSums)
      arguments.weightScale = scales.baseAddress
      if let bias {
        arguments.bias = UnsafePointer(
          try memory.store(count: padded) { $0 < bias.count ? bias[$0] : 0 })
      }
    }
    arguments.sink = sink(step)
    let depthwiseStep = DepthwiseStep(
      function: kernels.depthwise.function, arguments: arguments, image: imageLevel(depthwise),
      geometry: geometry,
      output: step.writes[0], writesCodes: step.sink != nil,
      activation: function.map { _ in kernels.activation.function },
      activationKind: UInt32(function?.rawValue ?? 0))
    var description = describe(
      step, function == nil ? "depthwise convolution" : "depthwise convolution + activation",
      kernels.depthwise)
    description.level = levelText(depthwise)
    return (.depthwise(try memory.store(depthwiseStep)), description)
  }

  func emitFloatDepthwise(
    _ step: ScheduledStep, _ geometry: ImageGeometry, _ weights: DenseConstant, _ bias: DenseConstant?,
    _ function: ActivationFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_depthwise_float_args()
    arguments.weights = weights.bytes.bound(to: Float.self).baseAddress
    arguments.bias = bias?.bytes.bound(to: Float.self).baseAddress
    arguments.taps = UInt32(geometry.taps)
    arguments.channels = UInt32(geometry.channels)
    let depthwise = FloatDepthwiseStep(
      function: kernels.floatDepthwise.function, arguments: arguments,
      windows: WindowCopy(geometry: geometry, channels: geometry.channels, input: step.reads[0]),
      output: step.writes[0], activation: function.map { _ in kernels.activation.function },
      activationKind: UInt32(function?.rawValue ?? 0))
    var description = describe(step, "depthwise convolution", kernels.floatDepthwise)
    description.level = "float32"
    return (.floatDepthwise(try memory.store(depthwise)), description)
  }

  private func levelText(_ depthwise: ScheduledDepthwise) -> String {
    "\(depthwise.weights.level.weight.bits)x\(depthwise.weights.level.activation.bits)"
  }

  private func imageLevel(_ depthwise: ScheduledDepthwise) -> ImageLevel {
    let weights = depthwise.weights
    let zero = weights.level.activation.fixedParameters.zero
    return ImageLevel(
      storage: depthwise.image, sums: -1, form: UInt32(SNQ_CODES), channels: weights.channels,
      paddedChannels: weights.paddedChannels, activationBits: weights.level.activation.bits,
      pixelBytes: weights.paddedChannels, planeStride: 0, paddingCode: UInt8(truncatingIfNeeded: zero),
      paddingSum: 0)
  }
}

/// Weights and numbers of a depthwise convolution in the order of `snq_depthwise_args.tiles`.
private struct DepthwiseTiles {
  /// Neighbouring pixels that are taken as one of 64 channels.
  let pixels: Int
  private let channels: Int
  private let padded: Int
  private let width: Int
  private let height: Int
  private let blocks: Int

  /// * isTight: nothing lies between the outputs of two pixels.
  init(_ weights: PackedDepthwise, _ geometry: ImageGeometry, isTight: Bool) {
    channels = weights.channels
    padded = weights.paddedChannels
    width = geometry.windowWidth
    height = geometry.windowHeight
    let fits = isTight && channels == padded && 64 % channels == 0 && geometry.strideWidth == 1
    pixels = fits ? 64 / channels : 1
    blocks = (channels * pixels + 63) / 64
  }

  /// The channel at a place of the tiles' order; nil behind the last.
  private func channel(_ place: Int) -> Int? {
    let (block, lane) = (place / 16 % 4, place % 16)
    let channel = place / 64 * 64 + lane / 4 * 16 + block * 4 + lane % 4
    return channel < channels * pixels ? channel % channels : nil
  }

  /// Numbers of the channels; 0 where there is no channel or no number.
  func ordered<Number: Numeric & BitwiseCopyable>(
    _ numbers: UnsafeBufferPointer<Number>, _ memory: PlanMemory
  ) throws(RuntimeError) -> UnsafePointer<Number> {
    let ordered: UnsafeMutablePointer<Number> = try memory.store(count: blocks * 64) { place in
      guard let channel = channel(place), channel < numbers.count else { return 0 }
      return numbers[channel]
    }
    return UnsafePointer(ordered)
  }

  /// * weights: [tap][padded channels]
  func tiles(
    _ weights: UnsafeBufferPointer<Int8>, _ memory: PlanMemory
  ) throws(RuntimeError) -> UnsafePointer<Int8> {
    let groups = (height + 3) / 4
    // [half of a block][group of rows][column][channel of the half][row of the group]
    let tiles: UnsafeMutablePointer<Int8> = try memory.store(count: blocks * 2 * groups * width * 128) {
      index in
      let row = index / 128 / width % groups * 4 + index % 4
      let place = index / 128 / width / groups * 32 + index / 4 % 32
      let tap = row * width + index / 128 % width
      return row < height ? channel(place).map { weights[tap * padded + $0] } ?? 0 : 0
    }
    return UnsafePointer(tiles)
  }
}
