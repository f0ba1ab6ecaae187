import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension StepEmitter {
  func emitQuantize(_ step: ScheduledStep, _ layer: LayerPlan) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let matrix = layer.matrix
    let row = kernels.quantize
    var arguments = snq_quantize_args()
    arguments.channels = UInt32(matrix.inputs)
    arguments.gather = matrix.gather?.bound(to: UInt32.self).baseAddress
    arguments.levelCount = UInt32(matrix.levels.count)
    withUnsafeMutableBytes(of: &arguments.levels) { bytes in
      let levels = bytes.assumingMemoryBound(to: snq_activation_level.self)
      for index in matrix.levels.indices { levels[index] = quantizeLevel(step, matrix, index) }
    }
    let quantize = QuantizeStep(
      function: row.function, arguments: arguments, input: step.reads[0], isReady: layer.readsCodes,
      needsSums: layer.needsRowParameters,
      target: try activationTarget(layer, ActivationSlots(step.writes)))
    var description =
      layer.readsCodes ? describe(step, "take codes", "fill") : describe(step, "quantize", row)
    description.level = levelText(matrix)
    return (try self.step(quantize), description)
  }

  private func quantizeLevel(
    _ step: ScheduledStep, _ matrix: PackedMatrix, _ index: Int
  ) -> snq_activation_level {
    let level = matrix.levels[index]
    let activation = level.level.activation
    var result = snq_activation_level()
    result.begin = UInt32(matrix.levels[..<index].reduce(0) { $0 + $1.channels })
    result.channels = UInt32(level.channels)
    result.paddedChannels = UInt32(level.paddedChannels)
    result.kind = UInt32(activation.kind.rawValue)
    result.bits = UInt32(activation.bits)
    if case .fixed(let scale, let zero) = activation.scaling {
      result.isStatic = 1
      result.scale = scale
      result.zero = Int32(truncatingIfNeeded: zero)
    }
    result.codeStride = schedule.slots[step.writes[index]].rowBytes
    result.rowStride = matrix.levels.count
    return result
  }

  func emitMatmul(
    _ step: ScheduledStep, _ layer: LayerPlan, _ function: ElementFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let matrix = layer.matrix
    let slots = ActivationSlots(step.reads)
    let fused = layer.fused
    let levels = try layer.levels.enumerated().map { (index, level) throws(RuntimeError) in
      var arguments = matmulArguments(matrix, index)
      arguments.codebook = try codebook(matrix.levels[index].level.weight)
      arguments.sink = sink(step)
      if !layer.needsRowParameters { arguments.rowStride = 0 }
      return MatmulLevel(
        variants: try variants(
          level, fused: index == 0 ? fused : [], copy: try copy(level.copy), arguments: arguments,
          panels: matrix.panelCount),
        codes: slots.codes(index),
        prepared: slots.prepared(index), codeStride: schedule.slots[slots.codes(index)].rowBytes,
        arguments: arguments)
    }
    let matmul = MatmulStep(
      levels: try memory.store(levels), levelCount: levels.count,
      fusingClasses: fused.indices.reduce(0) { $0 | (fused[$1] == nil ? 0 : 1 << UInt8($1)) },
      rowParameters: slots.rowParameters, output: step.writes[0], writesCodes: step.sink != nil,
      panelCount: matrix.panelCount,
      panelGroup: panelGroup(matrix), rowProducts: matrix.inputs * matrix.outputs,
      fusedFunction: fusing(function), outputs: matrix.outputs)
    var description = describe(
      step, function == nil ? "linear" : "linear + activation", layer.manyRows.kernel.row)
    description.kernel = ChoiceReport.kernels(layer.choices)
    description.level = levelText(matrix)
    description.refusals = ChoiceReport.refusals(layer.choices)
    description.add(layer.levels.compactMap(\.copy).map { .widenedCodes($0) })
    return (try self.step(matmul), description)
  }

  /// The kernels of a level by row class, without what they multiply by.
  private func variants(_ level: LevelPlan) -> [MatmulVariant] {
    level.choices.map { choice in
      MatmulVariant(
        function: choice.kernel.row.function, form: choice.kernel.form.tag,
        preparedStride: choice.preparedStride(level.level), scratchBytes: choice.scratchBytes(level.level))
    }
  }

  /// The same with it; where `fused` has a function, it does the next level as well.
  private func variants(
    _ level: LevelPlan, fused: [MatmulFunction?], copy: WeightCopy?, arguments: snq_matmul_args, panels: Int
  ) throws(RuntimeError) -> UnsafePointer<MatmulVariant> {
    var variants = variants(level)
    for (index, choice) in level.choices.enumerated() {
      if !fused.isEmpty, let function = fused[index] { variants[index].function = function }
      var call = arguments
      if choice.copyBits != nil, let copy {
        variants[index].copy = copy
        copy.place(&call)
      }
      try placeWordSteps(choice.kernel, &call, panels: panels)
      (variants[index].wordSteps, variants[index].wordStepStride) = (call.wordSteps, call.wordStepStride)
    }
    return UnsafePointer(try memory.store(variants))
  }

  /// Tells the kernel of the weights that it reads, where it asks.
  func placeWordSteps(
    _ kernel: MatmulKernel, _ arguments: inout snq_matmul_args, panels: Int
  ) throws(RuntimeError) {
    guard kernel.traits.contains(.wordSteps), let steps = WordSteps(arguments, panels: panels) else { return }
    arguments.wordSteps = try weights.bytes(of: .wordSteps(steps))
    arguments.wordStepStride = steps.stride
  }

  /// The copy of a level's weights that some of its kernels want.
  func copy(_ codes: WidenedCodes?) throws(RuntimeError) -> WeightCopy? {
    guard let codes else { return nil }
    return codes.copy(at: try weights.bytes(of: .widenedCodes(codes)))
  }

  /// The entries of a codebook, where kernels find them; nil for other codes.
  func codebook(_ weight: WeightCode) throws(RuntimeError) -> UnsafePointer<Int8>? {
    guard weight.kind == .codebook else { return nil }
    return UnsafePointer(try memory.store((0..<16).map { weight.codebook[$0] }))
  }

  /// Where the activations of a layer go, and how they are prepared for its kernels.
  private func activationTarget(_ layer: LayerPlan, _ slots: ActivationSlots) throws(RuntimeError)
    -> ActivationTarget
  {
    let preparations = try layer.levels.enumerated().map { (index, plan) throws(RuntimeError) in
      let level = plan.level
      return Preparation(
        function: kernels.prepare.function, variants: UnsafePointer(try memory.store(variants(plan))),
        codes: slots.codes(index),
        prepared: slots.prepared(index), codeStride: schedule.slots[slots.codes(index)].rowBytes,
        paddedChannels: UInt32(level.paddedChannels), activationBits: UInt32(level.level.activation.bits))
    }
    return ActivationTarget(
      levelCount: layer.levels.count,
      codes: UnsafePointer(try memory.store(layer.levels.indices.map { slots.codes($0) })),
      rowParameters: slots.rowParameters,
      preparations: UnsafePointer(try memory.store(preparations)))
  }

  /// Panels whose weights and outputs together take about half of a 48 KiB L1 cache.
  func panelGroup(_ matrix: PackedMatrix) -> Int {
    let bytes = matrix.levels.reduce(0) { $0 + $1.panelStride } + blockRows * panelOutputs * 4
    return max(4, min(16, 24 << 10 / max(1, bytes) / 4 * 4))
  }

  func emitFloatMatmul(_ step: ScheduledStep, _ matrix: FloatMatrix) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let row = kernels.matrices.floatMatmul
    let matmul = FloatMatmulStep(
      function: row.function, arguments: matmulArguments(matrix), input: step.reads[0],
      output: step.writes[0],
      panelCount: (matrix.outputs + panelOutputs - 1) / panelOutputs,
      rowProducts: matrix.inputs * matrix.outputs)
    var description = describe(step, "linear", row)
    description.level = "float32"
    return (try self.step(matmul), description)
  }
}

