/// What a step of a recurrence computes from the input's part x and the part p of the hidden state h before it. Raw
/// values are those of the file format.
package enum RecurrentCell: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  /// Gates input, output, forget and candidate: c' = f * c + i * candidate, h' = o * outputFunction(c').
  case lstm = 1
  /// Gates update z, reset r and candidate: h' = (1 - z) * candidate + z * h.
  case gru = 2
  /// h' = candidateFunction(x + p).
  case rnn = 3

  /// Numbers of a step for each hidden unit.
  package var gates: Int {
    switch self {
    case .lstm: 4
    case .gru: 3
    case .rnn: 1
    }
  }
}

/// A recurrent layer over all steps, behind the linear layer that makes its input's part: float32
/// [B,T,gates * H] -> all hidden states [B,T,H], the last one [B,H] and, of an LSTM, the last cell state [B,H].
///
/// Inputs behind the first, in this order, where the flags say so: float32 hidden state [B,H] and cell state [B,H]
/// before the first step (else 0), int32 lengths [B] in 0 ... T, float32 peepholes [3,H]. What is behind the length of an
/// entry is 0 in the first output and no part of the others.
package struct Recurrence: Operator {
  package static let schema = OperatorSchema("recurrence", tag: 23, since: 3)
  package var cell = RecurrentCell.lstm
  /// From the last step of each entry to the first.
  package var isReverse = false
  /// [T,B,...] in place of [B,T,...].
  package var isTimeMajor = false
  package var hasHidden = false
  package var hasCell = false
  package var hasLengths = false
  /// Of an LSTM: the forget gate is 1 - the input gate.
  package var couplesForget = false
  /// Of an LSTM: what the gates input, output and forget see of the cell, unit by unit; the output gate of the new one.
  package var hasPeepholes = false
  /// Each ReLU, sigmoid or tanh. An RNN has the candidate's only, a GRU no output's; the others are as they are here.
  package var gateFunction = ElementFunction.sigmoid
  package var candidateFunction = ElementFunction.tanh
  package var outputFunction = ElementFunction.tanh
  /// What goes into the functions of gates and candidate is cut off at -clip and clip; 0: not.
  package var clip: Float = 0
  /// [gates * H, H]: a matrix without taps, or a floatMatrix. With `candidate` the gates before the last.
  package var matrix: ConstantID = 0
  /// Of a GRU that resets the hidden state before its product and not after it: [H, H], for the candidate.
  package var candidate: ConstantID?

  package init() {}
  package init(_ cell: RecurrentCell, matrix: ConstantID, candidate: ConstantID? = nil) {
    (self.cell, self.matrix, self.candidate) = (cell, matrix, candidate)
  }
  package var operation: Operation { .recurrence(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("cell", &cell)
    var flags = [isReverse, isTimeMajor, hasHidden, hasCell, hasLengths, couplesForget, hasPeepholes]
    try coder.flags(
      ["isReverse", "isTimeMajor", "hasHidden", "hasCell", "hasLengths", "couplesForget", "hasPeepholes"],
      &flags)
    (isReverse, isTimeMajor, hasHidden) = (flags[0], flags[1], flags[2])
    (hasCell, hasLengths, couplesForget, hasPeepholes) = (flags[3], flags[4], flags[5], flags[6])
    try coder.activation("gateFunction", &gateFunction)
    try coder.activation("candidateFunction", &candidateFunction)
    try coder.activation("outputFunction", &outputFunction)
    try coder.reserved(3)
    try coder.float("clip", &clip)
    try coder.constant("matrix", &matrix)
    try coder.optionalConstant("candidate", &candidate)
  }

  /// The input of the initial hidden state, the cell state, the lengths, the peepholes.
  package var hiddenInput: Int? { hasHidden ? 1 : nil }
  package var cellInput: Int? { hasCell ? 1 + (hasHidden ? 1 : 0) : nil }
  package var lengthsInput: Int? { hasLengths ? 1 + (hasHidden ? 1 : 0) + (hasCell ? 1 : 0) : nil }
  package var peepholesInput: Int? { hasPeepholes ? inputCount - 1 : nil }
  package var inputCount: Int { 1 + [hasHidden, hasCell, hasLengths, hasPeepholes].count { $0 } }
  package var outputCount: Int { cell == .lstm ? 3 : 2 }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try inferredOutputs(node)[0]
  }

  package func inferredOutputs(_ node: NodeInference) throws(GraphError) -> [InferredOutput] {
    try node.requireInputs(inputCount...inputCount)
    try node.require(0, is: .float32, rank: 3)
    let shape = node.shape(0)
    try requireAttributes(node)
    let hidden = try hiddenSize(node)
    guard shape[2] == .fixed(hidden * cell.gates) else { throw node.fault(.shapeMismatch, "inputs", 0) }
    let batch = shape[isTimeMajor ? 1 : 0]
    for input in [hiddenInput, cellInput] {
      guard let input else { continue }
      try node.require(input, is: .float32, rank: 2)
      try node.require(input, hasShape: [batch, .fixed(hidden)])
    }
    if let lengthsInput {
      try node.require(lengthsInput, is: .int32, rank: 1)
      try node.require(lengthsInput, hasShape: [batch])
    }
    if let peepholesInput {
      try node.require(peepholesInput, is: .float32, rank: 2)
      try node.require(peepholesInput, hasShape: [.fixed(3), .fixed(hidden)])
    }
    let last = node.floats([batch, .fixed(hidden)])
    return [node.floats(shape.dropLast() + [.fixed(hidden)])] + Array(repeating: last, count: outputCount - 1)
  }

  private func requireAttributes(_ node: NodeInference) throws(GraphError) {
    let functions: Set<ElementFunction> = [.relu, .sigmoid, .tanh]
    try node.require(
      functions.contains(gateFunction) && (cell != .rnn || gateFunction == .sigmoid), "gateFunction")
    try node.require(functions.contains(candidateFunction), "candidateFunction")
    try node.require(
      functions.contains(outputFunction) && (cell == .lstm || outputFunction == .tanh), "outputFunction")
    try node.require(clip.isFinite && clip >= 0 && clip.sign == .plus, "clip")
    try node.require(cell == .lstm || !hasCell, "hasCell")
    try node.require(cell == .lstm || !couplesForget, "couplesForget")
    try node.require(cell == .lstm || !hasPeepholes, "hasPeepholes")
    try node.require(cell == .gru || candidate == nil, "candidate")
  }

  /// Checks the matrices and returns H.
  private func hiddenSize(_ node: NodeInference) throws(GraphError) -> Int {
    let sizes = try matrixSizes(node, matrix, "matrix")
    let gates = cell.gates - (candidate == nil ? 0 : 1)
    guard let outputs = product(sizes.inputs, gates), sizes.outputs == outputs,
      product(sizes.inputs, cell.gates) != nil
    else { throw node.fault(.shapeMismatch, "matrix.outputs", constant: matrix) }
    if let candidate {
      let own = try matrixSizes(node, candidate, "candidate")
      guard own == (sizes.inputs, sizes.inputs) else {
        throw node.fault(.shapeMismatch, "candidate", constant: candidate)
      }
    }
    return sizes.inputs
  }

  private func product(_ size: Int, _ gates: Int) -> Int? {
    let (product, overflow) = size.multipliedReportingOverflow(by: gates)
    return overflow || product > maximumDimension ? nil : product
  }

  private func matrixSizes(
    _ node: NodeInference, _ constant: ConstantID, _ field: String
  ) throws(GraphError) -> (inputs: Int, outputs: Int) {
    switch try node.constant(constant, field) {
    case .matrix(let packed) where packed.taps == 1: (packed.inputs, packed.outputs)
    case .floatMatrix(let float): (float.inputs, float.outputs)
    default: throw node.fault(.wrongKind, field, constant: constant)
    }
  }
}
