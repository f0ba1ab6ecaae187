package import SoniqGraph

/// Inputs one after the other along an axis.
package struct ConcatenateOperator: TensorOperator {
  package static var entry: TensorEntry { { ConcatenateOperator.answer($0, $1) } }
  let output: Extents
  let axis: Int
  /// Of the inputs along the axis: a symbol's index, or the negated size.
  let lengths: [64 of Int32]
  let elementBytes: Int

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = output.elements(axis + 1..<output.rank, frame.sizes)
    let row = inner &* output.size(axis, frame.sizes)
    // Whole rows of short parts are made part by part: a copy of each would cost more than what it moves.
    let first = (range.lowerBound + row - 1) / row
    let last = range.upperBound / row
    guard row &* elementBytes <= Self.shortRowBytes, first < last,
      let width = ElementWidth(rawValue: elementBytes)
    else { return copy(frame, range, inner: inner, row: row) }
    copy(frame, range.lowerBound..<first &* row, inner: inner, row: row)
    switch width {
    case .one: interleave(frame, first..<last, inner: inner, row: row, UInt8.self)
    case .two: interleave(frame, first..<last, inner: inner, row: row, UInt16.self)
    case .four: interleave(frame, first..<last, inner: inner, row: row, UInt32.self)
    }
    copy(frame, last &* row..<range.upperBound, inner: inner, row: row)
  }

  /// Rows of the output that are no longer have short parts.
  private static var shortRowBytes: Int { 256 }

  /// Elements of an input's part of a row.
  @inline(__always)
  private func length(_ frame: OperatorFrame, _ part: Int, inner: Int) -> Int {
    let reference = Int(lengths[part])
    return (reference < 0 ? 0 &- reference : frame.sizes[reference]) &* inner
  }

  /// Whole rows of the output, so many at a time that they stay in the first-level cache.
  private func interleave<Element: MovedElement>(
    _ frame: OperatorFrame, _ rows: Range<Int>, inner: Int, row: Int, _ type: Element.Type
  ) {
    var begin = rows.lowerBound
    while begin < rows.upperBound {
      let count = min(64, rows.upperBound - begin)
      var place = 0
      var part = 0
      while place < row {
        let length = length(frame, part, inner: inner)
        scatter(
          frame.outputElements(of: type) + (begin &* row + place), row,
          frame.elements(part, of: type) + begin &* length, length, count)
        place += length
        part += 1
      }
      begin += count
    }
  }

  /// Rows of `length` neighbours to places that are `stride` apart.
  @inline(__always)
  private func scatter<Element: MovedElement>(
    _ target: UnsafeMutablePointer<Element>, _ stride: Int, _ source: UnsafePointer<Element>, _ length: Int,
    _ count: Int
  ) {
    if length == 1 {
      for line in 0..<count { target[line &* stride] = source[line] }
      return
    }
    for line in 0..<count {
      let (to, from) = (target + line &* stride, source + line &* length)
      for position in 0..<length { to[position] = from[position] }
    }
  }

  /// Any elements of the output, part by part of each row.
  private func copy(_ frame: OperatorFrame, _ range: Range<Int>, inner: Int, row: Int) {
    guard !range.isEmpty else { return }
    var position = range.lowerBound
    var line = position / row
    var part = 0
    // Where the part begins in the row.
    var begin = 0
    while position < range.upperBound {
      let length = length(frame, part, inner: inner)
      let place = position - line &* row
      if place >= begin + length {
        begin += length
        part += 1
        continue
      }
      let count = min(begin + length - place, range.upperBound - position)
      (frame.outputBytes + position &* elementBytes).copyMemory(
        from: frame.bytes(part) + (line &* length &+ place - begin) &* elementBytes,
        byteCount: count &* elementBytes)
      position += count
      if position == (line + 1) &* row {
        line += 1
        part = 0
        begin = 0
      }
    }
  }
}

/// Slices of the data along an axis, by indices that are checked here.
package struct GatherOperator: TensorOperator {
  package static var entry: TensorEntry { { GatherOperator.answer($0, $1) } }
  let node: Int
  let data: Extents
  let indices: Extents
  let axis: Int
  let elementBytes: Int

  package func items(_ sizes: UnsafePointer<Int>) -> Int {
    indices.elements(sizes) &* data.elements(sizes) / data.size(axis, sizes)
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = data.elements(axis + 1..<data.rank, frame.sizes)
    let size = data.size(axis, frame.sizes)
    let count = indices.elements(frame.sizes)
    var position = range.lowerBound
    while position < range.upperBound {
      let slice = position / inner
      let place = slice % count
      var index = Int(frame.integers(1)[place])
      if index < 0 { index += size }
      if index < 0 || index >= size {
        frame.fault.pointee.report(
          node: node, position: place, index: Int(frame.integers(1)[place]), size: size)
        index = 0
      }
      let begin = position - slice &* inner
      let length = min(inner - begin, range.upperBound - position)
      let source = (slice / count &* size &+ index) &* inner &+ begin
      (frame.outputBytes + position &* elementBytes).copyMemory(
        from: frame.bytes(0) + source &* elementBytes, byteCount: length &* elementBytes)
      position += length
    }
  }
}

extension Concatenate: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    let count = node.graph.nodes[node.index].inputs.count
    return ConcatenateOperator(
      output: node.outputExtents, axis: axis,
      lengths: InlineArray { position in
        guard position < count else { return -1 }
        switch node.shape(position)[axis] {
        case .fixed(let size): return Int32(truncatingIfNeeded: 0 &- size)
        case .symbol(let symbol): return Int32(truncatingIfNeeded: symbol)
        }
      }, elementBytes: node.output.elementType.byteCount)
  }
}

extension Gather: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    GatherOperator(
      node: node.index, data: node.extents(0), indices: node.extents(1), axis: axis,
      elementBytes: node.output.elementType.byteCount)
  }
}
