package import CKernelABI

/// A tensor operation made ready to run: shapes and numbers, no memory of its own. Its work is a row of items of which
/// any range may be done by any lane; no split changes a bit of the result.
package enum TensorOperator: BitwiseCopyable {
  /// For nodes that are no tensor operation, and those that need no step of their own.
  case nothing
  case binary(BinaryOperator)
  case select(SelectOperator)
  case element(ElementOperator, Extents)
  case copy(CopyOperator)
  case concatenate(ConcatenateOperator)
  case pad(PadOperator)
  case gather(GatherOperator)
  case reduce(ReduceOperator, Extents)
  case argument(ArgumentOperator, Extents)
  case softmax(SoftmaxOperator)
  case cumulate(CumulativeOperator)
  case matmul(MatmulOperator)
  case pool(PoolOperator, Extents)
  case resize(ResizeOperator, Extents)
  case fold(FoldOperator, Extents)

  /// Items of work in a run with these sizes of the symbols.
  package func items(_ sizes: UnsafePointer<Int>) -> Int {
    switch self {
    case .nothing: 0
    case .binary(let work): work.output.elements(sizes)
    case .select(let work): work.output.elements(sizes)
    case .copy(let work): work.items(sizes)
    case .concatenate(let work): work.output.elements(sizes)
    case .pad(let work): work.output.elements(sizes)
    case .gather(let work):
      work.indices.elements(sizes) &* work.data.elements(sizes) / work.data.size(work.axis, sizes)
    case .softmax(let work): work.items(sizes)
    case .cumulate(let work): work.items(sizes)
    case .matmul(let work): work.items(sizes)
    case .element(_, let output), .reduce(_, let output), .argument(_, let output), .pool(_, let output),
      .resize(_, let output), .fold(_, let output):
      output.elements(sizes)
    }
  }

  /// About how many elements are read or multiplied for an item.
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    switch self {
    case .copy(let work): work.cost(sizes)
    case .reduce(let work, _): work.cost(sizes)
    case .argument(let work, _): work.cost(sizes)
    case .softmax(let work): work.cost(sizes) &* 8
    case .cumulate(let work): work.cost(sizes)
    case .matmul(let work): work.cost(sizes)
    case .pool(let work, _): work.cost
    case .resize(let work, _): work.cost
    case .fold(let work, _): work.cost
    default: 1
    }
  }

  /// Multiply-accumulates of an item.
  package func multiplyAccumulates(_ sizes: UnsafePointer<Int>) -> Int {
    if case .matmul(let work) = self { work.cost(sizes) } else { 0 }
  }

  /// Does some items.
  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    switch self {
    case .nothing: return
    case .binary(let work): work.run(frame, range)
    case .select(let work): work.run(frame, range)
    case .element(let work, _): work.run(frame, range)
    case .copy(let work): work.run(frame, range)
    case .concatenate(let work): work.run(frame, range)
    case .pad(let work): work.run(frame, range)
    case .gather(let work): work.run(frame, range)
    case .reduce(let work, _): work.run(frame, range)
    case .argument(let work, _): work.run(frame, range)
    case .softmax(let work): work.run(frame, range)
    case .cumulate(let work): work.run(frame, range)
    case .matmul(let work): work.run(frame, range)
    case .pool(let work, _): work.run(frame, range)
    case .resize(let work, _): work.run(frame, range)
    case .fold(let work, _): work.run(frame, range)
    }
  }
}

/// The kernels that operators call.
package struct OperatorKernels {
  package let activation: snq_activation_function
  package let floatMatmul: snq_float_matmul_function

  package init(
    activation: @escaping snq_activation_function, floatMatmul: @escaping snq_float_matmul_function
  ) {
    self.activation = activation
    self.floatMatmul = floatMatmul
  }
}
