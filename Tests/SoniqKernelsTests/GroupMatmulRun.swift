import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// The definition of group_matmul.h in plain loops.
struct GroupMatmulOracle {
  /// I, [row][output][group], and Q, [row][group].
  let integers: [Int]
  let sums: [Int]

  init(_ level: GroupMatmulCase) {
    let shape = level.shape
    let w = level.weightCodes.map { stored -> Int in
      switch level.code {
      case .affine(_, let zero): Int(stored) - zero
      case .bipolar(let bits): 2 * Int(stored) - ((1 << bits) - 1)
      case .codebook: Int(level.book[Int(stored)])
      }
    }
    let q = level.activationCodes.map { Int($0) }
    let ones = [Int](repeating: 1, count: shape.channels)
    integers = (0..<shape.rows * shape.outputs).flatMap { place in
      Self.products(
        w, place % shape.outputs * shape.channels, q, place / shape.outputs * shape.channels, shape)
    }
    sums = (0..<shape.rows).flatMap { Self.products(ones, 0, q, $0 * shape.channels, shape) }
  }

  /// The sum of products of every group.
  private static func products(
    _ w: [Int], _ first: Int, _ q: [Int], _ second: Int, _ shape: GroupShape
  ) -> [Int] {
    let length = shape.groupLength == 0 ? shape.channels : shape.groupLength
    return w.withUnsafeBufferPointer { w in
      q.withUnsafeBufferPointer { q in
        (0..<shape.groups).map { group in
          var sum = 0
          var channel = group * length
          while channel < min(shape.channels, (group + 1) * length) {
            sum += w[first + channel] * q[second + channel]
            channel += 1
          }
          return sum
        }
      }
    }
  }

  func float(
    _ level: GroupMatmulCase, _ row: Int, _ output: Int, from start: Float, withOffset: Bool
  ) -> Float {
    let shape = level.shape
    var (y, z): (Float, Float) = (start, 0)
    for group in 0..<shape.groups {
      z = z.addingProduct(
        Float(integers[(row * shape.outputs + output) * shape.groups + group]), level.scales[group][output])
      if withOffset {
        z = z.addingProduct(Float(sums[row * shape.groups + group]), level.offsets[group][output])
      }
      if group + 1 == shape.groups || shape.rowGroup(group + 1) != shape.rowGroup(group) {
        y = y.addingProduct(z, level.rowScales.start[row * level.rowScaleStride + shape.rowGroup(group)])
        z = 0
      }
    }
    return y
  }
}

extension GroupMatmulCase {
  var wholeRange: MatmulRange { MatmulRange(rows: 0..<shape.rows, panels: 0..<shape.panels) }

  /// Runs the kernel on one range and compares every bit of the output memory: results inside the range, the old
  /// contents outside.
  func check(
    _ kernel: GroupMatmulKernel, _ oracle: GroupMatmulOracle, _ option: MatmulMode, _ range: MatmulRange
  ) {
    let before = (0..<(shape.rows - 1) * outputStride + shape.outputs).map { 0.5 - Float($0 % 97) }
    let output = GuardedBuffer(before)
    let scratchBytes = kernel.scratchBytes(groups: shape.groups)
    let scratch = GuardedBuffer([UInt8](repeating: 0xa5, count: scratchBytes))
    var args = arguments(mode: option.mode, withBias: option.withBias, withOffset: option.withOffset)
    args.output = output.start
    args.scratch = scratchBytes > 0 ? scratch.start : nil
    kernel.row.function(
      &args, UInt32(range.rows.lowerBound), UInt32(range.rows.upperBound), UInt32(range.panels.lowerBound),
      UInt32(range.panels.upperBound))
    var expected = before.map(\.bitPattern)
    for row in range.rows {
      for output in range.panels.lowerBound * 16..<min(range.panels.upperBound * 16, shape.outputs) {
        let place = row * outputStride + output
        let start = option.mode == SNQ_ACCUMULATE ? before[place] : option.withBias ? bias.start[output] : 0
        expected[place] =
          oracle.float(self, row, output, from: start, withOffset: option.withOffset).bitPattern
      }
    }
    let actual = output.elements.map(\.bitPattern)
    if let place = actual.indices.first(where: { actual[$0] != expected[$0] }) {
      Issue.record(
        """
        \(kernel.name): \(self) \(option) \(range): row \(place / outputStride) output \
        \(place % outputStride) is \(Float(bitPattern: actual[place])), must be \
        \(Float(bitPattern: expected[place]))
        """)
    }
    #expect(
      output.isIntact && scratch.isIntact && buffersAreIntact,
      "\(kernel.name): \(self) \(option): wrote outside")
  }
}
