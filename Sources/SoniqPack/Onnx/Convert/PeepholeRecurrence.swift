import SoniqGraph

/// An LSTM whose gates see the cell, which no recurrence of the runtime does: written out step by step.
extension OnnxConversion {
  /// * part: the input's part of all gates, with their bias.
  /// * recurrent: [4 * hidden, hidden] of the input's, output's, forget's and candidate's gates.
  /// * peepholes: of the input's, output's and forget's.
  /// - Returns: the hidden states of all steps, and the last hidden and cell.
  mutating func stepwiseLSTM(
    _ part: ValueID, _ recurrent: KnownTensor, peepholes: [Float], _ operation: Recurrence,
    states: (hidden: ValueID?, cell: ValueID?), name: String
  ) throws(PackError) -> [ValueID] {
    let axis = operation.isTimeMajor ? 0 : 1
    let (shape, hidden) = (draft.shape(part), recurrent.shape[1])
    guard case .fixed(let steps) = shape[axis], (1...maximumRounds).contains(steps) else {
      throw fault(
        "peepholes over \(draft.words([shape[axis]])) steps, which are written out; fix the length with --shape, "
          + "up to --rounds \(maximumRounds)")
    }
    let zeros = try expand(scalar(0), to: [shape[1 - axis], .fixed(hidden)])
    var (state, cell) = (states.hidden ?? zeros, states.cell ?? zeros)
    var all = [ValueID](repeating: state, count: steps)
    let batch = draft.extent(shape[1 - axis])
    for index in 0..<steps {
      let step = operation.isReverse ? steps - 1 - index : index
      let input = try reshape(
        slice(part, axis: axis, begin: step, step: 1, count: 1), to: [batch, Extent(4 * hidden)])
      let sums = try binary(.add, input, linear(state, recurrent, bias: nil, name: name + ".R"))
      func gate(
        _ place: Int, _ function: ElementFunction, seeing seen: (ValueID, Int)?, _ conversion: inout Self
      ) throws(PackError) -> ValueID {
        var sum = try conversion.slice(sums, axis: 1, begin: place * hidden, step: 1, count: hidden)
        if let (seen, row) = seen {
          let weights = KnownTensor(
            floats: Array(peepholes[row * hidden..<(row + 1) * hidden]), shape: [hidden])
          sum = try conversion.binary(
            .add, sum, conversion.binary(.multiply, seen, conversion.constant(weights)))
        }
        if operation.clip > 0 {
          sum = try conversion.tensor(.unary(.clip(low: -operation.clip, high: operation.clip)), sum)
        }
        return try conversion.rowwise(.element(function), sum)
      }
      let update = try gate(0, operation.gateFunction, seeing: (cell, 0), &self)
      let forget =
        operation.couplesForget
        ? try binary(.subtract, scalar(1), update)
        : try gate(2, operation.gateFunction, seeing: (cell, 2), &self)
      let candidate = try gate(3, operation.candidateFunction, seeing: nil, &self)
      cell = try binary(.add, binary(.multiply, forget, cell), binary(.multiply, update, candidate))
      let output = try gate(1, operation.gateFunction, seeing: (cell, 1), &self)
      state = try binary(.multiply, output, rowwise(.element(operation.outputFunction), cell))
      let extents = axis == 0 ? [Extent(1), batch, Extent(hidden)] : [batch, Extent(1), Extent(hidden)]
      all[step] = try reshape(state, to: extents)
    }
    return [try concatenate(all, axis: axis), state, cell]
  }
}
