/// Offsets or strides of up to four operands, in elements.
typealias Offsets = SIMD4<Int>

/// Loops over a row-major space, outermost first, with what a step of each moves in the operands. Neighbouring
/// loops that move every operand evenly are one loop; loops of one turn are none.
struct LoopNest {
  private(set) var depth = 0
  private(set) var sizes = InlineArray<8, Int>(repeating: 1)
  private(set) var strides = InlineArray<8, Offsets>(repeating: .zero)
  /// Where the operands begin.
  var origin = Offsets.zero

  /// Adds the next loop inside those that are there.
  mutating func append(_ size: Int, _ stride: Offsets) {
    guard size > 1 else { return }
    if depth > 0, strides[depth - 1] == stride &* Offsets(repeating: size) {
      sizes[depth - 1] &*= size
      strides[depth - 1] = stride
    } else if depth < 8 {
      sizes[depth] = size
      strides[depth] = stride
      depth += 1
    }
  }

  /// The innermost loop.
  var runLength: Int { depth == 0 ? 1 : sizes[depth - 1] }
  var runStride: Offsets { depth == 0 ? .zero : strides[depth - 1] }

  /// Turns of all loops.
  var count: Int {
    var product = 1
    for loop in 0..<depth { product &*= sizes[loop] }
    return product
  }

  /// The loop `loop` becomes the last but one; the order of the others stays.
  mutating func moveBeforeLast(_ loop: Int) {
    guard depth >= 2, loop < depth - 2 else { return }
    let size = sizes[loop]
    let stride = strides[loop]
    for position in loop..<depth - 2 {
      sizes[position] = sizes[position + 1]
      strides[position] = strides[position + 1]
    }
    sizes[depth - 2] = size
    strides[depth - 2] = stride
  }

  /// The loop with the most turns becomes the innermost one.
  mutating func moveLongestLast() {
    guard let loop = (0..<depth).max(by: { sizes[$0] < sizes[$1] }), loop < depth - 1 else { return }
    moveBeforeLast(loop)
    let last = depth - 1
    (sizes[last - 1], sizes[last]) = (sizes[last], sizes[last - 1])
    (strides[last - 1], strides[last]) = (strides[last], strides[last - 1])
  }

  /// The loops without the `count` innermost.
  func withoutInner(_ count: Int) -> LoopNest {
    var nest = self
    nest.depth = max(0, depth - count)
    return nest
  }
}

/// A place in a nest, moved from run to run of the innermost loop.
struct RunCursor {
  private let nest: LoopNest
  private var indices = InlineArray<8, Int>(repeating: 0)
  /// Turns before this place, and where the operands are.
  private(set) var position: Int
  private(set) var offsets: Offsets

  init(_ nest: LoopNest, at position: Int) {
    self.nest = nest
    self.position = position
    offsets = nest.origin
    var rest = position
    var loop = nest.depth - 1
    while loop >= 0 {
      let size = nest.sizes[loop]
      let index = rest % size
      rest /= size
      indices[loop] = index
      offsets &+= nest.strides[loop] &* Offsets(repeating: index)
      loop -= 1
    }
  }

  /// Turns left of this run, at most up to `end`.
  func count(to end: Int) -> Int {
    let left = nest.depth == 0 ? 1 : nest.sizes[nest.depth - 1] - indices[nest.depth - 1]
    return min(left, end - position)
  }

  /// Moves by turns that `count(to:)` gave.
  mutating func advance(_ count: Int) {
    position &+= count
    var loop = nest.depth - 1
    guard loop >= 0 else { return }
    indices[loop] &+= count
    offsets &+= nest.strides[loop] &* Offsets(repeating: count)
    while indices[loop] >= nest.sizes[loop], loop > 0 {
      offsets &-= nest.strides[loop] &* Offsets(repeating: indices[loop])
      indices[loop] = 0
      loop -= 1
      indices[loop] &+= 1
      offsets &+= nest.strides[loop]
    }
  }
}
