import CKernelABI
import SoniqCore
import SoniqGraph

/// Something with rows that a step reads or writes: a value, or the codes between two steps.
struct Slot {
  var name: String
  var rowBytes: Int
  /// The dimensions whose product is the number of rows.
  var space: [Dimension]
  /// The graph input that the host fills.
  var input: Int?
  /// The input has a fill, for runs in which the host gives none.
  var isFilled = false
  /// In the caller's memory, given anew for each run.
  var isExternal = false
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

/// Index of a `LayerPlan` of the schedule.
typealias LayerID = Int

/// What one step does, with the constants it needs.
enum ScheduledWork {
  case quantize(LayerID)
  case matmul(LayerID, ElementFunction?)
  case floatMatmul(FloatMatrix)
  case layerNorm(gamma: DenseConstant, beta: DenseConstant, epsilon: Float)
  case activation(ElementFunction)
  case add(rectifies: Bool)
  case lookup(PackedTable)
  case denseLookup(DenseConstant)
  case positions
  case pool
  case normalize(epsilon: Float)
  case attention(Attention)
  case image(ScheduledConvolution)
  case convolution(ScheduledConvolution, ElementFunction?)
  case floatConvolution(ImageGeometry, [FloatMatrix], ElementFunction?)
  case depthwiseImage(ScheduledDepthwise)
  case depthwise(ScheduledDepthwise, ElementFunction?)
  case tensor(TensorOperation)
  case floatDepthwise(ImageGeometry, weights: DenseConstant, bias: DenseConstant?, ElementFunction?)

  /// May be split over panels, and is then done by all lanes together.
  var isMatrix: Bool {
    switch self {
    case .matmul, .floatMatmul, .convolution: true
    default: false
    }
  }
  /// Has units of its own instead of rows: no step can follow in its segment.
  var hasOwnUnits: Bool {
    switch self {
    case .attention, .tensor: true
    default: false
    }
  }
  /// Its rows are pixels of which it takes those of a row of an image together.
  var isWindowed: Bool {
    switch self {
    case .image, .convolution, .depthwiseImage, .depthwise: true
    default: false
    }
  }
  /// Reads rows that other lanes make: all steps before it must be done.
  var readsOtherRows: Bool {
    switch self {
    case .attention, .tensor, .convolution, .floatConvolution, .depthwise, .floatDepthwise: true
    default: false
    }
  }
}

/// One step before its memory is known.
struct ScheduledStep {
  var work: ScheduledWork
  /// The nodes that it does.
  var nodes: [Int]
  /// What it reads, in the order that `work` expects.
  var reads: [SlotID]
  /// What it writes: one slot, or those of a matrix's activations: see `ActivationSlots`.
  var writes: [SlotID]
  /// Set when it writes codes of this kind in place of floats.
  var sink: ActivationCode?
  /// An image that is read plane after plane, as [B,C,H,W].
  var isPlanar = false
  /// The slots whose memory the output may take over.
  var inPlaceOf: [SlotID] = []
  /// The rows that it works on.
  var space: [Dimension]
  /// Steps of one segment pass a block of rows on without waiting for other rows.
  var segment = 0
  /// Steps of one group are done for a row before the next row is begun, also when lanes share the rows.
  var group = 0
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

/// The steps of a graph in order: nodes are fused where one pass over the rows is enough.
struct Schedule {
  var steps: [ScheduledStep] = []
  var slots: [Slot] = []
  private(set) var segmentCount = 0
  private(set) var groupCount = 0
  let graph: Graph
  let kernels: StepKernels
  /// How the linear layers of packed matrices run.
  var layers: [LayerPlan] = []
  /// For each value the node that reads it; nil when none does or several do.
  private var soleReaders: [Int?]

