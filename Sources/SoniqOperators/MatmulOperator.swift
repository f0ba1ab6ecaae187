import CKernelABI
package import SoniqGraph

/// Products of two float tensors. The right one is brought into panels of 16 columns, a panel at a time, for the
/// kernel of float matrices.
package struct MatmulOperator: TensorOperator {
  package static var entry: TensorEntry { { MatmulOperator.answer($0, $1) } }
  let left: Extents
  let right: Extents
  let output: Extents
  let transposesRight: Bool
  let kernel: snq_float_matmul_function
  /// Rows of the left operand that a panel is brought in for.
  private static let rowBlock = 128

  init(
    left: Extents, right: Extents, output: Extents, transposesRight: Bool,
    kernel: @escaping snq_float_matmul_function
  ) {
    self.left = left
    self.right = right
    self.output = output
    self.transposesRight = transposesRight
    self.kernel = kernel
  }

  private struct Sizes {
    let rows, depth, columns, panels, blocks: Int
  }

  private func sizes(_ sizes: UnsafePointer<Int>) -> Sizes {
    let rows = output.size(output.rank - 2, sizes)
    let columns = output.size(output.rank - 1, sizes)
    return Sizes(
      rows: rows, depth: left.size(left.rank - 1, sizes), columns: columns, panels: (columns + 15) / 16,
      blocks: (rows + Self.rowBlock - 1) / Self.rowBlock)
  }

  /// Panels times blocks of rows, for every matrix.
  package func items(_ symbols: UnsafePointer<Int>) -> Int {
    let sizes = sizes(symbols)
    return output.elements(0..<output.rank - 2, symbols) &* sizes.blocks &* sizes.panels
  }
  package func cost(_ symbols: UnsafePointer<Int>) -> Int {
    let sizes = sizes(symbols)
    return sizes.depth &* 16 &* min(sizes.rows, Self.rowBlock)
  }
  package func multiplyAccumulates(_ symbols: UnsafePointer<Int>) -> Int { cost(symbols) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let sizes = sizes(frame.sizes)
    for item in range {
      let matrix = item / (sizes.panels &* sizes.blocks)
      let panel = item / sizes.blocks % sizes.panels
      let block = item % sizes.blocks
      let rightStart =
        frame.floats(1) + matrixIndex(matrix, right, frame.sizes) &* sizes.depth &* sizes.columns
      pack(rightStart, panel, sizes, frame.scratch.assumingMemoryBound(to: Float.self))
      var call = snq_float_matmul_args()
      call.weights = UnsafePointer(frame.scratch.assumingMemoryBound(to: Float.self))
      call.panelStride = sizes.depth &* 16
      call.channels = UInt32(truncatingIfNeeded: sizes.depth)
      call.outputs = UInt32(truncatingIfNeeded: min(16, sizes.columns - panel &* 16))
      call.input = frame.floats(0) + matrixIndex(matrix, left, frame.sizes) &* sizes.rows &* sizes.depth
      call.inputStride = sizes.depth
      call.output = frame.output + (matrix &* sizes.rows &* sizes.columns &+ panel &* 16)
      call.outputStride = sizes.columns
      let begin = block &* Self.rowBlock
      kernel(
        &call, UInt32(truncatingIfNeeded: begin),
        UInt32(truncatingIfNeeded: min(sizes.rows, begin + Self.rowBlock)), 0, 1)
    }
  }

  /// The matrix of a broadcast operand that matrix `index` of the output needs.
  private func matrixIndex(_ index: Int, _ operand: Extents, _ sizes: UnsafePointer<Int>) -> Int {
    var rest = index
    var stride = 1
    var result = 0
    for position in (0..<output.rank - 2).reversed() {
      let size = output.size(position, sizes)
      let place = position - output.rank + operand.rank
      if place >= 0 {
        let length = operand.size(place, sizes)
        if length > 1 { result &+= rest % size &* stride }
        stride &*= length
      }
      rest /= size
    }
    return result
  }

  /// [depth][16] of columns 16 * panel ...; those behind the last are 0.
  private func pack(
    _ matrix: UnsafePointer<Float>, _ panel: Int, _ sizes: Sizes, _ target: UnsafeMutablePointer<Float>
  ) {
    let first = panel &* 16
    let count = min(16, sizes.columns - first)
    if count < 16 { fillRun(target, 0, sizes.depth &* 16) }
    if transposesRight {
      for column in 0..<count {
        let source = matrix + (first &+ column) &* sizes.depth
        for index in 0..<sizes.depth { target[index &* 16 &+ column] = source[index] }
      }
    } else {
      for index in 0..<sizes.depth {
        copyRun(target + index &* 16, matrix + (index &* sizes.columns &+ first), count)
      }
    }
  }
}

extension Matmul: TensorOperation {
  package var isProduct: Bool { true }

  /// One panel of the right operand.
  package func scratchBytes(_ node: TensorNode, _ size: (Dimension) -> Int) -> Int {
    (node.shape(0).last.map(size) ?? 0) &* 64
  }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    MatmulOperator(
      left: node.extents(0), right: node.extents(1), output: node.outputExtents,
      transposesRight: transposesRight, kernel: kernels.floatMatmul)
  }
}
