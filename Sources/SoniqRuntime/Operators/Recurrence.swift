import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqOperators

extension Recurrence: PlannedOperator {
  /// One step does all steps in time of an entry of the batch: each needs the one before it.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let outputs = schedule.graph.nodes[node].outputs
    let hidden = schedule.slots[outputs[1]].rowBytes
    let space = schedule.slots[outputs[1]].space
    func slot(_ name: String, _ rowBytes: Int) -> SlotID {
      schedule.slots.append(Slot(name: name, rowBytes: rowBytes, space: space))
      return schedule.slots.count - 1
    }
    let gates = slot("gates", hidden * cell.gates)
    guard let product = schedule.addStateProduct(matrix, of: outputs[1], to: gates, space) else { return }
    var parts = RecurrenceWork(recurrence: self, product: product, reset: nil)
    var writes = outputs + [gates] + product.codes
    if let candidate {
      let (reset, target) = (slot("reset state", hidden), slot("candidate", hidden))
      guard let second = schedule.addStateProduct(candidate, of: reset, to: target, space) else { return }
      parts.reset = second
      writes += [reset, target] + second.codes
    }
    schedule.append(parts, [node], reads: schedule.graph.nodes[node].inputs, writes: writes)
  }
}

/// A product of a state, which the same step makes and reads.
struct StateProduct {
  enum Form {
    case float(FloatMatrix)
    case packed(LayerID)
    case groups(LayerID)
  }
  let form: Form
  let input: SlotID
  /// The slots of the activations; none of a float matrix.
  let codes: [SlotID]
  let output: SlotID

  fileprivate func scratchBytes(_ schedule: Schedule) -> Int {
    let (own, matrix): (Int, PackedMatrix)
    switch form {
    case .float: return 0
    case .packed(let layer):
      (own, matrix) = (schedule.layers[layer].scratchBytes, schedule.layers[layer].matrix)
    case .groups(let layer):
      (own, matrix) = (schedule.groupLayers[layer].scratchBytes, schedule.groupLayers[layer].matrix)
    }
    return max(own, matrix.gather == nil ? 0 : matrix.inputs * 4)
  }

  /// Its steps, to be done after each other, and what to say of the last one.
  fileprivate func emit(
    _ step: ScheduledStep, _ emitter: StepEmitter
  ) throws(RuntimeError) -> (steps: [Step], description: StepDescription) {
    var quantize = step
    (quantize.reads, quantize.writes) = ([input], codes)
    var multiply = step
    (multiply.reads, multiply.writes) = (codes, [output])
    switch form {
    case .float(let matrix):
      multiply.reads = [input]
      let (only, description) = try emitter.emitFloatMatmul(multiply, matrix)
      return ([only], description)
    case .packed(let layer):
      let (first, _) = try emitter.emitQuantize(quantize, emitter.schedule.layers[layer])
      let (second, description) = try emitter.emitMatmul(multiply, emitter.schedule.layers[layer], nil)
      return ([first, second], description)
    case .groups(let layer):
      let layer = emitter.schedule.groupLayers[layer]
      let (first, _) = try emitter.emitQuantizeGroups(quantize, layer)
      let (second, description) = try emitter.emitGroupMatmul(multiply, layer, nil)
      return ([first, second], description)
    }
  }
}

extension Schedule {
  /// nil for what is no matrix, which no valid graph has here.
  fileprivate mutating func addStateProduct(
    _ constant: ConstantID, of input: SlotID, to output: SlotID, _ space: [Dimension]
  ) -> StateProduct? {
    switch graph.constants[constant] {
    case .matrix(let packed) where packed.isSymmetric:
      groupLayers.append(kernels.groupLayer(packed))
      let layer = groupLayers.count - 1
      return StateProduct(
        form: .groups(layer), input: input, codes: addGroupSlots(layer, space: space), output: output)
    case .matrix(let packed):
      let layer = addLayer(packed)
      return StateProduct(
        form: .packed(layer), input: input, codes: addCodeSlots(layer, space: space), output: output)
    case .floatMatrix(let float):
      return StateProduct(form: .float(float), input: input, codes: [], output: output)
    default: return nil
    }
  }
}

/// Entries of the batch are its units.
struct RecurrenceWork: ScheduledWork {
  let recurrence: Recurrence
  let product: StateProduct
  /// Of a GRU that resets the state before its product.
  var reset: StateProduct?

  var traits: WorkTraits { [.ownUnits, .readsOtherRows] }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    max(product.scratchBytes(sizing.schedule), reset?.scratchBytes(sizing.schedule) ?? 0)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let (steps, description) = try product.emit(step, emitter)
    let second = try reset?.emit(step, emitter)
    let node = emitter.graph.nodes[step.nodes[0]]
    let hidden = emitter.schedule.slots[node.outputs[1]].rowBytes / 4
    let shape = emitter.graph.values[node.inputs[0]].shape
    var arguments = RecurrenceStep(
      operation: RecurrentCellOperator(
        recurrence, hidden: hidden, kernel: emitter.kernels.activation.function),
      hidden: hidden, isReverse: recurrence.isReverse, isTimeMajor: recurrence.isTimeMajor,
      batch: shape[recurrence.isTimeMajor ? 1 : 0].sizeReference,
      time: shape[recurrence.isTimeMajor ? 0 : 1].sizeReference, node: step.nodes[0],
      product: UnsafePointer(try emitter.memory.store(steps)), productSteps: steps.count,
      input: node.inputs[0], gates: product.output, output: node.outputs[0], state: node.outputs[1],
      cellState: recurrence.cell == .lstm ? node.outputs[2] : nil)
    arguments.initialState = recurrence.hiddenInput.map { node.inputs[$0] }
    arguments.initialCell = recurrence.cellInput.map { node.inputs[$0] }
    arguments.lengths = recurrence.lengthsInput.map { node.inputs[$0] }
    arguments.peepholes = recurrence.peepholesInput.map { node.inputs[$0] }
    if let second, let reset {
      arguments.reset = ResetProduct(
        steps: UnsafePointer(try emitter.memory.store(second.steps)), count: second.steps.count,
        input: reset.input, output: reset.output)
    }
    arguments.rowProducts = hidden * hidden * recurrence.cell.gates
    var own = description
    own.operation = Self.name(recurrence)
    if let second {
      if own.kernel != second.description.kernel { own.kernel += " + " + second.description.kernel }
      own.refusals += second.description.refusals.filter { !own.refusals.contains($0) }
      own.copiedWeightBytes += second.description.copiedWeightBytes
    }
    return (try emitter.step(arguments), own)
  }

  private static func name(_ recurrence: Recurrence) -> String {
    switch recurrence.cell {
    case .lstm: "lstm"
    case .gru: "gru"
    case .rnn: "rnn"
    }
  }
}
