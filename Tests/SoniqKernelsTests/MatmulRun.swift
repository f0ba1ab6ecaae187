import CKernelABI
import SoniqCore
import SoniqTestSupport
import SoniqKernels
import Testing

/// A part of rows x panels, so that work split over threads is tested as such.
struct MatmulRange {
  var rows: Range<Int>
  var panels: Range<Int>
}

/// Options of one call.
struct MatmulMode {
  var mode: Int
  var withBias = false
  var withOffset = false

  static let all: [MatmulMode] = [
    MatmulMode(mode: SNQ_START), MatmulMode(mode: SNQ_START, withBias: true),
    MatmulMode(mode: SNQ_START, withBias: true, withOffset: true), MatmulMode(mode: SNQ_ACCUMULATE),
    MatmulMode(mode: SNQ_ACCUMULATE, withOffset: true), MatmulMode(mode: SNQ_INTEGER),
    MatmulMode(mode: SNQ_INTEGER_ACCUMULATE),
  ]
  var isInteger: Bool { mode == SNQ_INTEGER || mode == SNQ_INTEGER_ACCUMULATE }
}

extension MatmulCase {
  var wholeRange: MatmulRange { MatmulRange(rows: 0..<rows, panels: 0..<packing.panelCount) }

  /// Runs the kernel on one range and compares every bit of the output memory with the oracle: results
  /// inside the range, the old contents outside.
  func check(
    _ kernel: MatmulKernel, _ oracle: MatmulOracle, _ option: MatmulMode, _ range: MatmulRange,
    withSteps: Bool = true
  ) {
    let places = (rows - 1) * outputStride + outputs
    let before = (0..<places).map { 0.5 - Float($0 % 97) }
    let output = GuardedBuffer(option.isInteger ? [] : before)
    let integers = GuardedBuffer(option.isInteger ? before.map { Int32($0) } : [])
    var args = arguments(mode: option.mode, withBias: option.withBias, withOffset: option.withOffset)
    place(for: kernel, in: &args, withSteps: withSteps)
    args.output = option.isInteger ? nil : output.start
    args.integerOutput = option.isInteger ? integers.start : nil
    kernel.row.function(
      &args, UInt32(range.rows.lowerBound), UInt32(range.rows.upperBound), UInt32(range.panels.lowerBound),
      UInt32(range.panels.upperBound))

    let expected = expectedBits(oracle, option, range, before)
    let actual =
      option.isInteger ? integers.elements.map { UInt32(bitPattern: $0) } : output.elements.map(\.bitPattern)
    if let place = actual.indices.first(where: { actual[$0] != expected[$0] }) {
      Issue.record(
        """
        \(kernel.name): \(self) \(option) \(range): row \(place / outputStride) output \
        \(place % outputStride) is \(actual[place]), must be \(expected[place])
        """)
    }
    #expect(output.isIntact && integers.isIntact && buffersAreIntact, "\(kernel.name): \(self) \(option)")
  }

  /// The bits of the outputs after this level and then `next`, by one fused call or by two.
  func outputs(
    _ kernel: MatmulKernel, mode: Int, followedBy next: MatmulCase, by nextKernel: MatmulKernel,
    _ withOffset: Bool, isFused: Bool
  ) -> [UInt32] {
    let output = GuardedBuffer((0..<rows * outputStride).map { 0.5 - Float($0 % 97) })
    var first = arguments(mode: mode, withBias: true, withOffset: withOffset)
    var second = next.arguments(mode: SNQ_ACCUMULATE, withBias: false, withOffset: withOffset)
    place(for: kernel, in: &first)
    next.place(for: nextKernel, in: &second)
    first.output = output.start
    second.output = output.start
    second.outputStride = first.outputStride
    let (rowEnd, panelEnd) = (UInt32(rows), UInt32(packing.panelCount))
    withUnsafePointer(to: &second) { pointer in
      if isFused { first.next = pointer }
      let function = isFused ? kernel.fusing(nextKernel) : nil
      (function ?? kernel.row.function)(&first, 0, rowEnd, 0, panelEnd)
      if !isFused { nextKernel.row.function(pointer, 0, rowEnd, 0, panelEnd) }
    }
    #expect(output.isIntact, "\(kernel.name) wrote outside its outputs")
    return output.elements.map(\.bitPattern)
  }

  private func expectedBits(
    _ oracle: MatmulOracle, _ option: MatmulMode, _ range: MatmulRange, _ before: [Float]
  ) -> [UInt32] {
    var bits = before.map { option.isInteger ? UInt32(bitPattern: Int32($0)) : $0.bitPattern }
    for row in range.rows {
      for output in range.panels.lowerBound * 16..<min(range.panels.upperBound * 16, outputs) {
        let place = row * outputStride + output
        let dot = Int32(oracle.integers[row * outputs + output])
        switch option.mode {
        case SNQ_INTEGER: bits[place] = UInt32(bitPattern: dot)
        case SNQ_INTEGER_ACCUMULATE: bits[place] = UInt32(bitPattern: Int32(before[place]) + dot)
        default:
          let start = option.mode == SNQ_ACCUMULATE ? before[place] : option.withBias ? bias.start[output] : 0
          bits[place] =
            oracle.float(self, row, output, from: start, withOffset: option.withOffset).bitPattern
        }
      }
    }
    return bits
  }
}
