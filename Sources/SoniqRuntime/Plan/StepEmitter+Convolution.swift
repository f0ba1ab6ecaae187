import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension StepEmitter {
  func emitImage(_ step: ScheduledStep, _ convolution: ScheduledConvolution) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let scratch = convolution.scratch
    let parts = convolution.groups.enumerated().map { index, group in
      let (matrix, plans) = (group.matrix, group.levels)
      var arguments = snq_quantize_args()
      arguments.channels = UInt32(matrix.inputs)
      arguments.gather = matrix.gather?.bound(to: UInt32.self).baseAddress
      arguments.levelCount = UInt32(matrix.levels.count)
      arguments.levels.0 = activationLevel(matrix, 0, plans[0])
      if matrix.levels.count == 2 { arguments.levels.1 = activationLevel(matrix, 1, plans[1]) }
      let images = zip(plans, group.images).map { imageLevel($0, $1) }
      return ImagePart(
        arguments: arguments, firstChannel: index * convolution.groupChannels,
        levels: (images[0], images[images.count - 1]),
        prepares: (plans[0].form != .codes, plans[plans.count - 1].form != .codes),
        isSeamless: plans.count == 1 && matrix.gather == nil && convolution.groups.count == 1,
        isGathered: matrix.gather != nil && convolution.groups.count == 1 && matrix.inputs > 4
          && kernels.takeCodes.traits.contains(.picksManyRows))
    }
    let image = ImageStep(
      quantize: kernels.quantize.function, takeCodes: kernels.takeCodes.function,
      prepare: kernels.prepare.function, parts: try memory.store(parts),
      partCount: parts.count, geometry: convolution.geometry, input: step.reads[0],
      isReady: readsCodes(step), isPlanar: step.isPlanar, codes: scratch.codes, tight: scratch.tight,
      parameters: scratch.parameters, gather: scratch.gather)
    var description = describeImage(step)
    description.level = convolution.groups.first.map { levelText($0.matrix) } ?? ""
    if step.isPlanar { description.operation = "quantize planes" }
    return (try self.step(image), description)
  }

  /// An image made of floats, or of the codes that the step before made.
  func describeImage(_ step: ScheduledStep) -> StepDescription {
    readsCodes(step)
      ? describe(step, "place codes", "copy") : describe(step, "quantize image", kernels.quantize)
  }

  func emitConvolution(
    _ step: ScheduledStep, _ convolution: ScheduledConvolution, _ function: ElementFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let geometry = convolution.geometry
    let groups = convolution.groups
    let groupOutputs = groups.first?.matrix.outputs ?? 0
    let borders = convolution.isBipolar ? try BorderTables(geometry, memory) : nil
    let parts = try groups.enumerated().map { (index, group) throws(RuntimeError) in
      try convolutionPart(
        step, convolution, group, firstOutput: index * groupOutputs, hasBorders: borders != nil)
    }
    let partPanels = (groupOutputs + panelOutputs - 1) / panelOutputs
    let isDirect = groups.contains { $0.levels.contains(where: \.isDirect) }
    let convolutionStep = ConvolutionStep(
      parts: try memory.store(parts), partCount: parts.count, geometry: geometry,
      isCopied: !isDirect && borders == nil,
      borders: borders, output: step.writes[0], writesCodes: step.sink != nil,
      parameters: convolution.scratch.parameters,
      columnSums: convolution.scratch.columnSums,
      rowProducts: groups.reduce(0) { $0 + $1.matrix.inputs * $1.matrix.taps * $1.matrix.outputs },
      panelCount: parts.count == 1 ? partPanels : 0, partPanels: partPanels,
      fusedFunction: fusing(function), outputs: groupOutputs * parts.count)
    return (try self.step(convolutionStep), describe(step, convolution, function))
  }

  private func describe(
    _ step: ScheduledStep, _ convolution: ScheduledConvolution, _ function: ElementFunction?
  ) -> StepDescription {
    let (geometry, groups) = (convolution.geometry, convolution.groups)
    // Of the first group: the others are as large.
    let choices = groups[0].levels.map {
      [MatmulChoice](repeating: $0.choice, count: RowClass.allCases.count)
    }
    let window = "\(geometry.windowHeight)x\(geometry.windowWidth)"
    var description = describe(
      step, "convolution \(window)" + (function == nil ? "" : " + activation"),
      groups[0].levels[0].choice.kernel.row)
    description.kernel = ChoiceReport.kernels(choices)
    description.level = levelText(groups[0].matrix)
    description.refusals = ChoiceReport.refusals(choices)
    if groups.contains(where: { $0.levels.contains { $0.wantsDense && !$0.isDense } }) {
      description.refusals.append(
        "pixels without padding: need a copy of the weights, and copies are turned off")
    }
    description.add(groups.flatMap(\.levels).flatMap(\.forms))
    return description
  }

  private func convolutionPart(
    _ step: ScheduledStep, _ convolution: ScheduledConvolution, _ group: ScheduledConvolution.Group,
    firstOutput: Int, hasBorders: Bool
  ) throws(RuntimeError) -> ConvolutionPart {
    let (plans, scratch) = (group.levels, convolution.scratch)
    let fused = plans.count == 2 ? plans[0].choice.kernel.fusing(plans[1].choice.kernel) : nil
    let levels = try plans.enumerated().map { (index, plan) throws(RuntimeError) in
      var level = try convolutionLevel(
        plan, group.matrix, index, convolution.geometry, group.images[index], hasBorders: hasBorders)
      level.arguments.sink = sink(step)
      if plan.kernelScratchBytes > 0 { level.scratch = index == 0 ? scratch.kernel.0 : scratch.kernel.1 }
      level.rows = index == 0 ? scratch.rows.0 : scratch.rows.1
      if index == 0, let fused { level.function = fused }
      return level
    }
    return ConvolutionPart(
      levels: try memory.store(levels), levelCount: levels.count, isFused: fused != nil,
      firstOutput: firstOutput)
  }

  func emitFloatConvolution(
    _ step: ScheduledStep, _ geometry: ImageGeometry, _ matrices: [FloatMatrix],
    _ function: ElementFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let row = kernels.matrices.floatMatmul
    let groupChannels = geometry.channels / max(1, matrices.count)
    let groupOutputs = matrices.first?.outputs ?? 0
    let parts = matrices.enumerated().map { group, matrix in
      FloatConvolutionPart(
        arguments: matmulArguments(matrix), firstChannel: group * groupChannels,
        firstOutput: group * groupOutputs,
        panelCount: UInt32((matrix.outputs + panelOutputs - 1) / panelOutputs))
    }
    let convolution = FloatConvolutionStep(
      function: row.function, parts: try memory.store(parts), partCount: parts.count,
      windows: WindowCopy(geometry: geometry, channels: groupChannels, input: step.reads[0]),
      output: step.writes[0], rowProducts: matrices.reduce(0) { $0 + $1.inputs * $1.outputs },
      fusedFunction: fusing(function), outputs: groupOutputs * parts.count)
    var description = describe(step, "convolution", row)
    description.level = "float32"
    return (try self.step(convolution), description)
  }

  /// Without the pointers and strides of the image.
  private func activationLevel(
    _ matrix: PackedMatrix, _ index: Int, _ plan: ConvolutionLevelPlan
  ) -> snq_activation_level {
    let level = plan.level
    var result = snq_activation_level()
    result.begin = index == 0 ? 0 : UInt32(matrix.levels[0].channels)
    result.channels = UInt32(level.channels)
    result.paddedChannels = UInt32(plan.paddedChannels)
    result.kind = UInt32(level.level.activation.kind.rawValue)
    result.bits = UInt32(level.level.activation.bits)
    result.isStatic = 1
    let (scale, zero) = level.level.activation.fixedParameters
    result.scale = scale
    result.zero = Int32(truncatingIfNeeded: zero)
    result.rowStride = matrix.levels.count
    return result
  }

  private func imageLevel(
    _ plan: ConvolutionLevelPlan, _ image: ScheduledConvolution.Image
  ) -> ImageLevel {
    let activation = plan.level.level.activation
    let zero = activation.fixedParameters.zero
    return ImageLevel(
      storage: image.codes, sums: image.sums ?? -1, form: plan.form.tag,
      channels: plan.level.channels,
      paddedChannels: plan.isDense ? plan.level.channels : plan.paddedChannels,
      activationBits: activation.bits, pixelBytes: plan.image.pixelBytes,
      planeStride: plan.image.planeStride, paddingCode: UInt8(truncatingIfNeeded: zero),
      paddingSum: Int32(truncatingIfNeeded: zero * plan.level.channels))
  }

  private func convolutionLevel(
    _ plan: ConvolutionLevelPlan, _ matrix: PackedMatrix, _ index: Int, _ geometry: ImageGeometry,
    _ image: ScheduledConvolution.Image, hasBorders: Bool
  ) throws(RuntimeError) -> ConvolutionLevel {
    let activation = plan.level.level.activation
    var arguments = matmulArguments(matrix, index)
    arguments.codebook = try codebook(plan.level.level.weight)
    arguments.form = plan.form.tag
    arguments.codeStride = plan.isDirect ? geometry.strideWidth * plan.image.pixelBytes : plan.rowBytes
    if plan.isDirect, geometry.windowHeight > 1 {
      arguments.segments = UInt32(geometry.windowHeight)
      arguments.segmentChannels = UInt32(plan.windowRowChannels)
      arguments.segmentStride = geometry.tapPixel(1, 0) * plan.image.pixelBytes
    }
    if let windows = plan.windows {
      arguments.weights = try weights.bytes(of: .denseWindows(windows)).assumingMemoryBound(to: UInt8.self)
      arguments.paddedChannels = UInt32(geometry.windowHeight * plan.windowRowChannels)
      arguments.panelStride = Int(arguments.paddedChannels) * panelOutputs
    }
    arguments.codePlaneStride = plan.image.planeStride
    if image.sums == nil { arguments.rowStride = 0 }
    try copy(plan.copy)?.place(&arguments)
    try placeWordSteps(plan.choice.kernel, &arguments, panels: matrix.panelCount)
    var level = ConvolutionLevel(
      image: imageLevel(plan, image), function: plan.choice.kernel.row.function, arguments: arguments,
      pieces: UnsafePointer(try memory.store((0..<geometry.pieceCount).map(geometry.piecePixel))),
      pieceCount: geometry.pieceCount, pieceBytes: plan.piecePixels * plan.image.pixelBytes,
      isDirect: plan.isDirect, rowBytes: plan.rowBytes,
      rowPlaneBytes: plan.level.storedChannels / 8, rows: 0, scratch: -1,
      scale: activation.fixedParameters.scale, constant: Int32(truncatingIfNeeded: activation.fixedConstant),
      classTaps: nil, classSums: nil, classStride: matrix.panelCount * panelOutputs,
      channels: Int32(truncatingIfNeeded: plan.level.channels))
    if hasBorders, activation.kind == .bipolar {
      let sums = BorderSums(StoredLevel(plan.level, panels: matrix.panelCount), geometry)
      (level.classTaps, level.classSums) = sums.parts(try weights.bytes(of: .borderSums(sums)))
    }
    return level
  }
}

extension ActivationCode {
  /// Scale and zero of fixed scaling, which the graph's rules demand of convolutions.
  var fixedParameters: (scale: Float, zero: Int) {
    if case .fixed(let scale, let zero) = scaling { (scale, zero) } else { (1, 0) }
  }
  /// The constant of the integer that a code stands for.
  var fixedConstant: Int { kind == .bipolar ? codeCount - 1 : fixedParameters.zero }
}
