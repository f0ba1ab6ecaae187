import SoniqCore
import SoniqGraph

extension Convolution: PlannedOperator {
  var quantizingConstants: [ConstantID] { weights }

  func schedule(_ node: Int, in schedule: inout Schedule) {
    let graph = schedule.graph
    let input = graph.nodes[node].inputs[0]
    let (nodes, output, function) = schedule.withFunction(node)
    let geometry = ImageGeometry(window, shape: graph.values[input].shape, maximums: schedule.maximums)
    let floats = weights.compactMap { constant -> FloatMatrix? in
      if case .floatMatrix(let matrix) = graph.constants[constant] { matrix } else { nil }
    }
    if floats.count == weights.count {
      let work = FloatConvolutionWork(geometry: geometry, matrices: floats, function: function)
      schedule.append(work, nodes, reads: [input], writes: [output])
      return
    }
    let matrices = weights.compactMap { constant -> PackedMatrix? in
      if case .matrix(let matrix) = graph.constants[constant] { matrix } else { nil }
    }
    guard matrices.count == weights.count else { return }
    let convolution = schedule.addImage(ScheduledConvolution(geometry, matrices, schedule.kernels), node)
    schedule.append(
      ConvolutionWork(convolution: convolution, function: function), nodes, reads: convolution.slots,
      writes: [output])
  }
}

/// Floats of an image to the codes of the whole padded image, in the segment that makes the floats.
struct ImageWork: ScheduledWork {
  let convolution: ScheduledConvolution

  var traits: WorkTraits { .windowed }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    convolution.scratch.byteCount
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitImage(step, convolution)
  }
}

/// A convolution, which needs all codes of the image.
struct ConvolutionWork: ScheduledWork {
  let convolution: ScheduledConvolution
  let function: ElementFunction?

  var traits: WorkTraits { [.matrix, .windowed, .readsOtherRows] }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    convolution.scratch.byteCount
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitConvolution(step, convolution, function)
  }
}

struct FloatConvolutionWork: ScheduledWork {
  let geometry: ImageGeometry
  let matrices: [FloatMatrix]
  let function: ElementFunction?

  var traits: WorkTraits { .readsOtherRows }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    WindowCopy.scratchBytes(geometry)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitFloatConvolution(step, geometry, matrices, function)
  }
}

extension Schedule {
  /// The step that makes the image of a convolution, with its slots.
  fileprivate mutating func addImage(
    _ convolution: ScheduledConvolution, _ node: Int
  ) -> ScheduledConvolution {
    let input = graph.nodes[node].inputs[0]
    let batch = graph.values[input].shape[0]
    var convolution = convolution
    for group in convolution.groups.indices {
      for level in convolution.groups[group].levels {
        let codes = addSlot("image codes", of: level.image, batch: batch)
        let sums = level.sums.map { addSlot("image sums", of: $0, batch: batch) }
        convolution.groups[group].images.append(ScheduledConvolution.Image(codes: codes, sums: sums))
      }
    }
    let planes = planes(of: input, convolution)
    append(
      ImageWork(convolution: convolution), (planes.map { [$0.node] } ?? []) + [node],
      reads: [planes?.source ?? input], writes: convolution.slots, space: slots[input].space)
    steps[steps.count - 1].isPlanar = planes != nil
    return convolution
  }

  /// The planes that a transposition just before, for this convolution alone, makes an image with few channels of: its
  /// codes are made of the planes themselves, and there is no transposition.
  private mutating func planes(
    of input: SlotID, _ convolution: ScheduledConvolution
  ) -> (source: SlotID, node: Int)? {
    guard let last = steps.last, last.writes == [input], let tensor = last.work as? TensorWork,
      let transpose = tensor.operation as? Transpose, transpose.permutation == [0, 2, 3, 1],
      onlyReader(of: input) != nil, !slots[input].isExternal, slots[input].aliasOf == nil,
      let matrix = convolution.onlyMatrix, matrix.inputs <= 4,
      matrix.levels.count == 1, matrix.gather == nil, matrix.levels[0].level.weight.layout == .bytes
    else { return nil }
    steps.removeLast()
    slots[input].writer = nil
    slots[last.reads[0]].readers.removeLast()
    return (last.reads[0], last.nodes[0])
  }

  /// A slot whose rows are images.
  mutating func addSlot(_ name: String, of image: PaddedImage, batch: Dimension) -> SlotID {
    slots.append(
      Slot(
        name: name, rowBytes: image.byteCount, image: image.geometry.isDynamic ? image : nil, space: [batch]))
    return slots.count - 1
  }
}
