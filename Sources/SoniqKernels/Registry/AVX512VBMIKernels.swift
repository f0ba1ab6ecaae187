#if arch(x86_64)
  import CKernelABI
  import SoniqCore

  /// What KernelsAVX512VBMI is compiled for.
  private let machine: Capabilities = [.v3, .v4, .avx512VNNI, .avx512VBMI]

  extension KernelList {
    static let avx512VBMI = KernelList(
      matmul: [
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_expanded_6x4__avx512", machine, snq_matmul_expanded_6x4__avx512,
            traits: .tilesOfAVX512),
          layouts: [.planes], weightBits: 1...7, scratchPerChannel: 64),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_bit_serial_6x4__avx512", machine, snq_matmul_bit_serial_6x4__avx512,
            traits: .tilesOfAVX512),
          layouts: [.planes], weightBits: 1...3, form: .bitPlanes),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_tables_6x4__avx512", machine, snq_matmul_tables_6x4__avx512, traits: .tilesOfAVX512),
          layouts: [.planes], weightBits: 1...7, form: .tables),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_half_tables_6x4__avx512", machine, snq_matmul_half_tables_6x4__avx512,
            traits: .tilesOfAVX512),
          layouts: [.planes], weightBits: 1...3, form: .halfTables, fixedScratch: SNQ_MATMUL_SCRATCH_AVX2),
      ],
      takeCodes: [KernelRow("snq_take_codes_vbmi__avx512", machine, snq_take_codes_vbmi__avx512)],
      prepare: [KernelRow("snq_prepare_vbmi__avx512", machine, snq_prepare_vbmi__avx512)])
  }
#endif