/// The arguments of a float matrix, without what depends on the rows.
func matmulArguments(_ matrix: FloatMatrix) -> snq_float_matmul_args {
  var arguments = snq_float_matmul_args()
  arguments.weights = matrix.panels.bound(to: Float.self).baseAddress
  arguments.panelStride = matrix.inputs * panelOutputs
  arguments.channels = UInt32(matrix.inputs)
  arguments.outputs = UInt32(matrix.outputs)
  arguments.bias = matrix.bias?.bound(to: Float.self).baseAddress
  return arguments
}

/// The arguments of one level of a matrix, without what depends on the rows.
func matmulArguments(_ matrix: PackedMatrix, _ index: Int) -> snq_matmul_args {
  let level = matrix.levels[index]
  let weight = level.level.weight
  var arguments = snq_matmul_args()
  arguments.weights = level.weights.bound(to: UInt8.self).baseAddress
  arguments.panelStride = level.panelStride
  arguments.planeStride = level.planeStride
  arguments.layout = UInt32(weight.layout.rawValue)
  arguments.weightBits = UInt32(weight.kernelBits)
  arguments.activationBits = UInt32(level.level.activation.bits)
  arguments.channels = UInt32(level.channels * level.taps)
  arguments.paddedChannels = UInt32(level.storedChannels)
  arguments.outputs = UInt32(matrix.outputs)
  arguments.weightMultiplier = Int32(weight.storedMultiplier)
  arguments.weightConstant = Int32(weight.storedConstant)
  arguments.activationMultiplier = Int32(level.level.activation.multiplier)
  arguments.weightScale = level.scales?.bound(to: Float.self).baseAddress
  arguments.weightOffset = level.offsets?.bound(to: Float.self).baseAddress
  arguments.storedSum = level.storedSums.bound(to: Int32.self).baseAddress
  arguments.rowStride = matrix.levels.count
  arguments.bias = matrix.bias?.bound(to: Float.self).baseAddress
  arguments.mode = UInt32(index == 0 ? SNQ_START : SNQ_ACCUMULATE)
  return arguments
}

/// "8x8" or "4x8+8x8": weight bits x activation bits of each level.
func levelText(_ matrix: PackedMatrix) -> String {
  matrix.levels.map { "\($0.level.weight.bits)x\($0.level.activation.bits)" }.joined(separator: "+")
}
