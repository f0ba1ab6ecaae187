package import SoniqGraph

/// Margins around a tensor.
package struct PadOperator: ElementMover {
  package static var entry: TensorEntry { { PadOperator.answer($0, $1) } }
  let mode: PadMode
  /// The bits of an element.
  let value: UInt32
  let input: Extents
  let output: Extents
  let before: [8 of Int]
  package let width: ElementWidth

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func move<Element: MovedElement>(
    _ frame: OperatorFrame, _ range: Range<Int>, _ type: Element.Type
  ) {
    let last = input.rank - 1
    let width = output.size(last, frame.sizes)
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / width
      let begin = position - row &* width
      let count = min(width - begin, range.upperBound - position)
      fillRow(frame, row: row, begin, count, frame.outputElements(of: type) + position)
      position += count
    }
  }

  /// `count` elements from `begin` of an output row.
  private func fillRow<Element: MovedElement>(
    _ frame: OperatorFrame, row: Int, _ begin: Int, _ count: Int, _ target: UnsafeMutablePointer<Element>
  ) {
    let last = input.rank - 1
    let size = input.size(last, frame.sizes)
    guard let sourceRow = sourceRow(frame, row) else {
      target.update(repeating: Element(truncatingIfNeeded: value), count: count)
      return
    }
    let source = frame.elements(0, of: Element.self) + sourceRow &* size
    let offset = begin - before[last]
    // The part that lies inside the input.
    let low = min(max(-offset, 0), count)
    let high = max(low, min(size - offset, count))
    for position in 0..<low { target[position] = element(source, offset + position, size) }
    if high > low { (target + low).update(from: source + (offset + low), count: high - low) }
    for position in high..<count { target[position] = element(source, offset + position, size) }
  }

  private func element<Element: MovedElement>(
    _ source: UnsafePointer<Element>, _ index: Int, _ size: Int
  ) -> Element {
    guard let place = inside(index, size) else { return Element(truncatingIfNeeded: value) }
    return source[place]
  }

  /// The row of the input that a row of the output is made of; nil for the constant.
  private func sourceRow(_ frame: OperatorFrame, _ row: Int) -> Int? {
    var rest = row
    var stride = 1
    var result = 0
    for dimension in (0..<input.rank - 1).reversed() {
      let size = output.size(dimension, frame.sizes)
      let length = input.size(dimension, frame.sizes)
      guard let index = inside(rest % size - before[dimension], length) else { return nil }
      result &+= index &* stride
      stride &*= length
      rest /= size
    }
    return result
  }

  /// The index in 0 ..< size that stands for one which may be outside; nil for the constant.
  private func inside(_ index: Int, _ size: Int) -> Int? {
    if index >= 0 && index < size { return index }
    switch mode {
    case .constant: return nil
    case .edge: return index < 0 ? 0 : size - 1
    case .wrap:
      let rest = index % size
      return rest < 0 ? rest + size : rest
    case .reflect:
      // 0 1 2 3 2 1 0 1 ...: a period of 2 (size - 1).
      let period = max(1, 2 * (size - 1))
      let rest = abs(index % period)
      return rest < size ? rest : period - rest
    }
  }
}

extension Pad: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    let type = node.output.elementType
    return PadOperator(
      mode: mode, value: type.bits(of: value), input: node.extents(0), output: node.outputExtents,
      before: InlineArray { $0 < before.count ? before[$0] : 0 }, width: type.width)
  }
}
