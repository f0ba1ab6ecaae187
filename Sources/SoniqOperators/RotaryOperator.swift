import SoniqCore
package import SoniqGraph

extension Rotary: TensorOperation {
  package var isElementwise: Bool { false }

  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    guard case .dense(let cosine) = node.graph.constants[cosine],
      case .dense(let sine) = node.graph.constants[sine],
      let first = cosine.bytes.bound(to: Float.self).baseAddress,
      let second = sine.bytes.bound(to: Float.self).baseAddress,
      case .fixed(let channels)? = node.output.shape.last
    else { return NoOperator() }
    return RotaryOperator(
      node: node.index, rows: Extents(node.output.shape.dropLast()), heads: heads,
      headLength: channels / heads, pairs: cosine.shape[1], positions: cosine.shape[0],
      isInterleaved: isInterleaved, cosine: first, sine: second)
  }
}

/// Rows whose heads are turned by the angles of their positions. Each product and sum is rounded on its own.
package struct RotaryOperator: TensorOperator {
  package static var entry: TensorEntry { { RotaryOperator.answer($0, $1) } }
  let node: Int
  let rows: Extents
  let heads: Int
  let headLength: Int
  let pairs: Int
  let positions: Int
  let isInterleaved: Bool
  /// [positions][pairs]
  let cosine: UnsafePointer<Float>
  let sine: UnsafePointer<Float>

  package func items(_ sizes: UnsafePointer<Int>) -> Int { rows.elements(sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int { heads &* headLength }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let channels = heads &* headLength
    for row in range {
      var position = Int(frame.integers(1)[row])
      if position < 0 || position >= positions {
        frame.fault.pointee.report(node: node, position: row, index: position, size: positions)
        position = 0
      }
      for head in 0..<heads {
        let begin = row &* channels &+ head &* headLength
        turn(
          frame.floats(0) + begin, cosine + position &* pairs, sine + position &* pairs,
          frame.output + begin)
      }
    }
  }

  private func turn(
    _ x: UnsafePointer<Float>, _ cosine: UnsafePointer<Float>, _ sine: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>
  ) {
    let (step, distance) = isInterleaved ? (2, 1) : (1, pairs)
    for pair in 0..<pairs {
      let place = pair &* step
      let (a, b) = (x[place], x[place &+ distance])
      output[place] = a * cosine[pair] - b * sine[pair]
      output[place &+ distance] = b * cosine[pair] + a * sine[pair]
    }
    let rest = headLength &- 2 &* pairs
    if rest > 0 { copyRun(output + 2 &* pairs, x + 2 &* pairs, rest) }
  }
}
