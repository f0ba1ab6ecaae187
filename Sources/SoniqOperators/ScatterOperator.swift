package import SoniqGraph

/// Updates at places of an axis, by indices that are checked here. An item is a line of the data along the axis: so all
/// updates of an element are of one item, and their order is that of the axis.
package struct ScatterOperator: TensorOperator {
  package static var entry: TensorEntry { { ScatterOperator.answer($0, $1) } }
  let node: Int
  let data: Extents
  let indices: Extents
  let updates: Extents
  let axis: Int
  let reduction: ScatterReduction
  let elementType: ElementType

  /// NaN where either is, as `binary` has it.
  private static func maximum(_ a: Float, _ b: Float) -> Float { a > b || a != a ? a : b }
  private static func minimum(_ a: Float, _ b: Float) -> Float { a < b || a != a ? a : b }

  private func inner(_ sizes: UnsafePointer<Int>) -> Int { data.elements(axis &+ 1..<data.rank, sizes) }

  package func items(_ sizes: UnsafePointer<Int>) -> Int {
    data.elements(0..<axis, sizes) &* inner(sizes)
  }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    data.size(axis, sizes) &+ updates.size(axis, sizes)
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = inner(frame.sizes)
    var item = range.lowerBound
    while item < range.upperBound {
      let outer = item / inner
      let columns = item &- outer &* inner..<min(inner, range.upperBound &- outer &* inner)
      copy(frame, outer, inner, columns)
      switch elementType {
      case .float32:
        switch reduction {
        case .replace: put(frame, outer, inner, columns, UInt32.self) { $1 }
        case .add: put(frame, outer, inner, columns, Float.self) { $0 + $1 }
        case .multiply: put(frame, outer, inner, columns, Float.self) { $0 * $1 }
        case .maximum: put(frame, outer, inner, columns, Float.self, Self.maximum)
        case .minimum: put(frame, outer, inner, columns, Float.self, Self.minimum)
        }
      case .int32:
        switch reduction {
        case .replace: put(frame, outer, inner, columns, Int32.self) { $1 }
        case .add: put(frame, outer, inner, columns, Int32.self) { $0 &+ $1 }
        case .multiply: put(frame, outer, inner, columns, Int32.self) { $0 &* $1 }
        case .maximum: put(frame, outer, inner, columns, Int32.self) { max($0, $1) }
        case .minimum: put(frame, outer, inner, columns, Int32.self) { min($0, $1) }
        }
      case .float16: put(frame, outer, inner, columns, UInt16.self) { $1 }
      case .int8, .uint8: put(frame, outer, inner, columns, UInt8.self) { $1 }
      }
      item = outer &* inner &+ columns.upperBound
    }
  }

  /// The data as they are.
  private func copy(_ frame: OperatorFrame, _ outer: Int, _ inner: Int, _ columns: Range<Int>) {
    let (size, width) = (data.size(axis, frame.sizes), elementType.byteCount)
    let whole = columns.count == inner
    let rows = whole ? 1 : size
    let bytes = (whole ? size &* inner : columns.count) &* width
    for row in 0..<rows {
      let start = ((outer &* size &+ row) &* inner &+ columns.lowerBound) &* width
      (frame.outputBytes + start).copyMemory(from: frame.bytes(0) + start, byteCount: bytes)
    }
  }

  /// Where a place of the data is in the updates or the indices; nil where it is beyond. `place` is of the dimensions of
  /// `range`, row-major.
  private func place(
    _ place: Int, in target: Extents, _ range: Range<Int>, _ sizes: UnsafePointer<Int>
  ) -> Int? {
    var (rest, step, result) = (place, 1, 0)
    for position in range.reversed() {
      let size = data.size(position, sizes)
      let index = rest % size
      rest /= size
      guard index < updates.size(position, sizes) else { return nil }
      let own = target.size(position, sizes)
      if own > 1 { result &+= index &* step }
      step &*= own
    }
    return result
  }

  private func put<Element: BitwiseCopyable>(
    _ frame: OperatorFrame, _ outer: Int, _ inner: Int, _ columns: Range<Int>, _ type: Element.Type,
    _ meet: (Element, Element) -> Element
  ) {
    let sizes = frame.sizes
    let (before, behind) = (0..<axis, axis &+ 1..<data.rank)
    guard let line = place(outer, in: updates, before, sizes),
      let indexLine = place(outer, in: indices, before, sizes)
    else { return }
    let (size, count) = (data.size(axis, sizes), updates.size(axis, sizes))
    let (width, indexWidth) = (updates.elements(behind, sizes), indices.elements(behind, sizes))
    let indexCount = indices.size(axis, sizes)
    let output = frame.outputElements(of: type) + outer &* size &* inner
    let source = frame.elements(2, of: type) + line &* count &* width
    let isWhole = width == inner && indexWidth == 1
    for column in columns {
      guard let own = isWhole ? columns.lowerBound : place(column, in: updates, behind, sizes),
        let indexColumn = isWhole ? 0 : place(column, in: indices, behind, sizes)
      else { continue }
      for update in 0..<count {
        let position =
          (indexLine &* indexCount &+ (indexCount == 1 ? 0 : update)) &* indexWidth &+ indexColumn
        let index = self.index(at: position, of: size, frame)
        guard index >= 0 else { continue }
        let (target, given) = (output + (index &* inner &+ column), source + (update &* width &+ own))
        for element in 0..<(isWhole ? columns.count : 1) {
          target[element] = meet(target[element], given[element])
        }
      }
      if isWhole { return }
    }
  }

  /// From the front; negative when it is out of range, which the run reports.
  private func index(at position: Int, of size: Int, _ frame: OperatorFrame) -> Int {
    let stated = Int(frame.integers(1)[position])
    let index = stated < 0 ? stated &+ size : stated
    if index >= 0, index < size { return index }
    frame.fault.pointee.report(node: node, position: position, index: stated, size: size)
    return -1
  }
}

extension Scatter: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    ScatterOperator(
      node: node.index, data: node.extents(0), indices: node.extents(1), updates: node.extents(2),
      axis: axis, reduction: reduction, elementType: node.output.elementType)
  }
}
