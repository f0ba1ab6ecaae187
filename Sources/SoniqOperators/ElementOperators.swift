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
