import SoniqGraph
import SoniqKernels

extension DepthwiseConvolution: PlannedOperator {
  var quantizingConstants: [ConstantID] { [weights] }

  func schedule(_ node: Int, in schedule: inout Schedule) {
    let graph = schedule.graph
    let input = graph.nodes[node].inputs[0]
    let (nodes, output, function) = schedule.withFunction(node)
    let shape = graph.values[input].shape
    let geometry = ImageGeometry(window, shape: shape, maximums: schedule.maximums)
    let bias = bias.flatMap { constant -> DenseConstant? in
      if case .dense(let dense) = graph.constants[constant] { dense } else { nil }
    }
    switch graph.constants[weights] {
    case .dense(let dense):
      let work = FloatDepthwiseWork(geometry: geometry, weights: dense, bias: bias, function: function)
      schedule.append(work, nodes, reads: [input], writes: [output])
    case .depthwise(let packed):
      var depthwise = ScheduledDepthwise(geometry, packed, bias: bias, schedule.kernels)
      depthwise.image = schedule.addSlot(
        "image codes", of: PaddedImage(geometry: geometry, pixelBytes: packed.paddedChannels), batch: shape[0]
      )
      schedule.append(
        DepthwiseImageWork(depthwise: depthwise), [node], reads: [input], writes: [depthwise.image],
        space: schedule.slots[input].space)
      schedule.append(
        DepthwiseWork(depthwise: depthwise, function: function), nodes, reads: [depthwise.image],
        writes: [output])
    default: return
    }
  }
}

/// Floats of an image to the codes of the whole padded image.
struct DepthwiseImageWork: ScheduledWork {
  let depthwise: ScheduledDepthwise

  var traits: WorkTraits { .windowed }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    ConvolutionScratch.parameterBytes + ConvolutionScratch.tightBytes(depthwise.geometry.channels)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitDepthwiseImage(step, depthwise)
  }
}

struct DepthwiseWork: ScheduledWork {
  let depthwise: ScheduledDepthwise
  let function: ElementFunction?

  var traits: WorkTraits { [.windowed, .readsOtherRows] }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitDepthwise(step, depthwise, function)
  }
}

struct FloatDepthwiseWork: ScheduledWork {
  let geometry: ImageGeometry
  let weights: DenseConstant
  let bias: DenseConstant?
  let function: ElementFunction?

  var traits: WorkTraits { .readsOtherRows }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    LineCopy.takes(geometry) ? LineCopy.scratchBytes(geometry) : WindowCopy.scratchBytes(geometry)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    try emitter.emitFloatDepthwise(step, geometry, weights, bias, function)
  }
}
