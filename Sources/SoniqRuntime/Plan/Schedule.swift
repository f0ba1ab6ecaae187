import CKernelABI
import SoniqCore
import SoniqGraph

/// Something with rows that a step reads or writes: a value, or the codes between two steps.
struct Slot {
  var name: String
  /// Of padded images of dynamic sizes: the most that a row can have, and what they are.
  var rowBytes: Int
  var image: PaddedImage?
  /// The dimensions whose product is the number of rows.
  var space: [Dimension]
  /// The graph input that the host fills.
  var input: Int?
  /// The input has a fill, for runs in which the host gives none.
  var isFilled = false
  /// In the caller's memory, given anew for each run.
  var isExternal = false
  /// A state of the session, read where it lies.
  var isState = false
  /// To be readable after the run.
  var isKept = false
  /// Where the elements of a constant lie.
  var constant: UnsafeRawPointer?
  /// The slot whose memory it is, under another shape.
  var aliasOf: SlotID?
  /// Other slots are its memory too.
  var isShared = false
  /// The step that writes it, and those that read it.
  var writer: Int?
  var readers: [Int] = []

  /// Not in the caller's memory, and not fused away or unused.
  var needsMemory: Bool { !isExternal && (isFilled || writer != nil) }
}

/// Index of a `Slot` of the schedule.
typealias SlotID = Int

/// Index of a `LayerPlan` or of a `GroupLayerPlan` of the schedule.
typealias LayerID = Int

/// One step before its memory is known.
struct ScheduledStep {
  var work: any ScheduledWork
  /// The nodes that it does.
  var nodes: [Int]
  /// What it reads, in the order that `work` expects.
  var reads: [SlotID]
  /// What it writes: one slot, those of a node's outputs, or those of a matrix's activations: see `ActivationSlots`.
  var writes: [SlotID]
  /// Set when it writes codes of this kind in place of floats.
  var sink: ActivationCode?
  /// An image that is read plane after plane, as [B,C,H,W].
  var isPlanar = false
  /// The slots whose memory the output may take over.
  var inPlaceOf: [SlotID] = []
  /// The rows that it works on.
  var space: [Dimension]
  /// What holds in the runs that need it.
  var conditions: [Demand.Condition] = []
  /// Steps of one segment pass a block of rows on without waiting for other rows.
  var segment = 0
  /// Steps of one group are done for a row before the next row is begun, also when lanes share the rows.
  var group = 0
}

/// The steps of a graph in order: nodes are fused where one pass over the rows is enough.
struct Schedule {
  var steps: [ScheduledStep] = []
  var slots: [Slot] = []
  private(set) var segmentCount = 0
  private(set) var groupCount = 0
  let graph: Graph
  /// By symbol: the most that a run can have.
  let maximums: [Int]
  let kernels: StepKernels
  /// How the linear layers of packed matrices run.
  var layers: [LayerPlan] = []
  /// How those with symmetric activations run.
  var groupLayers: [GroupLayerPlan] = []
  /// For each value the node that reads it; nil when none does or several do.
  private var soleReaders: [Int?]
  /// By node: it is part of a step already.
  private var isDone: [Bool]
  private let demand: Demand

  /// - Parameters:
  ///   - graph: valid.
  ///   - keptValues: values to keep beside the outputs, in range.
  ///   - areEndsExternal: inputs and outputs need no memory in the workspace.
  ///   - maximums: of the sizes of symbols.
  ///   - kernels: that the layers choose from.
  init(
    _ graph: Graph, keptValues: [ValueID], areEndsExternal: Bool, maximums: [Int], kernels: StepKernels
  ) {
    self.graph = graph
    self.maximums = maximums
    self.kernels = kernels
    demand = Demand(graph, keptValues: keptValues)
    isDone = [Bool](repeating: false, count: graph.nodes.count)
    soleReaders = [Int?](repeating: nil, count: graph.values.count)
    var readerCounts = [Int](repeating: 0, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs {
        readerCounts[input] += 1
        soleReaders[input] = readerCounts[input] == 1 ? index : nil
      }
    }
    slots = graph.values.map { value in
      let width = value.elementType.byteCount
      guard value.elementType != .int32, case .fixed(let channels) = value.shape[value.shape.count - 1]
      else {
        return Slot(name: value.name, rowBytes: width, space: value.shape)
      }
      return Slot(name: value.name, rowBytes: channels * width, space: value.shape.dropLast())
    }
    for (index, input) in graph.inputs.enumerated() {
      slots[input.value].input = index
      slots[input.value].isFilled = input.fill != nil
    }
    for value in graph.outputs + keptValues { slots[value].isKept = true }
    for state in graph.states {
      guard case .recurrent(let value, let next) = state.kind else { continue }
      slots[value].isState = true
      slots[value].isExternal = true
      slots[next].isKept = true
    }
    if areEndsExternal {
      for value in graph.inputs.map(\.value) + graph.outputs { slots[value].isExternal = true }
    }
    for index in graph.nodes.indices where !isDone[index] {
      isDone[index] = true
      graph.nodes[index].operation.planned.schedule(index, in: &self)
    }
    for index in steps.indices { sink(index) }
    number()
  }

