import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqOperators

// Operations on whole tensors: their work is in SoniqOperators.
extension Select: PlannedTensorOperation {}
extension Transpose: PlannedTensorOperation {}
extension Reshape: PlannedTensorOperation {}
extension Expand: PlannedTensorOperation {}
extension Concatenate: PlannedTensorOperation {}
extension Slice: PlannedTensorOperation {}
extension Pad: PlannedTensorOperation {}
extension Gather: PlannedTensorOperation {}
extension Reduce: PlannedTensorOperation {}
extension Softmax: PlannedTensorOperation {}
extension IndexOfExtreme: PlannedTensorOperation {}
extension Matmul: PlannedTensorOperation {}
extension Pool: PlannedTensorOperation {}
extension Resize: PlannedTensorOperation {}
extension FoldTaps: PlannedTensorOperation {}
extension Cumulate: PlannedTensorOperation {}
extension Rotary: PlannedTensorOperation {}
extension Split: PlannedTensorOperation {}
extension TopK: PlannedTensorOperation {}
extension Scatter: PlannedTensorOperation {}
extension Sample: PlannedTensorOperation {}
extension AlignRegions: PlannedTensorOperation {}

extension ConstantTensor: PlannedOperator {
  /// Needs no step.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    guard case .dense(let dense) = schedule.graph.constants[constant] else { return }
    schedule.slots[schedule.graph.nodes[node].output].constant = dense.bytes.start
  }
}

protocol PlannedTensorOperation: PlannedOperator, TensorOperation {}

extension PlannedTensorOperation {
  func schedule(_ node: Int, in schedule: inout Schedule) { scheduleTensor(node, in: &schedule) }
}

extension TensorOperation {
  /// A step of a segment of its own; what only has another shape needs none.
  func scheduleTensor(_ node: Int, in schedule: inout Schedule) {
    let (inputs, output) = (schedule.graph.nodes[node].inputs, schedule.graph.nodes[node].output)
    if keepsOrder(TensorNode(schedule.graph, node)), schedule.share(output, with: inputs[0]) { return }
    let values = schedule.graph.values
    let takenOver = inputs.filter { input in
      isElementwise && values[input].shape == values[output].shape
        && values[input].elementType.byteCount == values[output].elementType.byteCount
    }
    schedule.append(TensorWork(operation: self), node, inPlaceOf: takenOver)
  }
}

struct TensorWork: ScheduledWork {
  let operation: any TensorOperation

  var traits: WorkTraits { [.ownUnits, .readsOtherRows] }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    operation.scratchBytes(TensorNode(sizing.schedule.graph, step.nodes[0])) { sizing.size($0) }
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let product = emitter.kernels.matrices.floatMatmul
    let kernels = OperatorKernels(
      activation: emitter.kernels.activation.function, floatMatmul: product.function)
    let work = operation.work(TensorNode(emitter.graph, step.nodes[0]), kernels)
    let tensor = TensorStep(
      work: try stored(work, emitter.memory), inputs: UnsafePointer(try emitter.memory.store(step.reads)),
      inputCount: step.reads.count, outputs: UnsafePointer(try emitter.memory.store(step.writes)),
      outputCount: step.writes.count)
    let name = type(of: operation).schema.name
    let description =
      operation.isProduct
      ? emitter.describe(step, name, product) : emitter.describe(step, name, "portable")
    return (try emitter.step(tensor), description)
  }

  private func stored(
    _ work: some TensorOperator, _ memory: PlanMemory
  ) throws(RuntimeError) -> StoredOperator {
    StoredOperator(UnsafePointer(try memory.store(work)))
  }
}

/// Alone in its segment, its items shared by the lanes.
struct TensorStep: RowStep {
  static var entry: StepEntry { { TensorStep.answer($0, $1) } }
  var work: StoredOperator
  var inputs: UnsafePointer<StorageID>
  var inputCount: Int
  var outputs: UnsafePointer<StorageID>
  var outputCount: Int

  /// Items below this many elements are not worth a unit of their own.
  private static let elementsWorthUnit = 16384

  /// About four units for each lane.
  func units(_ frame: borrowing RunFrame, lanes: Int) -> StepUnits {
    let extent = work.extent(frame.sizes)
    guard lanes > 1 else { return StepUnits(count: extent.items, size: max(1, extent.items)) }
    let least = max(1, Self.elementsWorthUnit / max(1, extent.cost))
    let unit = max(least, extent.items / (4 * lanes) + 1)
    // Whole cache lines, where an item is an element.
    return StepUnits(count: extent.items, size: least >= 16 ? (unit + 15) / 16 * 16 : unit)
  }

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int {
    work.extent(frame.sizes).multiplyAccumulates
  }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ items: Range<Int>) {
    let (storages, sizes) = (frame.storages, UnsafePointer(frame.sizes))
    let scratch = frame.scratch + window.lane * frame.scratchStride
    let fault = frame.faults + window.lane
    // A constant size of at most 1 KiB stays on the stack.
    withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer.self, capacity: 128) { addresses in
      guard let start = addresses.baseAddress else { return }
      for input in 0..<min(inputCount, 64) {
        (start + input).initialize(to: storages[inputs[input]].base)
      }
      for output in 0..<min(outputCount, 64) {
        (start + 64 + output).initialize(to: storages[outputs[output]].base)
      }
      let call = OperatorFrame(
        sizes: sizes, inputs: UnsafePointer(start), outputs: UnsafePointer(start + 64), scratch: scratch,
        fault: fault)
      work.run(call, items)
    }
  }
}
