import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension Linear {
  /// As `schedule`, of a matrix with symmetric activations.
  func scheduleGroups(_ packed: PackedMatrix, _ node: Int, in schedule: inout Schedule) {
    let input = schedule.graph.nodes[node].inputs[0]
    let (nodes, output, function) = schedule.withFunction(node)
    let layer = schedule.groupLayers.count
    schedule.groupLayers.append(schedule.kernels.groupLayer(packed))
    let codes = schedule.addGroupSlots(layer, space: schedule.slots[input].space)
    schedule.append(QuantizeGroupsWork(layer: layer), [node], reads: [input], writes: codes)
    schedule.append(
      GroupMatmulWork(layer: layer, function: function), nodes, reads: codes, writes: [output])
  }
}

/// Float rows to symmetric codes.
struct QuantizeGroupsWork: ScheduledWork {
  let layer: LayerID

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    let matrix = sizing.schedule.groupLayers[layer].matrix
    return matrix.gather == nil ? 0 : matrix.inputs * 4
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitQuantizeGroups(step, emitter.schedule.groupLayers[layer])
  }
}

/// Symmetric codes times a packed matrix.
struct GroupMatmulWork: ScheduledWork {
  let layer: LayerID
  let function: ElementFunction?

  var traits: WorkTraits { .matrix }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    sizing.schedule.groupLayers[layer].scratchBytes
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitGroupMatmul(step, emitter.schedule.groupLayers[layer], function)
  }
}

extension Schedule {
  /// See `GroupSlots`.
  mutating func addGroupSlots(_ layer: LayerID, space: [Dimension]) -> [SlotID] {
    let first = slots.count
    for level in groupLayers[layer].levels {
      let stride = (level.level.paddedChannels + 63) / 64 * 64
      slots.append(Slot(name: "codes", rowBytes: stride % 4096 == 0 ? stride + 64 : stride, space: space))
      slots.append(Slot(name: "group sums", rowBytes: 4 * level.groupCount, space: space))
      slots.append(Slot(name: "row scales", rowBytes: 4 * level.rowScaleCount, space: space))
    }
    return Array(first..<slots.count)
  }
}

