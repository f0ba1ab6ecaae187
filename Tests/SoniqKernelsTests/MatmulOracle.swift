import CKernelABI
import SoniqCore
import SoniqTestSupport

/// The definition: sums of products of the integers that the codes stand for, in plain loops.
struct MatmulOracle {
  /// I, [rows][outputs].
  let integers: [Int]
  /// U, [rows].
  let offsetSums: [Int]

  init(_ level: MatmulCase) {
    let u = level.activationCodes.map { level.activation.integer(Int($0)) }
    let w = level.weightCodes.map { level.weight.integer(Int($0)) }
    let channels = level.channels
    var integers: [Int] = []
    var offsetSums: [Int] = []
    for row in 0..<level.rows {
      for output in 0..<level.outputs {
        integers.append(Self.product(w, output * channels, u, row * channels, channels))
      }
      offsetSums.append(u[row * channels..<(row + 1) * channels].reduce(0, +))
    }
    self.integers = integers
    self.offsetSums = offsetSums
  }

  private static func product(_ w: [Int], _ first: Int, _ u: [Int], _ second: Int, _ count: Int) -> Int {
    w.withUnsafeBufferPointer { w in
      u.withUnsafeBufferPointer { u in
        var sum = 0
        var index = 0
        while index < count {
          sum += w[first + index] * u[second + index]
          index += 1
        }
        return sum
      }
    }
  }

  /// The float result for one output by the order of steps in CKernelABI.h.
  func float(
    _ level: MatmulCase, _ row: Int, _ output: Int, from start: Float, withOffset: Bool
  ) -> Float {
    let dot = Float(Int32(integers[row * level.outputs + output]))
    let scale = level.rowScales[row]
    var sum = start.addingProduct(dot, level.weightScale.start[output] * scale)
    if withOffset {
      sum = sum.addingProduct(Float(Int32(offsetSums[row])) * scale, level.weightOffset.start[output])
    }
    return sum
  }
}
