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
      isSeamless: true, isGathered: false)
    let image = ImageStep(
      quantize: kernels.quantize.function, takeCodes: kernels.takeCodes.function,
      prepare: kernels.prepare.function, parts: try memory.store([part]),
      partCount: 1, geometry: depthwise.geometry, input: step.reads[0], isReady: readsCodes(step),
      isPlanar: false, codes: (0, 0),
      tight: ConvolutionScratch.parameterBytes, parameters: 0, gather: 0)
    var description = describeImage(step)
    description.level = levelText(depthwise)
    return (try self.step(image), description)
  }

  func emitDepthwise(
    _ step: ScheduledStep, _ depthwise: ScheduledDepthwise, _ function: ElementFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let weights = depthwise.weights
    let padded = weights.paddedChannels
    let (scale, _) = weights.level.activation.fixedParameters
    let geometry = depthwise.geometry
    let offsets = (0..<geometry.taps).map { DepthwiseStep.tapOffset($0, geometry, pixelBytes: padded) }
    var arguments = snq_depthwise_args()
    arguments.rowStep = geometry.strideWidth * padded
    arguments.tapOffsets = UnsafePointer(try memory.store(offsets))
    arguments.taps = UInt32(weights.taps)
    arguments.channels = UInt32(weights.channels)
    arguments.paddedChannels = UInt32(padded)
    arguments.weights = weights.weights.bound(to: Int8.self).baseAddress
    arguments.windowWidth = UInt32(geometry.windowWidth)
    arguments.scale = scale
    let rowBytes = schedule.slots[step.writes[0]].rowBytes
    let numbers = DepthwiseNumbers(
      depthwise, isTiled: depthwise.kernel.traits.contains(.tiledDepthwise),
      isTight: rowBytes == weights.channels * (step.sink == nil ? 4 : 1))
    numbers.place(try self.weights.bytes(of: .depthwise(numbers)), &arguments)
    arguments.sink = sink(step)
    let depthwiseStep = DepthwiseStep(
      function: depthwise.kernel.function, arguments: arguments, image: imageLevel(depthwise),
      geometry: geometry,
      output: step.writes[0], writesCodes: step.sink != nil,
      fusedFunction: fusing(function))
    var description = describe(
      step, function == nil ? "depthwise convolution" : "depthwise convolution + activation",
      depthwise.kernel)
    description.level = levelText(depthwise)
    description.refusals = depthwise.refusals
    description.add([.depthwise(numbers)])
    return (try self.step(depthwiseStep), description)
  }

  func emitFloatDepthwise(
    _ step: ScheduledStep, _ geometry: ImageGeometry, _ weights: DenseConstant, _ bias: DenseConstant?,
    _ function: ElementFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_depthwise_float_args()
    arguments.weights = weights.bytes.bound(to: Float.self).baseAddress
    arguments.bias = bias?.bytes.bound(to: Float.self).baseAddress
    arguments.taps = UInt32(geometry.taps)
    arguments.channels = UInt32(geometry.channels)
    if LineCopy.takes(geometry) {
      let offsets = (0..<geometry.taps).map { LineCopy.tapOffset($0, geometry) }
      arguments.tapOffsets = UnsafePointer(try memory.store(offsets))
    }
    let depthwise = FloatDepthwiseStep(
      function: kernels.floatDepthwise.function, arguments: arguments,
      windows: WindowCopy(geometry: geometry, channels: geometry.channels, input: step.reads[0]),
      output: step.writes[0], fusedFunction: fusing(function))
    var description = describe(step, "depthwise convolution", kernels.floatDepthwise)
    description.level = "float32"
    return (try self.step(depthwise), description)
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
