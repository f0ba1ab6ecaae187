package import CKernelABI
package import SoniqGraph

/// A kind of operation on whole tensors: what planning knows of it, and how its work is made ready.
package protocol TensorOperation: Operator {
  /// Every element of the output is computed of those at its place in inputs of the same shape.
  var isElementwise: Bool { get }
  /// Its work is done by the kernel of float matrices.
  var isProduct: Bool { get }
  /// The output has the elements of the node's one input in the same order.
  func keepsOrder(_ node: TensorNode) -> Bool
  /// Scratch of a lane where dimensions have these sizes at most.
  func scratchBytes(_ node: TensorNode, _ size: (Dimension) -> Int) -> Int
  func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator
}

extension TensorOperation {
  package var isElementwise: Bool { false }
  package var isProduct: Bool { false }
  package func keepsOrder(_ node: TensorNode) -> Bool { false }
  package func scratchBytes(_ node: TensorNode, _ size: (Dimension) -> Int) -> Int { 0 }
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

/// A node of a valid graph.
package struct TensorNode {
  let graph: Graph
  let index: Int

  package init(_ graph: Graph, _ index: Int) {
    self.graph = graph
    self.index = index
  }

  func input(_ position: Int) -> Value { graph.values[graph.nodes[index].inputs[position]] }
  func shape(_ position: Int) -> [Dimension] { input(position).shape }
  func extents(_ position: Int) -> Extents { Extents(shape(position)) }
  var output: Value { graph.values[graph.nodes[index].output] }
  var outputExtents: Extents { Extents(output.shape) }
  var outputCount: Int { graph.nodes[index].outputs.count }
  var keepsShape: Bool { output.shape == shape(0) }

  /// Of all inputs, at most three.
  var operands: [3 of Extents] {
    let count = graph.nodes[index].inputs.count
    return InlineArray { $0 < count ? extents($0) : Extents([]) }
  }

  /// The one input moved to the output, or to its own shape.
  func copy(inOwnShape: Bool = false, _ axis: (Int) -> CopyOperator.Axis) -> CopyOperator {
    let target = inOwnShape ? extents(0) : outputExtents
    return CopyOperator(
      input: extents(0), output: target,
      axes: InlineArray { $0 < target.rank ? axis($0) : CopyOperator.Axis(dimension: -1) },
      width: output.elementType.width)
  }
}

/// For nodes without work of their own.
struct NoOperator: TensorOperator {
  static var entry: TensorEntry { { NoOperator.answer($0, $1) } }
  func items(_ sizes: UnsafePointer<Int>) -> Int { 0 }
  func run(_ frame: OperatorFrame, _ range: Range<Int>) {}
}
