package import SoniqGraph

/// Running sums along an axis, each line of it from its first element to its last, or the other way round.
package struct CumulativeOperator: TensorOperator {
  package static var entry: TensorEntry { { CumulativeOperator.answer($0, $1) } }
  let input: Extents
  let axis: Int
  let isExclusive: Bool
  let isReversed: Bool
  let isFloat: Bool

  /// Lines along the axis.
  package func items(_ sizes: UnsafePointer<Int>) -> Int { input.elements(sizes) / input.size(axis, sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { input.size(axis, sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = input.elements(axis + 1..<input.rank, frame.sizes)
    let size = input.size(axis, frame.sizes)
    for line in range {
      let start = line / inner &* size &* inner &+ line % inner
      let first = isReversed ? start &+ (size &- 1) &* inner : start
      let step = isReversed ? -inner : inner
      if isFloat {
        sum(frame.floats(0) + first, frame.output + first, size, step, 0, +)
      } else {
        sum(frame.integers(0) + first, frame.integerOutput + first, size, step, 0, &+)
      }
    }
  }

  @inline(__always)
  private func sum<Number>(
    _ input: UnsafePointer<Number>, _ output: UnsafeMutablePointer<Number>, _ count: Int, _ step: Int,
    _ zero: Number, _ add: (Number, Number) -> Number
  ) {
    var total = zero
    for place in 0..<count {
      let element = input[place &* step]
      let next = add(total, element)
      output[place &* step] = isExclusive ? total : next
      total = next
    }
  }
}

extension Cumulate: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    CumulativeOperator(
      input: node.extents(0), axis: axis, isExclusive: isExclusive, isReversed: isReversed,
      isFloat: node.input(0).elementType == .float32)
  }
}
