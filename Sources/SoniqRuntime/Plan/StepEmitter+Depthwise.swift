import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension StepEmitter {
  func emitDepthwiseImage(
    _ step: ScheduledStep, _ depthwise: ScheduledDepthwise
  ) -> (Step, StepDescription) {
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
      quantize: kernels.quantize.function, prepare: kernels.prepare.function, parts: memory.store([part]),
      partCount: 1, geometry: depthwise.geometry, input: step.reads[0], isReady: readsCodes(step),
      isPlanar: false, codes: (0, 0),
      tight: ConvolutionScratch.parameterBytes, parameters: 0, gather: 0)
    var description = describeImage(step)
    description.level = levelText(depthwise)
    return (.image(memory.store(image)), description)
  }

  func emitDepthwise(
    _ step: ScheduledStep, _ depthwise: ScheduledDepthwise, _ function: ActivationFunction?
  ) -> (Step, StepDescription) {
    let weights = depthwise.weights
    let padded = weights.paddedChannels
    let (scale, zero) = weights.level.activation.fixedParameters
    let integers = weights.weights.bound(to: Int8.self).map { Int32($0) }
    var zeroSums = [Int32](repeating: 0, count: padded)
    for (place, integer) in integers.enumerated() {
      zeroSums[place % padded] &+= integer &* Int32(truncatingIfNeeded: zero)
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
    arguments.tapOffsets = UnsafePointer(memory.store(offsets))
    arguments.taps = UInt32(weights.taps)
    arguments.channels = UInt32(weights.channels)
    arguments.paddedChannels = UInt32(padded)
    arguments.weights = UnsafePointer(memory.store(integers))
    arguments.windowWidth = UInt32(geometry.windowWidth)
    arguments.scale = scale
    let scales = Array(weights.scales.bound(to: Float.self))
    let bias = depthwise.bias.map { Array($0.bytes.bound(to: Float.self)) }
    if kernels.depthwise.instructionSet == .avx512 {
      let rowBytes = schedule.slots[step.writes[0]].rowBytes
      let tiles = DepthwiseTiles(
        weights, geometry, isTight: rowBytes == weights.channels * (step.sink == nil ? 4 : 1))
      arguments.pixels = UInt32(tiles.pixels)
      arguments.tiles = UnsafePointer(memory.store(tiles.tiles(weights.weights.bound(to: Int8.self))))
      arguments.zeroSums = UnsafePointer(memory.store(tiles.ordered(zeroSums)))
      arguments.weightScale = UnsafePointer(memory.store(tiles.ordered(scales)))
      arguments.bias = bias.map { UnsafePointer(memory.store(tiles.ordered($0))) }
    } else {
      arguments.zeroSums = UnsafePointer(memory.store(zeroSums))
      arguments.weightScale = weights.scales.bound(to: Float.self).baseAddress
      arguments.bias = bias.map {
        UnsafePointer(memory.store($0 + [Float](repeating: 0, count: padded - $0.count)))
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
    return (.depthwise(memory.store(depthwiseStep)), description)
  }

  func emitFloatDepthwise(
    _ step: ScheduledStep, _ geometry: ImageGeometry, _ weights: DenseConstant, _ bias: DenseConstant?,
    _ function: ActivationFunction?
  ) -> (Step, StepDescription) {
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
    return (.floatDepthwise(memory.store(depthwise)), description)
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
  func ordered<Number: Numeric>(_ numbers: [Number]) -> [Number] {
    (0..<blocks * 64).map { place in
      guard let channel = channel(place), channel < numbers.count else { return 0 }
      return numbers[channel]
    }
  }

  /// * weights: [tap][padded channels]
  func tiles(_ weights: UnsafeBufferPointer<Int8>) -> [Int8] {
    let groups = (height + 3) / 4
    var tiles: [Int8] = []
    for block in 0..<blocks * 2 {
      for group in 0..<groups {
        for column in 0..<width {
          for place in block * 32..<block * 32 + 32 {
            for row in group * 4..<group * 4 + 4 {
              let tap = row * width + column
              tiles.append(row < height ? channel(place).map { weights[tap * padded + $0] } ?? 0 : 0)
            }
          }
        }
      }
    }
    return tiles
  }
}
