import SoniqCore
package import SoniqGraph

/// Makes operators of the nodes of a valid graph.
package struct OperatorFactory<Failure: Error> {
  private let graph: Graph
  private let kernels: OperatorKernels
  private let store: ([Int]) throws(Failure) -> UnsafePointer<Int>

  /// - Parameters:
  ///   - graph: valid.
  ///   - kernels: of the session's instruction set.
  ///   - store: puts numbers where they outlive the operators, or has no memory for them.
  package init(
    _ graph: Graph, kernels: OperatorKernels,
    store: @escaping ([Int]) throws(Failure) -> UnsafePointer<Int>
  ) {
    self.graph = graph
    self.kernels = kernels
    self.store = store
  }

  /// - Returns: `nothing` for nodes that are no tensor operation, have no work of their own (`constant`), or are done
  ///   by rows (`unary` of floats).
  package func make(node index: Int) throws(Failure) -> TensorOperator {
    let node = graph.nodes[index]
    guard case .tensor(let operation) = node.operation else { return .nothing }
    let shapes = node.inputs.map { graph.values[$0].shape }
    let output = Extents(graph.values[node.output].shape)
    let types = node.inputs.map { graph.values[$0].elementType }
    switch operation {
    case .constant: return .nothing
    case .unary(let function): return function == .not ? .element(.not, output) : .nothing
    case .binary(let function):
      return .binary(
        BinaryOperator(
          function: function, isFloat: types[0] == .float32, output: output, inputs: operands(shapes)))
    case .select: return .select(SelectOperator(output: output, inputs: operands(shapes)))
    case .cast(let type):
      if type == types[0] { return copy(shapes[0], output) { .init(dimension: $0) } }
      return .element(type == .int32 ? .floatToInteger : .integerToFloat, output)
    case .transpose, .reshape, .expand, .slice: return moved(operation, shapes[0], output)
    case .concatenate, .pad, .gather: return try joined(operation, index, shapes, output)
    case .reduce, .argument, .softmax, .matmul: return summed(operation, shapes, output)
    case .cumulate(let axis, let isExclusive, let isReversed):
      return .cumulate(
        CumulativeOperator(
          input: Extents(shapes[0]), axis: axis, isExclusive: isExclusive, isReversed: isReversed,
          isFloat: types[0] == .float32))
    case .pool, .resize, .foldTaps:
      return image(operation, shapes[0], graph.values[node.output].shape, output)
    }
  }

  private func operands(_ shapes: [[Dimension]]) -> [3 of Extents] {
    InlineArray { $0 < shapes.count ? Extents(shapes[$0]) : Extents([]) }
  }

  private func copy(
    _ shape: [Dimension], _ output: Extents, _ axis: (Int) -> CopyOperator.Axis
  ) -> TensorOperator {
    .copy(
      CopyOperator(
        input: Extents(shape), output: output,
        axes: InlineArray { $0 < output.rank ? axis($0) : CopyOperator.Axis(dimension: -1) }))
  }

  private func moved(_ operation: TensorOperation, _ shape: [Dimension], _ output: Extents) -> TensorOperator
  {
    switch operation {
    case .transpose(let permutation): return copy(shape, output) { .init(dimension: permutation[$0]) }
    case .slice(let ranges):
      return copy(shape, output) { .init(dimension: $0, begin: ranges[$0].begin, step: ranges[$0].step) }
    case .expand(let target):
      return copy(shape, output) { position in
        let dimension = position - target.count + shape.count
        guard dimension >= 0, shape[dimension] == target[position] else { return .init(dimension: -1) }
        return .init(dimension: dimension)
      }
    default:
      // A reshape that needs memory of its own: the elements as they are, in the input's shape.
      return copy(shape, Extents(shape)) { .init(dimension: $0) }
    }
  }

  private func joined(
    _ operation: TensorOperation, _ node: Int, _ shapes: [[Dimension]], _ output: Extents
  ) throws(Failure) -> TensorOperator {
    switch operation {
    case .concatenate(let axis):
      let lengths = shapes.map { shape in
        if case .fixed(let size) = shape[axis] { size } else { 1 }
      }
      return .concatenate(ConcatenateOperator(output: output, axis: axis, lengths: try store(lengths)))
    case .pad(let mode, let before, _, let value):
      let isFloat = graph.values[graph.nodes[node].output].elementType == .float32
      let bits = isFloat ? Int32(bitPattern: value.bitPattern) : truncated(value)
      return .pad(
        PadOperator(
          mode: mode, value: bits, input: Extents(shapes[0]), output: output,
          before: InlineArray { $0 < before.count ? before[$0] : 0 }))
    case .gather(let axis):
      return .gather(
        GatherOperator(node: node, data: Extents(shapes[0]), indices: Extents(shapes[1]), axis: axis))
    default: return .nothing
    }
  }

  private func summed(
    _ operation: TensorOperation, _ shapes: [[Dimension]], _ output: Extents
  ) -> TensorOperator {
    let input = Extents(shapes[0])
    switch operation {
    case .reduce(let function, let axes, _):
      let mask = axes.reduce(0) { $0 | 1 << $1 }
      return .reduce(ReduceOperator(function: function, input: input, axes: mask), output)
    case .argument(let isMinimum, let axis, _, let selectsLast):
      return .argument(
        ArgumentOperator(input: input, axis: axis, isMinimum: isMinimum, selectsLast: selectsLast), output)
    case .softmax(let axis, let isLogarithm):
      return .softmax(
        SoftmaxOperator(input: input, axis: axis, isLogarithm: isLogarithm, activation: kernels.activation))
    case .matmul(let transposesRight):
      return .matmul(
        MatmulOperator(
          left: input, right: Extents(shapes[1]), output: output, transposesRight: transposesRight,
          kernel: kernels.floatMatmul))
    default: return .nothing
    }
  }

  private func image(
    _ operation: TensorOperation, _ shape: [Dimension], _ target: [Dimension], _ output: Extents
  ) -> TensorOperator {
    guard let from = ImageSize(shape), let to = ImageSize(target) else { return .nothing }
    switch operation {
    case .pool(let function, let window):
      return .pool(PoolOperator(function, window, input: from, output: to), output)
    case .resize(let method, let coordinates, let rounding, _, _, let scaleHeight, let scaleWidth):
      return .resize(
        ResizeOperator(
          method, coordinates, rounding, scaleHeight: scaleHeight, scaleWidth: scaleWidth, input: from,
          output: to), output)
    case .foldTaps(let window, _, _, let bias):
      var start: UnsafePointer<Float>?
      if let bias, case .dense(let dense) = graph.constants[bias] {
        start = dense.bytes.bound(to: Float.self).baseAddress
      }
      return .fold(FoldOperator(window: window, input: from, output: to, bias: start), output)
    default: return .nothing
    }
  }
}
