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
    SelectOperator(output: node.outputExtents, inputs: node.operands)
  }
}

/// condition ? left : right, broadcast. Elements are moved as 32 bits.
package struct SelectOperator: TensorOperator {
  package static var entry: TensorEntry { { SelectOperator.answer($0, $1) } }
  let output: Extents
  let inputs: [3 of Extents]

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let nest = broadcastNest(output, inputs, count: 3, frame.sizes)
    let steps = nest.runStride
    var cursor = RunCursor(nest, at: range.lowerBound)
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      let condition = frame.integers(0) + cursor.offsets[0]
      let left = frame.integers(1) + cursor.offsets[1]
      let right = frame.integers(2) + cursor.offsets[2]
      let output = frame.integerOutput + cursor.position
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

  /// Of integers; functions of floats are done by rows.
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    ElementOperator(function: .not, output: node.outputExtents)
  }
}

extension Cast: TensorOperation {
  package var isElementwise: Bool { true }

  package func keepsOrder(_ node: TensorNode) -> Bool { node.input(0).elementType == elementType }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    if node.input(0).elementType == elementType { return node.copy { .init(dimension: $0) } }
    return ElementOperator(
      function: elementType == .int32 ? .floatToInteger : .integerToFloat, output: node.outputExtents)
  }
}

/// One operand, element by element.
package struct ElementOperator: TensorOperator {
  package static var entry: TensorEntry { { ElementOperator.answer($0, $1) } }
  enum Function: BitwiseCopyable {
    case not, floatToInteger, integerToFloat
  }
  let function: Function
  let output: Extents

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    switch function {
    case .not:
      for position in range { frame.integerOutput[position] = frame.integers(0)[position] == 0 ? 1 : 0 }
    case .floatToInteger:
      for position in range { frame.integerOutput[position] = truncated(frame.floats(0)[position]) }
    case .integerToFloat:
      for position in range { frame.output[position] = Float(frame.integers(0)[position]) }
    }
  }
}

/// Toward 0, saturated; NaN is 0.
func truncated(_ number: Float) -> Int32 {
  if number >= 0x1p31 { return .max }
  if number <= -0x1p31 { return .min }
  return number.isNaN ? 0 : Int32(number)
}