extension StepEmitter {
  func emitQuantizeGroups(
    _ step: ScheduledStep, _ layer: GroupLayerPlan
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let matrix = layer.matrix
    let slots = GroupSlots(slots: step.writes)
    let row = kernels.row(RowKernelRegistry.quantizeGroups)
    var arguments = snq_quantize_groups_args()
    arguments.channels = UInt32(matrix.inputs)
    arguments.gather = matrix.gather?.bound(to: UInt32.self).baseAddress
    arguments.levelCount = UInt32(matrix.levels.count)
    var begin = 0
    for (index, plan) in layer.levels.enumerated() {
      let level = activationLevel(plan, begin: begin, slots.level(index))
      switch index {
      case 0: arguments.levels.0 = level
      case 1: arguments.levels.1 = level
      case 2: arguments.levels.2 = level
      default: arguments.levels.3 = level
      }
      begin += plan.level.channels
    }
    let quantize = QuantizeGroupsStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      slots: UnsafePointer(try memory.store(layer.levels.indices.map { slots.level($0) })))
    var description = describe(step, "quantize", row)
    description.level = levelText(matrix)
    return (try self.step(quantize), description)
  }

  private func activationLevel(
    _ plan: GroupLevelPlan, begin: Int, _ slots: GroupActivationSlots
  ) -> snq_group_activation_level {
    let activation = plan.level.level.activation
    var level = snq_group_activation_level()
    level.begin = UInt32(begin)
    level.channels = UInt32(plan.level.channels)
    level.paddedChannels = UInt32(plan.level.paddedChannels)
    level.bits = UInt32(activation.bits)
    level.groupLength = UInt32(plan.groupLength)
    level.rowGroupLength = UInt32(activation.groupLength)
    if case .fixed(let scale, _) = activation.scaling {
      level.isStatic = 1
      level.scale = scale
    }
    level.codeStride = schedule.slots[slots.codes].rowBytes
    level.groupSumStride = schedule.slots[slots.sums].rowBytes / 4
    level.rowScaleStride = schedule.slots[slots.scales].rowBytes / 4
    return level
  }

  func emitGroupMatmul(
    _ step: ScheduledStep, _ layer: GroupLayerPlan, _ function: ElementFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let matrix = layer.matrix
    let slots = GroupSlots(slots: step.reads)
    let levels = try layer.levels.enumerated().map { (index, plan) throws(RuntimeError) in
      var arguments = try groupArguments(matrix, plan, slots.level(index), isFirst: index == 0)
      if let copy = plan.copy {
        copy.place(at: try weights.bytes(of: .widenedCodes(copy)), &arguments)
      }
      return GroupMatmulLevel(
        function: plan.kernel.row.function, arguments: arguments, slots: slots.level(index))
    }
    let matmul = GroupMatmulStep(
      levels: try memory.store(levels), levelCount: levels.count, output: step.writes[0],
      panelCount: matrix.panelCount, panelGroup: panelGroup(matrix),
      rowProducts: matrix.inputs * matrix.outputs, fusedFunction: fusing(function),
      outputs: matrix.outputs)
    var description = describe(
      step, function == nil ? "linear" : "linear + activation", layer.levels[0].kernel.row)
    var names: [String] = []
    for plan in layer.levels where !names.contains(plan.kernel.name) { names.append(plan.kernel.name) }
    description.kernel = names.joined(separator: " + ")
    description.level = levelText(matrix)
    for refusal in layer.levels.flatMap(\.refusals) where !description.refusals.contains(refusal) {
      description.refusals.append(refusal)
    }
    description.add(layer.levels.compactMap(\.copy).map { .widenedCodes($0) })
    return (try self.step(matmul), description)
  }

  /// Everything but what depends on the rows.
  private func groupArguments(
    _ matrix: PackedMatrix, _ plan: GroupLevelPlan, _ slots: GroupActivationSlots, isFirst: Bool
  ) throws(RuntimeError) -> snq_group_matmul_args {
    let level = plan.level
    let weight = level.level.weight
    var arguments = snq_group_matmul_args()
    arguments.weights = level.weights.bound(to: UInt8.self).baseAddress
    arguments.panelStride = level.panelStride
    arguments.planeStride = level.planeStride
    arguments.layout = GroupLayout(weight.layout).rawValue
    arguments.weightBits = UInt32(weight.bits)
    arguments.channels = UInt32(level.channels)
    arguments.paddedChannels = UInt32(level.paddedChannels)
    arguments.outputs = UInt32(matrix.outputs)
    arguments.weightMultiplier = Int32(weight.storedMultiplier)
    arguments.weightConstant = Int32(weight.storedConstant)
    arguments.codebook = try codebook(weight)
    arguments.groupLength = UInt32(plan.groupLength)
    let outputScales = level.scales?.bound(to: Float.self).baseAddress
    let outputOffsets = level.offsets?.bound(to: Float.self).baseAddress
    if let groups = level.groups {
      arguments.scaleType = UInt32(groups.numbers.rawValue)
      arguments.groupScales = groups.scales.start
      arguments.groupOffsets = groups.offsets?.start
      arguments.outputScale = outputScales
      arguments.outputOffset = outputOffsets
    } else {
      // All channels are one group, with the scales of the outputs.
      arguments.scaleType = UInt32(GroupNumber.float32.rawValue)
      arguments.groupScales = level.scales?.start
      arguments.groupOffsets = level.offsets?.start
    }
    arguments.codeStride = schedule.slots[slots.codes].rowBytes
    arguments.groupSumStride = schedule.slots[slots.sums].rowBytes / 4
    arguments.rowScaleStride = schedule.slots[slots.scales].rowBytes / 4
    arguments.rowGroupLength = UInt32(level.level.activation.groupLength)
    arguments.mode = UInt32(isFirst ? SNQ_START : SNQ_ACCUMULATE)
    arguments.bias = matrix.bias?.bound(to: Float.self).baseAddress
    return arguments
  }
}
