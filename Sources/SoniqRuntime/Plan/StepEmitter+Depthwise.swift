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
      partCount: 1, geometry: depthwise.geometry, input: step.reads[0], codes: (0, 0),
      tight: ConvolutionScratch.parameterBytes, parameters: 0, gather: 0)
    var description = describe(step, "quantize image", kernels.quantize)
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
    arguments.zeroSums = UnsafePointer(memory.store(zeroSums))
    arguments.scale = scale
    arguments.weightScale = weights.scales.bound(to: Float.self).baseAddress
    arguments.bias = depthwise.bias.map { UnsafePointer(memory.store(paddedBias($0, to: padded))) }
    if kernels.depthwise.instructionSet == .avx512 { arguments.tiles = tiles(weights) }
    let depthwiseStep = DepthwiseStep(
      function: kernels.depthwise.function, arguments: arguments, image: imageLevel(depthwise),
      geometry: geometry,
      output: step.writes[0], activation: function.map { _ in kernels.activation.function },
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

  private func paddedBias(_ bias: DenseConstant, to count: Int) -> [Float] {
    let values = Array(bias.bytes.bound(to: Float.self))
    return values + [Float](repeating: 0, count: count - values.count)
  }

  /// See `snq_depthwise_args.tiles`.
  private func tiles(_ weights: PackedDepthwise) -> UnsafePointer<Int8> {
    let padded = weights.paddedChannels
    let source = weights.weights.bound(to: Int8.self)
    let tapGroups = (weights.taps + 3) / 4
    let blocks = (padded + 63) / 64
    var tiles = [Int8](repeating: 0, count: blocks * tapGroups * 256)
    for tap in 0..<weights.taps {
      for channel in 0..<padded {
        let (block, inBlock) = (channel / 64, channel % 64)
        let place = inBlock % 16 / 4 * 64 + inBlock / 16 * 16 + inBlock % 4 * 4 + tap % 4
        tiles[(block * tapGroups + tap / 4) * 256 + place] = source[tap * padded + channel]
      }
    }
    return UnsafePointer(memory.store(tiles))
  }
}
