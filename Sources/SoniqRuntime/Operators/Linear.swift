import CKernelABI
import SoniqCore
import SoniqGraph

extension Linear: PlannedOperator {
  var quantizingConstants: [ConstantID] { [matrix] }

  /// Codes of the rows, then their products, with the elementwise function that is the only reader of these.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let input = schedule.graph.nodes[node].inputs[0]
    switch schedule.graph.constants[matrix] {
    case .matrix(let packed) where packed.isSymmetric: scheduleGroups(packed, node, in: &schedule)
    case .matrix(let packed):
      let (nodes, output, function) = schedule.withFunction(node)
      let layer = schedule.addLayer(packed)
      let codes = schedule.addCodeSlots(layer, space: schedule.slots[input].space)
      schedule.append(QuantizeWork(layer: layer), [node], reads: [input], writes: codes)
      schedule.append(MatmulWork(layer: layer, function: function), nodes, reads: codes, writes: [output])
    case .floatMatrix(let float): schedule.append(FloatMatmulWork(matrix: float), node)
    default: return
    }
  }
}

/// Float rows to the codes that a matrix reads.
struct QuantizeWork: ScheduledWork {
  let layer: LayerID

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    let matrix = sizing.schedule.layers[layer].matrix
    return matrix.gather == nil ? 0 : matrix.inputs * 4
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitQuantize(step, emitter.schedule.layers[layer])
  }
}

/// Codes times a packed matrix.
struct MatmulWork: ScheduledWork {
  let layer: LayerID
  let function: ElementFunction?

  var traits: WorkTraits { .matrix }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    sizing.schedule.layers[layer].scratchBytes
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitMatmul(step, emitter.schedule.layers[layer], function)
  }
}

/// Float rows times a float matrix: the reference mode.
struct FloatMatmulWork: ScheduledWork {
  let matrix: FloatMatrix

  var traits: WorkTraits { .matrix }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitFloatMatmul(step, matrix)
  }
}

extension Schedule {
  mutating func addLayer(_ matrix: PackedMatrix) -> LayerID {
    layers.append(kernels.layer(matrix))
    return layers.count - 1
  }

  /// See `ActivationSlots`. A level whose kernels take codes as they are has a prepared slot without bytes.
  mutating func addCodeSlots(_ layer: LayerID, space: [Dimension]) -> [SlotID] {
    let layer = layers[layer]
    let first = slots.count
    for level in layer.levels {
      // Rows a multiple of 4 KiB apart would share the same few sets of the cache.
      let stride = (level.level.paddedChannels + 63) / 64 * 64
      slots.append(Slot(name: "codes", rowBytes: stride % 4096 == 0 ? stride + 64 : stride, space: space))
    }
    let parameters = MemoryLayout<snq_row_params>.stride * layer.levels.count
    slots.append(Slot(name: "row parameters", rowBytes: parameters, space: space))
    for level in layer.levels {
      slots.append(Slot(name: "prepared codes", rowBytes: level.preparedRowBytes, space: space))
    }
    return Array(first..<slots.count)
  }
}

/// The slots of a matrix's activations: codes of each level, row parameters, prepared codes of each level.
struct ActivationSlots {
  let levelCount: Int
  let slots: [SlotID]

  init(_ slots: [SlotID]) {
    self.slots = slots
    levelCount = slots.count / 2
  }

  func codes(_ level: Int) -> SlotID { slots[level] }
  var rowParameters: SlotID { slots[levelCount] }
  func prepared(_ level: Int) -> SlotID { slots[levelCount + 1 + level] }
}
