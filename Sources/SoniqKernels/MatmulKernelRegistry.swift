import CKernelABI
import SoniqCore

/// Every matrix kernel. Dispatch, tests and benchmarks read these rows; a new kernel is one prototype in
/// matmul_prototypes.h and one row here, after the rows that it is faster than.
package enum MatmulKernelRegistry {
  /// Accepts every layout, width and shape.
  package static let reference = MatmulKernel(
    row: KernelRow("snq_matmul_any_8x1__portable", .portable, snq_matmul_any_8x1__portable),
    layouts: [.bytes, .nibbles, .planes], weightBits: 1...8, shapes: RowShape.allCases)

  package static let faster: [MatmulKernel] = [
    MatmulKernel(
      row: KernelRow("snq_matmul_bytes_4x1__avx2", .avx2, snq_matmul_bytes_4x1__avx2),
      layouts: [.bytes], weightBits: 8...8, shapes: RowShape.allCases),
    MatmulKernel(
      row: KernelRow("snq_matmul_nibbles_4x1__avx2", .avx2, snq_matmul_nibbles_4x1__avx2),
      layouts: [.nibbles], weightBits: 4...4, shapes: RowShape.allCases),
    MatmulKernel(
      row: KernelRow("snq_matmul_planes_4x1__avx2", .avx2, snq_matmul_planes_4x1__avx2),
      layouts: [.planes], weightBits: 1...7, shapes: RowShape.allCases),
    MatmulKernel(
      row: KernelRow("snq_matmul_bytes_6x4__avx512", .avx512, snq_matmul_bytes_6x4__avx512),
      layouts: [.bytes], weightBits: 8...8, shapes: RowShape.allCases, fusesLevels: true),
    MatmulKernel(
      row: KernelRow("snq_matmul_nibbles_6x4__avx512", .avx512, snq_matmul_nibbles_6x4__avx512),
      layouts: [.nibbles], weightBits: 4...4, shapes: RowShape.allCases, fusesLevels: true),
    MatmulKernel(
      row: KernelRow("snq_matmul_planes_6x4__avx512", .avx512, snq_matmul_planes_6x4__avx512),
      layouts: [.planes], weightBits: 1...7, shapes: RowShape.allCases, fusesLevels: true),
  ]

  package static var rows: [MatmulKernel] { [reference] + faster }

  package static let floats = KernelFamily<FloatMatmulFunction>(
    reference: KernelRow("snq_float_matmul_1x1__portable", .portable, snq_float_matmul_1x1__portable),
    faster: [
      KernelRow("snq_float_matmul_6x1__avx2", .avx2, snq_float_matmul_6x1__avx2),
      KernelRow("snq_float_matmul_4x4__avx512", .avx512, snq_float_matmul_4x4__avx512),
    ])

  /// The kernels for weights of this many bits (1...8) on machines that run `limit`.
  package static func choice(weightBits: Int, upTo limit: InstructionSet) -> MatmulChoice {
    let oneRow = chosen(weightBits, .oneRow, limit)
    let manyRows = chosen(weightBits, .manyRows, limit)
    let slowest = min(oneRow.instructionSet, manyRows.instructionSet)
    let refusal =
      slowest == limit
      ? nil
      : "\(weightBits)-bit \(WeightLayout(bits: weightBits)): no \(limit.rawValue) kernel yet, "
        + "\(slowest.rawValue) is used"
    return MatmulChoice(
      oneRow: oneRow.row, manyRows: manyRows.row,
      fusesLevels: oneRow.fusesLevels && manyRows.fusesLevels, refusal: refusal)
  }

  /// Reference first, overwritten by each row of an allowed and not older instruction set.
  private static func chosen(_ bits: Int, _ shape: RowShape, _ limit: InstructionSet) -> MatmulKernel {
    var chosen = reference
    for kernel in faster where kernel.instructionSet <= limit && kernel.accepts(weightBits: bits, shape) {
      if kernel.instructionSet >= chosen.instructionSet { chosen = kernel }
    }
    return chosen
  }
}
