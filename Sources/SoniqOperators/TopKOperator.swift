package import SoniqGraph

/// The largest or smallest elements of lines along an axis, and where they are. An item is a line.
///
/// An element and its index are one number, of which the greater comes first: so that the order is total, and no split
/// or instruction set changes it.
package struct TopKOperator: TensorOperator {
  package static var entry: TensorEntry { { TopKOperator.answer($0, $1) } }
  let input: Extents
  let axis: Int
  /// 0 for all of the axis.
  let stated: Int
  let isSmallest: Bool
  let isFloat: Bool

  private func inner(_ sizes: UnsafePointer<Int>) -> Int { input.elements(axis &+ 1..<input.rank, sizes) }

  package func items(_ sizes: UnsafePointer<Int>) -> Int {
    input.elements(0..<axis, sizes) &* inner(sizes)
  }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { input.size(axis, sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let (inner, size) = (inner(frame.sizes), input.size(axis, frame.sizes))
    let count = stated == 0 ? size : stated
    let kept = frame.scratch.assumingMemoryBound(to: Int64.self)
    for item in range {
      let (place, column) = (item / inner, item % inner)
      let line = frame.integers(0) + (place &* size &* inner &+ column)
      select(count, line, inner, size, kept)
      let start = place &* count &* inner &+ column
      let (values, indices) = (frame.integers(output: 0) + start, frame.integers(output: 1) + start)
      for rank in 0..<count {
        let index = Int(UInt32.max &- UInt32(truncatingIfNeeded: kept[rank]))
        values[rank &* inner] = line[index &* inner]
        indices[rank &* inner] = Int32(truncatingIfNeeded: index)
      }
    }
  }

  /// The element in its order, above the index, of which the lower is greater.
  private func key(_ bits: Int32, _ index: Int) -> Int64 {
    var order = bits
    if isFloat {
      let magnitude = bits & Int32.max
      if magnitude > 0x7f80_0000 {
        order = .max
      } else {
        // Zeros are equal; below them the bits of floats count backwards.
        order = bits >= 0 ? bits : 0 &- magnitude
      }
    }
    if isSmallest { order = ~order }
    return Int64(order) &<< 32 | Int64(UInt32.max &- UInt32(truncatingIfNeeded: index))
  }

  /// Puts the greatest keys in order, by a heap whose root is the least of them.
  private func select(
    _ count: Int, _ line: UnsafePointer<Int32>, _ stride: Int, _ size: Int,
    _ kept: UnsafeMutablePointer<Int64>
  ) {
    for index in 0..<count { kept[index] = key(line[index &* stride], index) }
    for root in (0..<count / 2).reversed() { sink(kept, root, count) }
    for index in count..<max(count, size) {
      let next = key(line[index &* stride], index)
      guard next > kept[0] else { continue }
      kept[0] = next
      sink(kept, 0, count)
    }
    // The least goes to the end, again and again.
    var end = count &- 1
    while end > 0 {
      (kept[0], kept[end]) = (kept[end], kept[0])
      sink(kept, 0, end)
      end &-= 1
    }
  }

  private func sink(_ heap: UnsafeMutablePointer<Int64>, _ root: Int, _ count: Int) {
    var place = root
    let moved = heap[root]
    while true {
      var child = 2 &* place &+ 1
      guard child < count else { break }
      if child &+ 1 < count, heap[child &+ 1] < heap[child] { child &+= 1 }
      guard heap[child] < moved else { break }
      heap[place] = heap[child]
      place = child
    }
    heap[place] = moved
  }
}

extension TopK: TensorOperation {
  package func scratchBytes(_ node: TensorNode, _ size: (Dimension) -> Int) -> Int {
    (count == 0 ? size(node.input(0).shape[axis]) : count) * 8
  }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    TopKOperator(
      input: node.extents(0), axis: axis, stated: count, isSmallest: isSmallest,
      isFloat: node.input(0).elementType == .float32)
  }
}
