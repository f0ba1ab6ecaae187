package import SoniqGraph

/// Sums and the like over some axes. Where the last axis stays, the elements of each sum are taken in order; where
/// it goes, lane l of 8 takes elements l, l + 8, ... of each of its runs, then lanes i and i + 4, i + 2, i + 1 are
/// combined.
package struct ReduceOperator: TensorOperator {
  package static var entry: TensorEntry { { ReduceOperator.answer($0, $1) } }
  let function: ReduceFunction
  let input: Extents
  /// Bit i: axis i goes.
  let axes: Int
  let output: Extents

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }

  private func nests(_ sizes: UnsafePointer<Int>) -> (kept: LoopNest, gone: LoopNest) {
    var stride = input.elements(sizes)
    var kept = LoopNest()
    var gone = LoopNest()
    for position in 0..<input.rank {
      let size = input.size(position, sizes)
      stride /= size
      if axes >> position & 1 == 1 {
        gone.append(size, Offsets(stride, 0, 0, 0))
      } else {
        kept.append(size, Offsets(stride, 0, 0, 0))
      }
    }
    return (kept, gone)
  }

  /// Elements of the input for each of the output.
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { nests(sizes).gone.count }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let (kept, gone) = nests(frame.sizes)
    let count = gone.count
    var cursor = RunCursor(kept, at: range.lowerBound)
    while cursor.position < range.upperBound {
      let run = cursor.count(to: range.upperBound)
      let source = frame.floats(0) + cursor.offsets[0]
      let target = frame.output + cursor.position
      if kept.depth > 0 && kept.runStride[0] == 1 {
        columns(target, source, run, gone, count)
      } else {
        // Short sums by eights: alone, each would cost more than its elements.
        let whole = gone.depth <= 1 && count <= Self.shortCount ? run & ~7 : 0
        shortLines(target, source, kept.runStride[0], whole, count)
        for position in whole..<run {
          target[position] = line(source + position &* kept.runStride[0], gone, count)
        }
      }
      finish(target, run, count)
      cursor.advance(run)
    }
  }

  /// Sums of neighbours: the elements of all of them, one after the other.
  private func columns(
    _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<Float>, _ run: Int, _ gone: LoopNest,
    _ count: Int
  ) {
    // Few enough for their sums to stay in the first-level cache.
    var begin = 0
    while begin < run {
      let length = min(2048, run - begin)
      fillRun(target + begin, start, length)
      var cursor = RunCursor(gone, at: 0)
      while cursor.position < count {
        accumulate(target + begin, source + (cursor.offsets[0] + begin), length, combine)
        cursor.advance(1)
      }
      begin += length
    }
  }

  /// One sum whose last axis goes.
  private func line(_ source: UnsafePointer<Float>, _ gone: LoopNest, _ count: Int) -> Float {
    var lanes = Floats(repeating: start)
    if gone.depth <= 1 {
      take(&lanes, source, count)
    } else {
      var cursor = RunCursor(gone, at: 0)
      while cursor.position < count {
        let run = cursor.count(to: count)
        take(&lanes, source + cursor.offsets[0], run)
        cursor.advance(run)
      }
    }
    let even = join(join(lanes[0], lanes[4]), join(lanes[2], lanes[6]))
    return join(even, join(join(lanes[1], lanes[5]), join(lanes[3], lanes[7])))
  }

  /// Elements of a sum that is short.
  private static var shortCount: Int { 32 }

  /// `lines` (a multiple of eight) sums that begin `stride` apart, each to the bit what `line` makes of it.
  private func shortLines(
    _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<Float>, _ stride: Int, _ lines: Int,
    _ count: Int
  ) {
    // Not one loop over all functions: it would ask which one for every element.
    switch function {
    case .sum, .mean: Self.eights(.sum, target, source, stride, lines, count)
    case .maximum: Self.eights(.maximum, target, source, stride, lines, count)
    case .minimum: Self.eights(.minimum, target, source, stride, lines, count)
    case .product: Self.eights(.product, target, source, stride, lines, count)
    case .sumOfSquares, .l2: Self.eights(.sumOfSquares, target, source, stride, lines, count)
    case .l1: Self.eights(.l1, target, source, stride, lines, count)
    }
  }

  @inline(__always)
  private static func eights(
    _ function: ReduceFunction, _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<Float>,
    _ stride: Int, _ lines: Int, _ count: Int
  ) {
    let start = Floats(repeating: start(function))
    var first = 0
    while first < lines {
      let place = source + first &* stride
      // Lane l of all eight sums.
      func lane(_ lane: Int) -> Floats {
        var sums = start
        var position = lane
        while position < count {
          sums = combine(function, sums, column(place + position, stride))
          position &+= 8
        }
        return sums
      }
      // Lanes without elements would change nothing.
      func pair(_ low: Int) -> Floats {
        count > low &+ 4 ? join(function, lane(low), lane(low &+ 4)) : lane(low)
      }
      var result = pair(0)
      if count > 2 { result = join(function, result, pair(2)) }
      if count > 1 {
        let odd = count > 3 ? join(function, pair(1), pair(3)) : pair(1)
        result = join(function, result, odd)
      }
      store(result, target + first)
      first &+= 8
    }
  }

  /// Eight elements that are `stride` apart.
  @inline(__always)
  private static func column(_ place: UnsafePointer<Float>, _ stride: Int) -> Floats {
    Floats(
      place[0], place[stride], place[2 &* stride], place[3 &* stride], place[4 &* stride], place[5 &* stride],
      place[6 &* stride], place[7 &* stride])
  }

  /// Takes neighbouring elements into lanes.
  @inline(__always)
  private func take(_ lanes: inout Floats, _ values: UnsafePointer<Float>, _ count: Int) {
    var position = 0
    switch function {
    case .sum, .mean:
      while position + 8 <= count {
        lanes += load(values + position)
        position += 8
      }
    default:
      while position + 8 <= count {
        lanes = combine(lanes, load(values + position))
        position += 8
      }
    }
    guard position < count else { return }
    let isRest = Self.order .< SIMD8(repeating: Int32(truncatingIfNeeded: count - position))
    lanes.replace(with: combine(lanes, load(values + position, count: count - position)), where: isRest)
  }

  private var start: Float { Self.start(function) }

  @inline(__always)
  private static func start(_ function: ReduceFunction) -> Float {
    switch function {
    case .maximum: -.infinity
    case .minimum: .infinity
    case .product: 1
    default: 0
    }
  }

  /// Takes elements into sums.
  @inline(__always)
  private func combine(_ sums: Floats, _ elements: Floats) -> Floats {
    Self.combine(function, sums, elements)
  }

  @inline(__always)
  private static func combine(_ function: ReduceFunction, _ sums: Floats, _ elements: Floats) -> Floats {
    switch function {
    case .sum, .mean: sums + elements
    case .maximum: sums.replacing(with: elements, where: (elements .> sums) .| (elements .!= elements))
    case .minimum: sums.replacing(with: elements, where: (elements .< sums) .| (elements .!= elements))
    case .product: sums * elements
    case .sumOfSquares, .l2: sums + elements * elements
    case .l1: sums + elements.replacing(with: Floats.zero - elements, where: elements .< Floats.zero)
    }
  }

  private static var order: SIMD8<Int32> { SIMD8(0, 1, 2, 3, 4, 5, 6, 7) }

  /// Joins two sums.
  private func join(_ low: Float, _ high: Float) -> Float {
    switch function {
    case .maximum: high > low || high.isNaN ? high : low
    case .minimum: high < low || high.isNaN ? high : low
    case .product: low * high
    default: low + high
    }
  }

  @inline(__always)
  private static func join(_ function: ReduceFunction, _ low: Floats, _ high: Floats) -> Floats {
    switch function {
    case .maximum, .minimum, .product: combine(function, low, high)
    default: low + high
    }
  }

  private func finish(_ target: UnsafeMutablePointer<Float>, _ run: Int, _ count: Int) {
    switch function {
    case .mean: divideRun(target, by: Float(count), run)
    case .l2: for position in 0..<run { target[position] = target[position].squareRoot() }
    default: break
    }
  }
}

