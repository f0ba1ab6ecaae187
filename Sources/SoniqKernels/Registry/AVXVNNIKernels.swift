#if arch(x86_64)
  import CKernelABI
  import SoniqCore

  /// What KernelsAVXVNNI is compiled for.
  private let machine: Capabilities = [.v3, .avxVNNI]
  private let scratch = SNQ_MATMUL_SCRATCH_AVX2

  extension KernelList {
    static let avxVNNI = KernelList(
      matmul: [
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_bytes_vnni_6x1__avx2", machine, snq_matmul_bytes_vnni_6x1__avx2,
            traits: [.writesCodes, .withoutCodeSums]),
          layouts: [.bytes], weightBits: 8...8, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_nibbles_vnni_6x1__avx2", machine, snq_matmul_nibbles_vnni_6x1__avx2,
            traits: .writesCodes),
          layouts: [.nibbles], weightBits: 4...4, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_planes_vnni_6x1__avx2", machine, snq_matmul_planes_vnni_6x1__avx2,
            traits: .writesCodes),
          layouts: [.planes], weightBits: 1...7, fixedScratch: scratch),
      ],
      groupMatmul: [
        GroupMatmulKernel(
          row: KernelRow(
            "snq_group_matmul_bytes_vnni_6x2__avx2", machine, snq_group_matmul_bytes_vnni_6x2__avx2),
          layouts: [.unsignedBytes], groupLengths: [16, 32, 64, 128], fixedScratch: SNQ_GROUP_SCRATCH_AVX2),
        GroupMatmulKernel(
          row: KernelRow(
            "snq_group_matmul_nibbles_vnni_6x2__avx2", machine, snq_group_matmul_nibbles_vnni_6x2__avx2),
          layouts: [.nibbles], groupLengths: [16, 32, 64, 128], takesCodebooks: true,
          fixedScratch: SNQ_GROUP_SCRATCH_AVX2),
      ])
  }
#endif
