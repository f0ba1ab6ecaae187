import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension StepEmitter {
  /// Whether all rows have the same parameters: codes that are there, of fixed scale, whose sums no kernel reads.
  private func sharesParameters(_ matrix: PackedMatrix, _ slots: ActivationSlots) -> Bool {
    guard let writer = schedule.slots[slots.rowParameters].writer, readsCodes(schedule.steps[writer]),
      let level = matrix.levels.first
    else { return false }
    return level.level.weight.storedConstant == 0 && level.offsets == nil
      && choices(matrix, 0, slots).allSatisfy { $0.kernel.takesSegments }
  }

  /// The kernels of a level by row class, for the matrix step that reads these activations. One for all where codes
  /// are written or read: it can do both, and needs no sums of codes that others need.
  private func choices(_ matrix: PackedMatrix, _ index: Int, _ slots: ActivationSlots) -> [MatmulChoice] {
    let codes = schedule.slots[slots.codes(0)]
    let steps = codes.readers + (codes.writer.map { [$0] } ?? [])
    guard steps.contains(where: { schedule.steps[$0].sink != nil }) else {
      return kernels.choices(matrix, level: index)
    }
    let choices = kernels.sinkChoices(matrix)
    return choices[0].kernel.writesCodes ? choices : kernels.choices(matrix, level: index)
  }

  func emitQuantize(_ step: ScheduledStep, _ matrix: PackedMatrix) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let row = kernels.quantize
    var arguments = snq_quantize_args()
    arguments.channels = UInt32(matrix.inputs)
    arguments.gather = matrix.gather?.bound(to: UInt32.self).baseAddress
    arguments.levelCount = UInt32(matrix.levels.count)
    arguments.levels.0 = quantizeLevel(step, matrix, 0)
    if matrix.levels.count == 2 { arguments.levels.1 = quantizeLevel(step, matrix, 1) }
    let isReady = readsCodes(step)
    let slots = ActivationSlots(step.writes)
    let quantize = QuantizeStep(
      function: row.function, arguments: arguments, input: step.reads[0], isReady: isReady,
      needsSums: !sharesParameters(matrix, slots),
      target: try activationTarget(matrix, slots))
    var description = isReady ? describe(step, "take codes", "fill") : describe(step, "quantize", row)
    description.level = levelText(matrix)
    return (.quantize(try memory.store(quantize)), description)
  }

  private func quantizeLevel(
    _ step: ScheduledStep, _ matrix: PackedMatrix, _ index: Int
  ) -> snq_activation_level {
    let level = matrix.levels[index]
    let activation = level.level.activation
    var result = snq_activation_level()
    result.begin = index == 0 ? 0 : UInt32(matrix.levels[0].channels)
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
    _ step: ScheduledStep, _ matrix: PackedMatrix, _ function: ActivationFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let slots = ActivationSlots(step.reads)
    let choices = matrix.levels.indices.map { self.choices(matrix, $0, slots) }
    let fused = fused(choices)
    let levels = try matrix.levels.indices.map { (index) throws(RuntimeError) in
      var arguments = matmulArguments(matrix, index)
      arguments.sink = sink(step)
      if sharesParameters(matrix, slots) { arguments.rowStride = 0 }
      return MatmulLevel(
        variants: try variants(
          choices[index], matrix.levels[index], fused: index == 0 ? fused : [],
          copy: try copy(choices[index], matrix, index)),
        codes: slots.codes(index),
        prepared: slots.prepared(index), codeStride: schedule.slots[slots.codes(index)].rowBytes,
        arguments: arguments)
    }
    let matmul = MatmulStep(
      levels: try memory.store(levels), levelCount: levels.count,
      fusingClasses: fused.indices.reduce(0) { $0 | (fused[$1] == nil ? 0 : 1 << UInt8($1)) },
      rowParameters: slots.rowParameters, output: step.writes[0], writesCodes: step.sink != nil,
      panelCount: matrix.panelCount,
      panelGroup: panelGroup(matrix), multiplyAccumulates: matrix.inputs * matrix.outputs,
      activation: function.map { _ in kernels.activation.function },
      activationKind: UInt32(function?.rawValue ?? 0), outputs: matrix.outputs)
    var description = describe(
      step, function == nil ? "linear" : "linear + activation", choices[0][RowClass.many.rawValue].kernel.row)
    description.kernel = ChoiceReport.kernels(choices)
    description.level = levelText(matrix)
    description.refusals = ChoiceReport.refusals(choices)
    let planes = matrix.levels.indices.compactMap { widened(choices[$0], matrix, $0) }
    description.add(planes.map { .widenedPlanes($0) })
    return (.matmul(try memory.store(matmul)), description)
  }

  /// The kernels of a level by row class; where `fused` has a function, it does the next level as well.
  private func variants(
    _ choices: [MatmulChoice], _ level: MatrixLevel, fused: [MatmulFunction?] = [], copy: WeightCopy? = nil
  ) throws(RuntimeError) -> UnsafePointer<MatmulVariant> {
    let variants = choices.enumerated().map { index, choice in
      MatmulVariant(
        function: (fused.isEmpty ? nil : fused[index]) ?? choice.kernel.row.function,
        form: choice.kernel.form.tag, preparedStride: kernels.preparedStride(choice, level),
        scratchBytes: kernels.scratchBytes(choice, level), copy: choice.copyBits == nil ? nil : copy)
    }
    return UnsafePointer(try memory.store(variants))
  }

  /// The copy of a level's weights that some of its kernels want.
  func widened(_ choices: [MatmulChoice], _ matrix: PackedMatrix, _ index: Int) -> WidenedPlanes? {
    guard let bits = choices.compactMap(\.copyBits).first else { return nil }
    return WidenedPlanes(
      level: StoredLevel(matrix.levels[index], panels: matrix.panelCount), bits: bits)
  }

  func copy(
    _ choices: [MatmulChoice], _ matrix: PackedMatrix, _ index: Int
  ) throws(RuntimeError) -> WeightCopy? {
    guard let planes = widened(choices, matrix, index) else { return nil }
    return planes.copy(at: try weights.bytes(of: .widenedPlanes(planes)))
  }

  /// The functions that do both levels in one call, by row class; nil where two calls are needed.
  private func fused(_ choices: [[MatmulChoice]]) -> [MatmulFunction?] {
    RowClass.allCases.map { rows in
      choices.count == 2 ? choices[0][rows.rawValue].kernel.fusing(choices[1][rows.rawValue].kernel) : nil
    }
  }

  /// Where the activations of a matrix go, and how they are prepared for its kernels.
  func activationTarget(_ matrix: PackedMatrix, _ slots: ActivationSlots) throws(RuntimeError)
    -> ActivationTarget
  {
    let preparations = try matrix.levels.indices.map { (index) throws(RuntimeError) in
      let level = matrix.levels[index]
      return Preparation(
        function: kernels.prepare.function,
        variants: try variants(choices(matrix, index, slots), level), codes: slots.codes(index),
        prepared: slots.prepared(index), codeStride: schedule.slots[slots.codes(index)].rowBytes,
        paddedChannels: UInt32(level.paddedChannels), activationBits: UInt32(level.level.activation.bits))
    }
    return ActivationTarget(
      levelCount: matrix.levels.count,
      codes: (slots.codes(0), slots.codes(matrix.levels.count - 1)), rowParameters: slots.rowParameters,
      preparations: UnsafePointer(try memory.store(preparations)))
  }

  /// Panels whose weights and outputs together take about half of a 48 KiB L1 cache.
  private func panelGroup(_ matrix: PackedMatrix) -> Int {
    let bytes = matrix.levels.reduce(0) { $0 + $1.panelStride } + blockRows * panelOutputs * 4
    return max(4, min(16, 24 << 10 / max(1, bytes) / 4 * 4))
  }

  func emitFloatMatmul(_ step: ScheduledStep, _ matrix: FloatMatrix) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let row = kernels.matrices.floatMatmul
    var arguments = snq_float_matmul_args()
    arguments.weights = matrix.panels.bound(to: Float.self).baseAddress
    arguments.panelStride = matrix.inputs * panelOutputs
    arguments.channels = UInt32(matrix.inputs)
    arguments.outputs = UInt32(matrix.outputs)
    arguments.bias = matrix.bias?.bound(to: Float.self).baseAddress
    let matmul = FloatMatmulStep(
      function: row.function, arguments: arguments, input: step.reads[0], output: step.writes[0],
      panelCount: (matrix.outputs + panelOutputs - 1) / panelOutputs,
      multiplyAccumulates: matrix.inputs * matrix.outputs)
    var description = describe(step, "linear", row)
    description.level = "float32"
    return (.floatMatmul(try memory.store(matmul)), description)
  }
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
  arguments.weightBits = UInt32(weight.bits)
  arguments.activationBits = UInt32(level.level.activation.bits)
  arguments.channels = UInt32(level.channels * level.taps)
  arguments.paddedChannels = UInt32(level.storedChannels)
  arguments.outputs = UInt32(matrix.outputs)
  arguments.weightMultiplier = Int32(weight.storedMultiplier)
  arguments.weightConstant = Int32(weight.storedConstant)
  arguments.activationMultiplier = Int32(level.level.activation.multiplier)
  arguments.weightScale = level.scales.bound(to: Float.self).baseAddress
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
