#if arch(arm64)
  import CKernelABI
  import SoniqCore

  /// What KernelsNEON is compiled for.
  private let machine: Capabilities = .neon
  private let scratch = SNQ_MATMUL_SCRATCH_NEON
  private let groupScratch = SNQ_GROUP_SCRATCH_NEON

  extension KernelTraits {
    /// What the epilogue of all matrix kernels of AArch64 can do.
    static let epilogueOfNEON: KernelTraits = [.writesCodes, .withoutCodeSums]
    /// And the blocks that those for codes share.
    static let blocksOfNEON: KernelTraits = [.segments, .writesCodes, .withoutCodeSums]
  }

  extension KernelList {
    /// The matrix kernels of KernelsNEON.
    static let neonMatmul: [MatmulKernel] = [
      MatmulKernel(
        row: KernelRow(
          "snq_matmul_bytes_4x1__neon", machine, snq_matmul_bytes_4x1__neon, traits: .blocksOfNEON),
        layouts: [.bytes], weightBits: 5...8, fixedScratch: scratch),
      MatmulKernel(
        row: KernelRow(
          "snq_matmul_nibbles_2x1__neon", machine, snq_matmul_nibbles_2x1__neon, traits: .blocksOfNEON),
        layouts: [.nibbles], weightBits: 4...4, fixedScratch: scratch),
      MatmulKernel(
        row: KernelRow(
          "snq_matmul_planes_2x1__neon", machine, snq_matmul_planes_2x1__neon, traits: .blocksOfNEON),
        layouts: [.planes], weightBits: 1...7, fixedScratch: scratch),
      MatmulKernel(
        row: KernelRow(
          "snq_matmul_bit_serial_4x1__neon", machine, snq_matmul_bit_serial_4x1__neon, traits: .epilogueOfNEON
        ),
        layouts: [.planes], weightBits: 1...3, form: .bitPlanes, fixedScratch: scratch),
      MatmulKernel(
        row: KernelRow(
          "snq_matmul_tables_8x1__neon", machine, snq_matmul_tables_8x1__neon, traits: .epilogueOfNEON),
        layouts: [.planes], weightBits: 1...7, form: .tables, fixedScratch: scratch),
      MatmulKernel(
        row: KernelRow(
          "snq_matmul_half_tables_4x1__neon", machine, snq_matmul_half_tables_4x1__neon,
          traits: .epilogueOfNEON),
        layouts: [.planes], weightBits: 1...7, form: .halfTables, fixedScratch: scratch),
    ]

    static let neonGroupMatmul: [GroupMatmulKernel] = [
      GroupMatmulKernel(
        row: KernelRow("snq_group_matmul_bytes_4x1__neon", machine, snq_group_matmul_bytes_4x1__neon),
        layouts: [.unsignedBytes], groupLengths: [16, 32, 64, 128], fixedScratch: groupScratch),
      GroupMatmulKernel(
        row: KernelRow("snq_group_matmul_nibbles_4x1__neon", machine, snq_group_matmul_nibbles_4x1__neon),
        layouts: [.nibbles], groupLengths: [16, 32, 64, 128], takesCodebooks: true, fixedScratch: groupScratch
      ),
    ]
  }
#endif
