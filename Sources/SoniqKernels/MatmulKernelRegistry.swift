import CKernelABI
import SoniqCore

/// Every matrix kernel. Dispatch, tests and benchmarks read these rows; a new kernel is one prototype in
/// matmul_prototypes.h and one row here, after the rows that it is faster than.
package enum MatmulKernelRegistry {
  /// Accepts every layout, width and shape.
  package static let reference = MatmulKernel(
    row: KernelRow("snq_matmul_any_8x1__portable", .portable, snq_matmul_any_8x1__portable),
    layouts: [.bytes, .nibbles, .planes], weightBits: 1...8)

  private static let avx2Scratch = SNQ_MATMUL_SCRATCH_AVX2
  /// What all kernels of the AVX-512 tiles can do.
  private static let tiles: KernelTraits = [.segments, .writesCodes, .withoutCodeSums, .fusesLevels]

  package static let faster: [MatmulKernel] = [
    MatmulKernel(
      row: KernelRow("snq_matmul_bytes_6x1__avx2", .avx2, snq_matmul_bytes_6x1__avx2),
      layouts: [.bytes], weightBits: 8...8, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow("snq_matmul_nibbles_6x1__avx2", .avx2, snq_matmul_nibbles_6x1__avx2),
      layouts: [.nibbles], weightBits: 4...4, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow("snq_matmul_planes_6x1__avx2", .avx2, snq_matmul_planes_6x1__avx2),
      layouts: [.planes], weightBits: 1...7, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow("snq_matmul_bit_serial_1x1__avx2", .avx2, snq_matmul_bit_serial_1x1__avx2),
      layouts: [.planes], weightBits: 1...3, form: .bitPlanes, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow("snq_matmul_tables_4x2__avx2", .avx2, snq_matmul_tables_4x2__avx2),
      layouts: [.planes], weightBits: 1...7, form: .tables, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow("snq_matmul_half_tables_2x2__avx2", .avx2, snq_matmul_half_tables_2x2__avx2),
      layouts: [.planes], weightBits: 1...7, form: .halfTables, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_bytes_vnni_6x1__avx2", .avx2, snq_matmul_bytes_vnni_6x1__avx2, needs: .avxVNNI),
      layouts: [.bytes], weightBits: 8...8, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_nibbles_vnni_6x1__avx2", .avx2, snq_matmul_nibbles_vnni_6x1__avx2, needs: .avxVNNI),
      layouts: [.nibbles], weightBits: 4...4, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_planes_vnni_6x1__avx2", .avx2, snq_matmul_planes_vnni_6x1__avx2, needs: .avxVNNI),
      layouts: [.planes], weightBits: 1...7, fixedScratch: avx2Scratch),
    MatmulKernel(
      row: KernelRow("snq_matmul_bytes_6x4__avx512", .avx512, snq_matmul_bytes_6x4__avx512, traits: tiles),
      layouts: [.bytes], weightBits: 8...8),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_nibbles_6x4__avx512", .avx512, snq_matmul_nibbles_6x4__avx512, traits: tiles),
      layouts: [.nibbles], weightBits: 4...4),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_expanded_6x4__avx512", .avx512, snq_matmul_expanded_6x4__avx512, needs: .avx512VBMI,
        traits: tiles),
      layouts: [.planes], weightBits: 1...7, scratchPerChannel: 64),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_bit_serial_6x4__avx512", .avx512, snq_matmul_bit_serial_6x4__avx512, needs: .avx512VBMI,
        traits: tiles),
      layouts: [.planes], weightBits: 1...3, form: .bitPlanes),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_tables_6x4__avx512", .avx512, snq_matmul_tables_6x4__avx512, needs: .avx512VBMI,
        traits: tiles),
      layouts: [.planes], weightBits: 1...7, form: .tables),
    MatmulKernel(
      row: KernelRow(
        "snq_matmul_half_tables_6x4__avx512", .avx512, snq_matmul_half_tables_6x4__avx512, needs: .avx512VBMI,
        traits: tiles),
      layouts: [.planes], weightBits: 1...3, form: .halfTables, fixedScratch: avx2Scratch),
  ]

  package static var rows: [MatmulKernel] { [reference] + faster }

  package static let floats = KernelFamily<FloatMatmulFunction>(
    reference: KernelRow("snq_float_matmul_1x1__portable", .portable, snq_float_matmul_1x1__portable),
    faster: [
      KernelRow("snq_float_matmul_6x1__avx2", .avx2, snq_float_matmul_6x1__avx2),
      KernelRow("snq_float_matmul_4x4__avx512", .avx512, snq_float_matmul_4x4__avx512),
    ])
}
