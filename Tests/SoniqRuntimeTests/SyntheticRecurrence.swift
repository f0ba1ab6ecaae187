import CKernelABI
import SoniqGraph
import SoniqKernels
import SoniqTestSupport

@testable import SoniqRuntime

/// A recurrence of random matrices and what it computes, step by step as its documentation says: products by the
/// definition, functions by the portable kernel.
struct SyntheticRecurrence {
  var operation: Recurrence
  let hidden: Int
  let matrix: SyntheticLevels
  let candidate: SyntheticLevels?
  /// [3 * hidden], where the operation has them.
  var peepholes: [Float] = []

  init(
    _ operation: Recurrence, _ levels: [SyntheticLevel], resetsBefore: Bool = false, shuffled: Bool = false,
    using generator: inout SeededGenerator
  ) {
    hidden = levels.reduce(0) { $0 + $1.channels }
    let gates = operation.cell.gates - (resetsBefore ? 1 : 0)
    matrix = SyntheticLevels(outputs: gates * hidden, levels, shuffled: shuffled, using: &generator)
    candidate =
      resetsBefore ? SyntheticLevels(outputs: hidden, levels, shuffled: shuffled, using: &generator) : nil
    self.operation = operation
    self.operation.matrix = 0
    self.operation.candidate = resetsBefore ? 1 : nil
  }

  var constants: [Constant] { [.matrix(matrix.packed)] + (candidate.map { [.matrix($0.packed)] } ?? []) }
  var owners: [AnyObject] { matrix.owners + (candidate?.owners ?? []) }

  /// States of one entry.
  struct State {
    var hidden: [Float]
    var cell: [Float]
  }

  /// One entry: its parts [time][gates * hidden], as many as it has; the hidden states and the last ones.
  func run(_ parts: [[Float]], from start: State) -> (all: [[Float]], last: State) {
    var state = start
    var all = [[Float]](repeating: [], count: parts.count)
    for step in parts.indices {
      let position = operation.isReverse ? parts.count - 1 - step : step
      state = advance(parts[position], state)
      all[position] = state.hidden
    }
    return (all, state)
  }

  private func advance(_ part: [Float], _ state: State) -> State {
    let product = matrix.product(state.hidden)
    switch operation.cell {
    case .rnn:
      return State(
        hidden: applied(operation.candidateFunction, limited(sum(part, product))), cell: state.cell)
    case .lstm: return lstm(sum(part, product), state)
    case .gru: return gru(part, product, state)
    }
  }

  private func lstm(_ gates: [Float], _ state: State) -> State {
    func gate(_ index: Int, _ function: ElementFunction, seeing cell: [Float]? = nil) -> [Float] {
      var sums = Array(gates[index * hidden..<(index + 1) * hidden])
      if let cell, operation.hasPeepholes {
        sums = (0..<hidden).map { sums[$0] + peepholes[index * hidden + $0] * cell[$0] }
      }
      return applied(function, limited(sums))
    }
    let input = gate(0, operation.gateFunction, seeing: state.cell)
    let forget =
      operation.couplesForget
      ? input.map { 1 - $0 } : gate(2, operation.gateFunction, seeing: state.cell)
    let fresh = gate(3, operation.candidateFunction)
    let cell = (0..<hidden).map { forget[$0] * state.cell[$0] + input[$0] * fresh[$0] }
    let output = gate(1, operation.gateFunction, seeing: cell)
    let shown = applied(operation.outputFunction, cell)
    return State(hidden: (0..<hidden).map { output[$0] * shown[$0] }, cell: cell)
  }

  private func gru(_ part: [Float], _ product: [Float], _ state: State) -> State {
    let both = sum(Array(part[..<(2 * hidden)]), Array(product[..<(2 * hidden)]))
    let gates = applied(operation.gateFunction, limited(both))
    let (update, reset) = (Array(gates[..<hidden]), Array(gates[hidden...]))
    let rest = Array(part[(2 * hidden)...])
    let before: [Float]
    if let candidate {
      before = sum(rest, candidate.product((0..<hidden).map { reset[$0] * state.hidden[$0] }))
    } else {
      before = (0..<hidden).map { rest[$0] + reset[$0] * product[2 * hidden + $0] }
    }
    let fresh = applied(operation.candidateFunction, limited(before))
    let next = (0..<hidden).map { (1 - update[$0]) * fresh[$0] + update[$0] * state.hidden[$0] }
    return State(hidden: next, cell: state.cell)
  }

  private func sum(_ left: [Float], _ right: [Float]) -> [Float] { zip(left, right).map { $0 + $1 } }

  private func limited(_ numbers: [Float]) -> [Float] {
    guard operation.clip > 0 else { return numbers }
    return numbers.map { min(operation.clip, max(-operation.clip, $0)) }
  }

  private func applied(_ function: ElementFunction, _ numbers: [Float]) -> [Float] {
    var result = numbers
    result.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return }
      var arguments = snq_activation_args(
        kind: UInt32(function.kind.rawValue), input: UnsafePointer(start), inputStride: buffer.count,
        channels: UInt32(buffer.count), output: start, outputStride: buffer.count, alpha: 0, beta: 0)
      RowKernelRegistry.activation.reference.function(&arguments, 0, 1)
    }
    return result
  }
}