  /// - Parameters:
  ///   - graph: valid.
  ///   - keptValues: values to keep beside the outputs, in range.
  ///   - areEndsExternal: inputs and outputs need no memory in the workspace.
  ///   - kernels: that the layers choose from.
  init(_ graph: Graph, keptValues: [ValueID], areEndsExternal: Bool, kernels: StepKernels) {
    self.graph = graph
    self.kernels = kernels
    soleReaders = [Int?](repeating: nil, count: graph.values.count)
    var readerCounts = [Int](repeating: 0, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs {
        readerCounts[input] += 1
        soleReaders[input] = readerCounts[input] == 1 ? index : nil
      }
    }
    slots = graph.values.map { value in
      guard value.elementType == .float32, case .fixed(let channels) = value.shape[value.shape.count - 1]
      else {
        return Slot(name: value.name, rowBytes: 4, space: value.shape)
      }
      return Slot(name: value.name, rowBytes: channels * 4, space: value.shape.dropLast())
    }
    for (index, input) in graph.inputs.enumerated() {
      slots[input.value].input = index
      slots[input.value].isFilled = input.fill != nil
    }
    for value in graph.outputs + keptValues { slots[value].isKept = true }
    if areEndsExternal {
      for value in graph.inputs.map(\.value) + graph.outputs { slots[value].isExternal = true }
    }
    addSteps()
    for index in steps.indices { sink(index) }
    number()
  }

  private mutating func addSteps() {
    var isDone = [Bool](repeating: false, count: graph.nodes.count)
    for index in graph.nodes.indices where !isDone[index] {
      isDone[index] = true
      let node = graph.nodes[index]
      switch node.operation {
      case .add:
        // A layer norm that is the only reader does the addition itself.
        if let norm = onlyReader(of: node.output), case .layerNorm = graph.nodes[norm].operation {
          isDone[norm] = true
          addLayerNorm([index, norm], input: node.inputs[0], residual: node.inputs[1])
        } else {
          addAddition(index, &isDone)
        }
      case .layerNorm: addLayerNorm([index], input: node.inputs[0], residual: nil)
      case .linear(let matrix):
        // So does a matrix with the activation function of its outputs.
        if case .matrix = graph.constants[matrix] {
          let (nodes, function) = withActivation(index, &isDone)
          addLinear(nodes, matrix: matrix, function: function)
        } else {
          addLinear([index], matrix: matrix, function: nil)
        }
      case .convolution(let window, let weights):
        let (nodes, function) = withActivation(index, &isDone)
        addConvolution(nodes, window, weights: weights, function: function)
      case .depthwiseConvolution(let window, let weights, let bias):
        let (nodes, function) = withActivation(index, &isDone)
        addDepthwise(nodes, window, weights: weights, bias: bias, function: function)
      case .tensor(let operation): addTensor(index, operation)
      default: addPlain(index)
      }
    }
  }

  /// An addition, with the ReLU that is the only reader of its output.
  private mutating func addAddition(_ index: Int, _ isDone: inout [Bool]) {
    let node = graph.nodes[index]
    var (nodes, output, rectifies) = ([index], node.output, false)
    if let reader = onlyReader(of: node.output), graph.nodes[reader].operation.elementFunction == .relu {
      isDone[reader] = true
      nodes.append(reader)
      output = graph.nodes[reader].output
      rectifies = true
    }
    append(
      .add(rectifies: rectifies), nodes, reads: node.inputs, writes: [output], inPlaceOf: node.inputs)
  }

  /// A node, with the activation function that is the only reader of its output.
  private func withActivation(_ index: Int, _ isDone: inout [Bool]) -> ([Int], ElementFunction?) {
    guard let reader = onlyReader(of: graph.nodes[index].output),
      let function = graph.nodes[reader].operation.elementFunction
    else { return ([index], nil) }
    isDone[reader] = true
    let isImplied = saturates(graph.nodes[reader].output, function)
    return ([index, reader], isImplied ? nil : function)
  }

