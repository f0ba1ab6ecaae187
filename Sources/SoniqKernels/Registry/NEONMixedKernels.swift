#if arch(arm64)
  import CKernelABI
  import SoniqCore

  /// What KernelsNEONMixed is compiled for.
  private let machine: Capabilities = [.neon, .dotProduct, .i8mm]
  private let scratch = SNQ_MATMUL_SCRATCH_NEON
  private let groupScratch = SNQ_GROUP_SCRATCH_NEON

  extension KernelList {
    static let neonMixed = KernelList(
      matmul: [
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_bytes_6x1__i8mm", machine, snq_matmul_bytes_6x1__i8mm, traits: .blocksOfNEON),
          layouts: [.bytes], weightBits: 5...8, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_nibbles_6x1__i8mm", machine, snq_matmul_nibbles_6x1__i8mm, traits: .blocksOfNEON),
          layouts: [.nibbles], weightBits: 4...4, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_planes_6x1__i8mm", machine, snq_matmul_planes_6x1__i8mm, traits: .blocksOfNEON),
          layouts: [.planes], weightBits: 1...7, fixedScratch: scratch),
      ],
      groupMatmul: [
        GroupMatmulKernel(
          row: KernelRow("snq_group_matmul_bytes_4x1__i8mm", machine, snq_group_matmul_bytes_4x1__i8mm),
          layouts: [.unsignedBytes], groupLengths: [16, 32, 64, 128], fixedScratch: groupScratch),
        GroupMatmulKernel(
          row: KernelRow("snq_group_matmul_nibbles_4x1__i8mm", machine, snq_group_matmul_nibbles_4x1__i8mm),
          layouts: [.nibbles], groupLengths: [16, 32, 64, 128], takesCodebooks: true,
          fixedScratch: groupScratch),
      ])
  }
#endif