/// The index of the largest or smallest element along an axis. NaN is both, as in numpy and ONNX's reference.
package struct ArgumentOperator: TensorOperator {
  package static var entry: TensorEntry { { ArgumentOperator.answer($0, $1) } }
  let input: Extents
  let axis: Int
  let isMinimum: Bool
  let selectsLast: Bool

  let output: Extents

  package func items(_ sizes: UnsafePointer<Int>) -> Int { output.elements(sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { input.size(axis, sizes) }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let inner = input.elements(axis + 1..<input.rank, frame.sizes)
    let size = input.size(axis, frame.sizes)
    for position in range {
      let source = frame.floats(0) + (position / inner &* size &* inner &+ position % inner)
      var best = source[0]
      var index = 0
      for candidate in 1..<max(1, size) {
        let value = source[candidate &* inner]
        let isBetter = isMinimum ? value < best : value > best
        let isEqual = value == best || value.isNaN && best.isNaN
        if isBetter || value.isNaN && !best.isNaN || selectsLast && isEqual {
          best = value
          index = candidate
        }
      }
      frame.integerOutput[position] = Int32(truncatingIfNeeded: index)
    }
  }
}

extension Reduce: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    ReduceOperator(
      function: function, input: node.extents(0), axes: axes.reduce(0) { $0 | 1 << $1 },
      output: node.outputExtents)
  }
}

extension IndexOfExtreme: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    ArgumentOperator(
      input: node.extents(0), axis: axis, isMinimum: isMinimum, selectsLast: selectsLast,
      output: node.outputExtents)
  }
}
