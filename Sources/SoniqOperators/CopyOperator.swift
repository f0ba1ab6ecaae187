package import SoniqGraph

/// Copies elements to other places: transpose, slice, expand.
package struct CopyOperator: ElementMover {
  package static var entry: TensorEntry { { CopyOperator.answer($0, $1) } }
  /// What each dimension of the output is of the input.
  struct Axis: BitwiseCopyable {
    /// The dimension of the input; negative when the output repeats.
    var dimension: Int
    var begin = 0
    /// The begin is the size of this symbol, less 1; negative: it is `begin`.
    var beginSymbol = -1
    var step = 1

    func begin(_ sizes: UnsafePointer<Int>) -> Int { beginSymbol < 0 ? begin : sizes[beginSymbol] &- 1 }
  }
  let input: Extents
  let output: Extents
  let axes: [8 of Axis]
  package let width: ElementWidth
  /// Rows of a square that is transposed at a time.
  private static let side = 16

  init(input: Extents, output: Extents, axes: [8 of Axis], width: ElementWidth) {
    self.input = input
    self.output = output
    self.axes = axes
    self.width = width
  }

  /// Operand 0 is the input, operand 1 the output.
  private func nest(_ sizes: UnsafePointer<Int>) -> LoopNest {
    var inputStrides = InlineArray<8, Int>(repeating: 0)
    var stride = 1
    for position in (0..<input.rank).reversed() {
      inputStrides[position] = stride
      stride &*= input.size(position, sizes)
    }
    var outputStride = output.elements(sizes)
    var nest = LoopNest()
    for position in 0..<output.rank {
      let axis = axes[position]
      let size = output.size(position, sizes)
      outputStride /= size
      var move = 0
      if axis.dimension >= 0 {
        let length = inputStrides[axis.dimension]
        nest.origin[0] &+= axis.begin(sizes) &* length
        move = axis.step &* length
      }
      nest.append(size, Offsets(move, outputStride, 0, 0))
    }
    // The turns of a short loop would each pay for finding their place.
    if nest.runLength < 8 { nest.moveLongestLast() }
    return nest
  }

  /// The loop in which the input's neighbours follow each other, when it is not the innermost one: squares of it and
  /// of the innermost are worth copying together.
  private func transposedLoop(_ nest: LoopNest) -> Int? {
    guard nest.depth >= 2, nest.runStride[0] > 1, nest.runStride[1] == 1 else { return nil }
    return (0..<nest.depth - 1).first { nest.strides[$0][0] == 1 && nest.sizes[$0] > 1 }
  }

  package func items(_ sizes: UnsafePointer<Int>) -> Int {
    var nest = nest(sizes)
    guard let loop = transposedLoop(nest) else { return nest.count }
    nest.moveBeforeLast(loop)
    return nest.withoutInner(2).count * blocks(nest.sizes[nest.depth - 2])
  }

  /// Elements of an item.
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    let nest = nest(sizes)
    return transposedLoop(nest) == nil ? 1 : Self.side &* nest.runLength
  }

  private func blocks(_ size: Int) -> Int { (size + Self.side - 1) / Self.side }

  package func move<Element: MovedElement>(
    _ frame: OperatorFrame, _ range: Range<Int>, _ type: Element.Type
  ) {
    var nest = nest(frame.sizes)
    if let loop = transposedLoop(nest) {
      nest.moveBeforeLast(loop)
      moveSquares(frame, nest, range, type)
      return
    }
    let (step, targetStep) = (nest.runStride[0], nest.depth == 0 ? 1 : nest.runStride[1])
    var cursor = RunCursor(nest, at: range.lowerBound)
    while cursor.position < range.upperBound {
      let count = cursor.count(to: range.upperBound)
      let source = frame.elements(0, of: Element.self) + cursor.offsets[0]
      let target = frame.outputElements(of: Element.self) + cursor.offsets[1]
      if step == 1, targetStep == 1 {
        target.update(from: source, count: count)
      } else if targetStep == 1 {
        for position in 0..<count { target[position] = source[position &* step] }
      } else {
        for position in 0..<count { target[position &* targetStep] = source[position &* step] }
      }
      cursor.advance(count)
    }
  }

  /// Four neighbours from each of four places to four places of four.
  @inline(__always)
  private static func square<Element: MovedElement>(
    _ source: UnsafePointer<Element>, _ sourceStride: Int, _ target: UnsafeMutablePointer<Element>,
    _ targetStride: Int
  ) {
    typealias Four = SIMD4<Element>
    @inline(__always) func load(_ place: Int) -> Four {
      UnsafeRawPointer(source + place &* sourceStride).loadUnaligned(as: Four.self)
    }
    @inline(__always) func store(_ value: Four, _ place: Int) {
      UnsafeMutableRawPointer(target + place &* targetStride).storeBytes(of: value, as: Four.self)
    }
    let low = SIMD8(lowHalf: load(0), highHalf: load(1))
    let high = SIMD8(lowHalf: load(2), highHalf: load(3))
    let even = SIMD8(lowHalf: low.evenHalf, highHalf: high.evenHalf)
    let odd = SIMD8(lowHalf: low.oddHalf, highHalf: high.oddHalf)
    store(even.evenHalf, 0)
    store(odd.evenHalf, 1)
    store(even.oddHalf, 2)
    store(odd.oddHalf, 3)
  }

  /// The two inner loops: `side` neighbours of the input by all turns of the innermost loop.
  private func moveSquares<Element: MovedElement>(
    _ frame: OperatorFrame, _ nest: LoopNest, _ range: Range<Int>, _ type: Element.Type
  ) {
    let rows = nest.sizes[nest.depth - 2]
    let rowStride = nest.strides[nest.depth - 2][1]
    let columns = nest.runLength
    let columnStride = nest.runStride[0]
    let blocks = blocks(rows)
    var cursor = RunCursor(nest.withoutInner(2), at: range.lowerBound / blocks)
    for item in range {
      let first = item % blocks * Self.side
      let count = min(Self.side, rows - first)
      let source = frame.elements(0, of: Element.self) + (cursor.offsets[0] + first)
      let target = frame.outputElements(of: Element.self) + (cursor.offsets[1] + first * rowStride)
      var column = 0
      while column < columns {
        let end = min(column + 4, columns)
        if count == Self.side && end == column + 4 {
          for row in stride(from: 0, to: Self.side, by: 4) {
            Self.square(
              source + (column &* columnStride &+ row), columnStride, target + (row &* rowStride &+ column),
              rowStride)
          }
        } else {
          for row in 0..<count {
            let line = target + row &* rowStride
            for position in column..<end { line[position] = source[position &* columnStride &+ row] }
          }
        }
        column = end
      }
      if (item + 1) % blocks == 0 { cursor.advance(1) }
    }
  }
}

