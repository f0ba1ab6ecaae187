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
  /// The last axis that has margins: what lies inside it moves together.
  let last: Int
  package let width: ElementWidth

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func move<Element: MovedElement>(
    _ frame: OperatorFrame, _ range: Range<Int>, _ type: Element.Type
  ) {
    let width = output.elements(last..<output.rank, frame.sizes)
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
    let inner = input.elements(last + 1..<input.rank, frame.sizes)
    let size = input.size(last, frame.sizes)
    guard let sourceRow = sourceRow(frame, row) else {
      target.update(repeating: Element(truncatingIfNeeded: value), count: count)
      return
    }
    let source = frame.elements(0, of: Element.self) + sourceRow &* (size &* inner)
    let margin = before[last] &* inner
    // The part that lies inside the input.
    let low = min(max(margin - begin, 0), count)
    let high = max(low, min(margin + size &* inner - begin, count))
    fillMargin(source, begin..<begin + low, inner: inner, size: size, target)
    if high > low { (target + low).update(from: source + (begin + low - margin), count: high - low) }
    fillMargin(source, begin + high..<begin + count, inner: inner, size: size, target + high)
  }

  /// Elements of an output row that lie outside the input.
  private func fillMargin<Element: MovedElement>(
    _ source: UnsafePointer<Element>, _ places: Range<Int>, inner: Int, size: Int,
    _ target: UnsafeMutablePointer<Element>
  ) {
    guard mode != .constant else {
      target.update(repeating: Element(truncatingIfNeeded: value), count: places.count)
      return
    }
    guard !places.isEmpty else { return }
    if mode == .reflect, inner == 1, reflectOnce(source, places, size: size, target) { return }
    var place = places.lowerBound
    var target = target
    var (element, offset) = place.quotientAndRemainder(dividingBy: inner)
    while place < places.upperBound {
      let count = min(inner - offset, places.upperBound - place)
      let from = source + ((inside(element - before[last], size) ?? 0) &* inner + offset)
      if count == 1 { target.pointee = from.pointee } else { target.update(from: from, count: count) }
      (target, place, element, offset) = (target + count, place + count, element + 1, 0)
    }
  }

  /// Single elements that are all on one side and reflected once, the last one first; false where they are not.
  private func reflectOnce<Element: MovedElement>(
    _ source: UnsafePointer<Element>, _ places: Range<Int>, size: Int, _ target: UnsafeMutablePointer<Element>
  ) -> Bool {
    let (first, end) = (places.lowerBound - before[last], places.upperBound - before[last])
    let mirror: Int
    if end <= 0, -first < size {
      mirror = -first
    } else if first >= size, end <= 2 * size - 1 {
      mirror = 2 * (size - 1) - first
    } else {
      return false
    }
    for index in 0..<places.count { target[index] = source[mirror - index] }
    return true
  }

  /// The row of the input that a row of the output is made of; nil for the constant.
  private func sourceRow(_ frame: OperatorFrame, _ row: Int) -> Int? {
    var rest = row
    var stride = 1
    var result = 0
    for dimension in (0..<last).reversed() {
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
    let padded = before.indices.last { before[$0] != 0 || after[$0] != 0 }
    return PadOperator(
      mode: mode, value: type.bits(of: value), input: node.extents(0), output: node.outputExtents,
      before: InlineArray { $0 < before.count ? before[$0] : 0 }, last: padded ?? 0, width: type.width)
  }
}
