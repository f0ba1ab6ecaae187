package import SoniqGraph

/// The loops over an output and the inputs that are broadcast to it.
private func broadcastNest(
  _ output: Extents, _ inputs: [3 of Extents], count: Int, _ sizes: UnsafePointer<Int>
) -> LoopNest {
  // Strides from the inside out, then the loops from the outside in.
  var strides = InlineArray<8, Offsets>(repeating: .zero)
  for input in 0..<count {
    let extents = inputs[input]
    var stride = 1
    for position in (0..<extents.rank).reversed() {
      let size = extents.size(position, sizes)
      let place = output.rank - extents.rank + position
      if size > 1 { strides[place][input] = stride }
      stride &*= size
    }
  }
  var nest = LoopNest()
  for position in 0..<output.rank { nest.append(output.size(position, sizes), strides[position]) }
  return nest
}

extension Binary: TensorOperation {
  package var isElementwise: Bool { true }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    BinaryOperator(
      function: function, isFloat: node.input(0).elementType == .float32, output: node.outputExtents,
      inputs: node.operands)
  }
}

/// Two operands, broadcast.
package struct BinaryOperator: TensorOperator {
  package static var entry: TensorEntry { { BinaryOperator.answer($0, $1) } }
  let function: BinaryFunction
  let isFloat: Bool
  let output: Extents
  let inputs: [3 of Extents]

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let nest = broadcastNest(output, inputs, count: 2, frame.sizes)
    let inner = nest.runLength
    guard isFloat, nest.depth > 1, inner < Self.shortRun else { return run(frame, nest, range) }
    // Whole runs, between what is left of those at the ends.
    let first = min((range.lowerBound + inner - 1) / inner * inner, range.upperBound)
    let end = max(first, range.upperBound / inner * inner)
    run(frame, nest, range.lowerBound..<first)
    runShort(frame, nest, first..<end)
    run(frame, nest, end..<range.upperBound)
  }

  /// Runs below this are as fast written out.
  private static let shortRun = 16
  /// Elements that are written out at a time.
  private static let writtenOut = 256

  /// Whole runs, many of them written out side by side for one call, as the four sides of boxes times a size for each.
  private func runShort(_ frame: OperatorFrame, _ nest: LoopNest, _ range: Range<Int>) {
    let (inner, outer) = (nest.runLength, nest.withoutInner(1))
    var cursor = RunCursor(outer, at: range.lowerBound / inner)
    let end = range.upperBound / inner
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * Self.writtenOut) { room in
      guard let left = room.baseAddress else { return }
      let right = left + Self.writtenOut
      while cursor.position < end {
        let count = min(cursor.count(to: end), Self.writtenOut / inner)
        let (from, strides, steps) = (cursor.offsets, outer.runStride, nest.runStride)
        Self.writeOut(frame.floats(0) + from[0], count, strides[0], inner, steps[0], left)
        Self.writeOut(frame.floats(1) + from[1], count, strides[1], inner, steps[1], right)
        floatRun(
          function, frame.output + cursor.position &* inner, UnsafePointer(left), 1, UnsafePointer(right), 1,
          count &* inner)
        cursor.advance(count)
      }
    }
  }

  @inline(__always)
  private static func writeOut(
    _ source: UnsafePointer<Float>, _ count: Int, _ stride: Int, _ inner: Int, _ step: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    for run in 0..<count {
      let (from, to) = (source + run &* stride, target + run &* inner)
      for place in 0..<inner { to[place] = from[place &* step] }
    }
  }

  private func run(_ frame: OperatorFrame, _ nest: LoopNest, _ range: Range<Int>) {
    guard !range.isEmpty else { return }
    let steps = nest.runStride
    var cursor = RunCursor(nest, at: range.lowerBound)
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      let (left, right) = (cursor.offsets[0], cursor.offsets[1])
      if isFloat {
        floatRun(
          function, frame.output + cursor.position, frame.floats(0) + left, steps[0],
          frame.floats(1) + right, steps[1], count)
      } else {
        integerRun(
          function, frame.integerOutput + cursor.position, frame.integers(0) + left, steps[0],
          frame.integers(1) + right, steps[1], count)
      }
      cursor.advance(count)
    }
  }
}

extension Select: TensorOperation {
  package var isElementwise: Bool { true }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    SelectOperator(output: node.outputExtents, inputs: node.operands, width: node.output.elementType.width)
  }
}

/// condition ? left : right, broadcast.
package struct SelectOperator: ElementMover {
  package static var entry: TensorEntry { { SelectOperator.answer($0, $1) } }
  let output: Extents
  let inputs: [3 of Extents]
  package let width: ElementWidth

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func move<Element: MovedElement>(
    _ frame: OperatorFrame, _ range: Range<Int>, _ type: Element.Type
  ) {
    let nest = broadcastNest(output, inputs, count: 3, frame.sizes)
    let steps = nest.runStride
    var cursor = RunCursor(nest, at: range.lowerBound)
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      let condition = frame.integers(0) + cursor.offsets[0]
      let left = frame.elements(1, of: Element.self) + cursor.offsets[1]
      let right = frame.elements(2, of: Element.self) + cursor.offsets[2]
      let output = frame.outputElements(of: Element.self) + cursor.position
      for position in 0..<count {
        output[position] =
          condition[position &* steps[0]] != 0
          ? left[position &* steps[1]] : right[position &* steps[2]]
      }
      cursor.advance(count)
    }
  }
}

extension Unary: TensorOperation {
  package var isElementwise: Bool { true }

  /// Of `not`; functions of floats are done by rows.
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    NotOperator(output: node.outputExtents)
  }
}

/// 1 for 0, 0 for anything else, of int32.
package struct NotOperator: TensorOperator {
  package static var entry: TensorEntry { { NotOperator.answer($0, $1) } }
  let output: Extents

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    for position in range { frame.integerOutput[position] = frame.integers(0)[position] == 0 ? 1 : 0 }
  }
}