extension Transpose: TensorOperation {
  /// Only dimensions of 1 change their places.
  package func keepsOrder(_ node: TensorNode) -> Bool {
    let shape = node.shape(0)
    let moved = permutation.filter { shape[$0] != .fixed(1) }
    return moved == moved.sorted()
  }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    node.copy { .init(dimension: permutation[$0]) }
  }
}

extension Reshape: TensorOperation {
  package func keepsOrder(_ node: TensorNode) -> Bool { true }

  /// One that needs memory of its own: the elements as they are, in the input's shape.
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    node.copy(inOwnShape: true) { .init(dimension: $0) }
  }
}

extension Expand: TensorOperation {
  package func keepsOrder(_ node: TensorNode) -> Bool { node.keepsShape }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    let from = node.shape(0)
    return node.copy { position in
      let dimension = position - shape.count + from.count
      guard dimension >= 0, from[dimension] == shape[position] else { return .init(dimension: -1) }
      return .init(dimension: dimension)
    }
  }
}

extension Slice: TensorOperation {
  /// All of every dimension, forwards.
  package func keepsOrder(_ node: TensorNode) -> Bool { node.keepsShape && ranges.allSatisfy { $0.step > 0 } }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    node.copy { position in
      let range = ranges[position]
      return .init(
        dimension: position, begin: range.begin, beginSymbol: range.beginSymbol ?? -1, step: range.step)
    }
  }
}