  /// Whether everything that reads a value quantises it so that what the function cuts off would be cut off anyway.
  private func saturates(_ value: ValueID, _ function: ElementFunction) -> Bool {
    guard let end = function.clippedEnd, !slots[value].isKept else { return false }
    var isRead = false
    for node in graph.nodes where node.inputs.contains(value) {
      isRead = true
      let levels: [Level]
      switch node.operation {
      case .linear(let matrix): levels = quantizedLevels([matrix])
      case .convolution(_, let weights): levels = quantizedLevels(weights)
      case .depthwiseConvolution(_, let weights, _): levels = quantizedLevels([weights])
      default: return false
      }
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

  private mutating func addLayerNorm(_ nodes: [Int], input: ValueID, residual: ValueID?) {
    let node = graph.nodes[nodes[nodes.count - 1]]
    guard case .layerNorm(let gamma, let beta, let epsilon) = node.operation,
      case .dense(let gamma) = graph.constants[gamma], case .dense(let beta) = graph.constants[beta]
    else { return }
    let reads = [input] + (residual.map { [$0] } ?? [])
    append(
      .layerNorm(gamma: gamma, beta: beta, epsilon: epsilon), nodes, reads: reads,
      writes: [node.output], inPlaceOf: reads)
  }

  private mutating func addLinear(_ nodes: [Int], matrix: ConstantID, function: ElementFunction?) {
    let input = graph.nodes[nodes[0]].inputs[0]
    let output = graph.nodes[nodes[nodes.count - 1]].output
    switch graph.constants[matrix] {
    case .matrix(let packed):
      let layer = layers.count
      layers.append(kernels.layer(packed))
      let codes = addCodeSlots(layers[layer], space: slots[input].space)
      append(.quantize(layer), [nodes[0]], reads: [input], writes: codes)
      append(.matmul(layer, function), nodes, reads: codes, writes: [output])
    case .floatMatrix(let float):
      append(.floatMatmul(float), nodes, reads: [input], writes: [output])
    default: return
    }
  }

  /// See `ActivationSlots`. A level whose kernels take codes as they are has a prepared slot without bytes.
  private mutating func addCodeSlots(_ layer: LayerPlan, space: [Dimension]) -> [SlotID] {
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

  private mutating func addPlain(_ index: Int) {
    let node = graph.nodes[index]
    let work: ScheduledWork
    var inPlaceOf: [SlotID] = []
    switch node.operation {
    case .embedding(let table):
      switch graph.constants[table] {
      case .table(let packed): work = .lookup(packed)
      case .dense(let dense): work = .denseLookup(dense)
      default: return
      }
    case .positions: work = .positions
    case .activation(let function):
      work = .activation(ElementFunction(function))
      inPlaceOf = node.inputs
    case .attention(let attention): work = .attention(attention)
    case .meanPool: work = .pool
    case .l2Normalize(let epsilon):
      work = .normalize(epsilon: epsilon)
      inPlaceOf = node.inputs
    case .linear, .layerNorm, .add, .convolution, .depthwiseConvolution, .tensor: return
    }
    // Only the shape of the input of `positions` matters.
    var reads = node.inputs
    if case .positions = node.operation { reads = [] }
    append(work, [index], reads: reads, writes: [node.output], inPlaceOf: inPlaceOf)
  }

  /// * space: the rows to work on; those of what is written when nil.
  mutating func append(
    _ work: ScheduledWork, _ nodes: [Int], reads: [SlotID], writes: [SlotID], inPlaceOf: [SlotID] = [],
    space: [Dimension]? = nil
  ) {
    for slot in reads { slots[slot].readers.append(steps.count) }
    for slot in writes { slots[slot].writer = steps.count }
    steps.append(
      ScheduledStep(
        work: work, nodes: nodes, reads: reads, writes: writes, inPlaceOf: inPlaceOf,
        space: space ?? slots[writes[0]].space))
  }

  /// Gives every step its segment and its group.
  private mutating func number() {
    for index in steps.indices {
      let isNewSegment =
        index == 0 || steps[index].space != steps[index - 1].space || steps[index].work.readsOtherRows
        || steps[index].isPlanar || steps[index - 1].work.hasOwnUnits
      let isNewGroup = isNewSegment || steps[index].work.isMatrix || steps[index - 1].work.isMatrix
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