  /// A step does this node beside another.
  mutating func finish(_ node: Int) { isDone[node] = true }

  /// A node, with the elementwise function that is the only reader of its output.
  mutating func withFunction(_ node: Int) -> (nodes: [Int], output: ValueID, function: ElementFunction?) {
    let output = graph.nodes[node].output
    guard let reader = onlyReader(of: output),
      let function = graph.nodes[reader].operation.planned.elementFunction
    else { return ([node], output, nil) }
    finish(reader)
    let end = graph.nodes[reader].output
    return ([node, reader], end, saturates(end, function) ? nil : function)
  }

  /// Whether everything that reads a value quantises it so that what the function cuts off would be cut off anyway.
  private func saturates(_ value: ValueID, _ function: ElementFunction) -> Bool {
    guard let end = function.clippedEnd, !slots[value].isKept else { return false }
    var isRead = false
    for node in graph.nodes where node.inputs.contains(value) {
      isRead = true
      let levels = quantizedLevels(node.operation.planned.quantizingConstants)
      guard !levels.isEmpty, levels.allSatisfy({ $0.activation.saturates(from: end) }) else { return false }
    }
    return isRead
  }

  /// The levels of packed constants; none when one of them is not packed.
  private func quantizedLevels(_ constants: [ConstantID]) -> [Level] {
    var levels: [Level] = []
    for constant in constants {
      switch graph.constants[constant] {
      case .matrix(let matrix): levels += matrix.levels.map(\.level)
      case .depthwise(let depthwise): levels.append(depthwise.level)
      default: return []
      }
    }
    return levels
  }

  /// The one node that reads a value which nobody else wants.
  func onlyReader(of value: ValueID) -> Int? {
    slots[value].isKept ? nil : soleReaders[value]
  }

  /// Appends a step that does one node and reads and writes what it does.
  mutating func append(_ work: any ScheduledWork, _ node: Int, inPlaceOf: [SlotID] = []) {
    append(
      work, [node], reads: graph.nodes[node].inputs, writes: graph.nodes[node].outputs,
      inPlaceOf: inPlaceOf)
  }

  /// * space: the rows to work on; those of what is written when nil.
  mutating func append(
    _ work: any ScheduledWork, _ nodes: [Int], reads: [SlotID], writes: [SlotID], inPlaceOf: [SlotID] = [],
    space: [Dimension]? = nil
  ) {
    for slot in reads { slots[slot].readers.append(steps.count) }
    for slot in writes { slots[slot].writer = steps.count }
    steps.append(
      ScheduledStep(
        work: work, nodes: nodes, reads: reads, writes: writes, inPlaceOf: inPlaceOf,
        space: space ?? slots[writes[0]].space, conditions: demand.conditions(ofNodes: nodes)))
  }

  /// Lets `output` be the memory of `input`. Not where the host reads it: an input may be gone by then.
  mutating func share(_ output: SlotID, with input: SlotID) -> Bool {
    let source = slots[input].aliasOf ?? input
    if let constant = slots[source].constant {
      slots[output].constant = constant
      return true
    }
    let isHosts = slots[source].input != nil || slots[source].isExternal
    guard !(isHosts && slots[output].isKept), !slots[output].isExternal else { return false }
    slots[output].aliasOf = source
    slots[source].isShared = true
    return true
  }

  /// Gives every step its segment and its group.
  private mutating func number() {
    for index in steps.indices {
      let isNewSegment =
        index == 0 || steps[index].space != steps[index - 1].space
        || steps[index].work.traits.contains(.readsOtherRows)
        || steps[index].conditions != steps[index - 1].conditions
        || steps[index].isPlanar || steps[index - 1].work.traits.contains(.ownUnits)
      let isNewGroup =
        isNewSegment || steps[index].work.traits.contains(.matrix)
        || steps[index - 1].work.traits.contains(.matrix)
      if isNewSegment { segmentCount += 1 }
      if isNewGroup { groupCount += 1 }
      steps[index].segment = segmentCount - 1
      steps[index].group = groupCount - 1
    }
  }
}

extension ActivationCode {
  /// Whether the code of a number is that of min(max(the number, 0), end).
  fileprivate func saturates(from end: Float) -> Bool {
    guard kind == .affine, case .fixed(let scale, 0) = scaling else { return false }
    return (end * (1 / scale)).rounded(.toNearestOrEven) >= Float(codeCount - 1)
  }
}
