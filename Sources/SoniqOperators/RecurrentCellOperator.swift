package import CKernelABI
package import SoniqGraph

/// The arithmetic of one step of a recurrence for one entry of the batch: sums and products as IEEE 754 has them, each
/// rounded, and functions by the kernels that are the same to the bit on every instruction set.
package struct RecurrentCellOperator: BitwiseCopyable {
  let cell: RecurrentCell
  let hidden: Int
  let couplesForget: Bool
  let clip: Float
  let gateFunction: UInt32
  let candidateFunction: UInt32
  let outputFunction: UInt32
  let kernel: snq_activation_function

  package init(_ recurrence: Recurrence, hidden: Int, kernel: @escaping snq_activation_function) {
    cell = recurrence.cell
    self.hidden = hidden
    (couplesForget, clip) = (recurrence.couplesForget, recurrence.clip)
    gateFunction = UInt32(recurrence.gateFunction.kind.rawValue)
    candidateFunction = UInt32(recurrence.candidateFunction.kind.rawValue)
    outputFunction = UInt32(recurrence.outputFunction.kind.rawValue)
    self.kernel = kernel
  }

  /// - Parameters:
  ///   - input: the input's part of the step, [gates * hidden].
  ///   - gates: the hidden state's part, [gates * hidden]; overwritten.
  ///   - state: the hidden state [hidden]: that before the step, then that behind it.
  ///   - cellState: the same of an LSTM's cell state.
  ///   - peepholes: of an LSTM, [3 * hidden]: what its gates input, output and forget see of the cell; nil: nothing.
  package func advance(
    input: UnsafePointer<Float>, gates: UnsafeMutablePointer<Float>, state: UnsafeMutablePointer<Float>,
    cellState: UnsafeMutablePointer<Float>, peepholes: UnsafePointer<Float>? = nil
  ) {
    switch cell {
    case .lstm: lstm(input, gates, state, cellState, peepholes)
    case .gru:
      resetGates(input: input, gates: gates)
      let (update, reset, candidate) = (gates, gates + hidden, gates + 2 * hidden)
      let part = input + 2 * hidden
      for unit in 0..<hidden { candidate[unit] = part[unit] + reset[unit] * candidate[unit] }
      finishGated(update, candidate, state)
    case .rnn:
      add(input, gates, hidden)
      limited(gates, hidden)
      apply(candidateFunction, gates, hidden, to: state)
    }
  }

  /// The first half of a GRU's step: its gates update and reset, in place of the hidden state's part.
  package func resetGates(input: UnsafePointer<Float>, gates: UnsafeMutablePointer<Float>) {
    add(input, gates, 2 * hidden)
    limited(gates, 2 * hidden)
    apply(gateFunction, gates, 2 * hidden, to: gates)
  }

  /// What the candidate's matrix is multiplied with: the reset gate times the hidden state.
  package func reset(
    gates: UnsafePointer<Float>, state: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>
  ) {
    let reset = gates + hidden
    for unit in 0..<hidden { target[unit] = reset[unit] * state[unit] }
  }

  /// The second half, with that product in `candidate`; overwritten.
  package func finish(
    input: UnsafePointer<Float>, gates: UnsafePointer<Float>, candidate: UnsafeMutablePointer<Float>,
    state: UnsafeMutablePointer<Float>
  ) {
    add(input + 2 * hidden, candidate, hidden)
    finishGated(gates, candidate, state)
  }

  private func finishGated(
    _ update: UnsafePointer<Float>, _ candidate: UnsafeMutablePointer<Float>,
    _ state: UnsafeMutablePointer<Float>
  ) {
    limited(candidate, hidden)
    apply(candidateFunction, candidate, hidden, to: candidate)
    for unit in 0..<hidden {
      let fresh = (1 - update[unit]) * candidate[unit]
      state[unit] = fresh + update[unit] * state[unit]
    }
  }

  private func lstm(
    _ input: UnsafePointer<Float>, _ gates: UnsafeMutablePointer<Float>,
    _ state: UnsafeMutablePointer<Float>, _ cellState: UnsafeMutablePointer<Float>,
    _ peepholes: UnsafePointer<Float>?
  ) {
    let (output, forget, candidate) = (gates + hidden, gates + 2 * hidden, gates + 3 * hidden)
    add(input, gates, 4 * hidden)
    if let peepholes {
      // The output gate waits for the new cell.
      see(cellState, peepholes, gates)
      see(cellState, peepholes + 2 * hidden, forget)
      limited(gates, hidden)
      limited(forget, 2 * hidden)
      apply(gateFunction, gates, hidden, to: gates)
      if !couplesForget { apply(gateFunction, forget, hidden, to: forget) }
    } else {
      limited(gates, 4 * hidden)
      apply(gateFunction, gates, (couplesForget ? 2 : 3) * hidden, to: gates)
    }
    apply(candidateFunction, candidate, hidden, to: candidate)
    if couplesForget { for unit in 0..<hidden { forget[unit] = 1 - gates[unit] } }
    for unit in 0..<hidden {
      let kept = forget[unit] * cellState[unit]
      cellState[unit] = kept + gates[unit] * candidate[unit]
    }
    if let peepholes {
      see(cellState, peepholes + hidden, output)
      limited(output, hidden)
      apply(gateFunction, output, hidden, to: output)
    }
    apply(outputFunction, cellState, hidden, to: candidate)
    for unit in 0..<hidden { state[unit] = output[unit] * candidate[unit] }
  }

  /// Adds to a gate what it sees of the cell.
  private func see(
    _ cellState: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ gate: UnsafeMutablePointer<Float>
  ) {
    for unit in 0..<hidden { gate[unit] = gate[unit] + weights[unit] * cellState[unit] }
  }

  private func add(_ input: UnsafePointer<Float>, _ gates: UnsafeMutablePointer<Float>, _ count: Int) {
    for index in 0..<count { gates[index] = input[index] + gates[index] }
  }

  private func limited(_ numbers: UnsafeMutablePointer<Float>, _ count: Int) {
    guard clip > 0 else { return }
    call(UInt32(SNQ_CLIP), UnsafePointer(numbers), count, to: numbers, -clip, clip)
  }

  private func apply(
    _ function: UInt32, _ numbers: UnsafePointer<Float>, _ count: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    call(function, numbers, count, to: target)
  }

  private func call(
    _ function: UInt32, _ numbers: UnsafePointer<Float>, _ count: Int, to target: UnsafeMutablePointer<Float>,
    _ alpha: Float = 0, _ beta: Float = 0
  ) {
    var arguments = snq_activation_args(
      kind: function, input: numbers, inputStride: count, channels: UInt32(count), output: target,
      outputStride: count, alpha: alpha, beta: beta)
    kernel(&arguments, 0, 1)
  }
}
