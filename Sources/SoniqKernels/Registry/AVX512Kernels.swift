#if arch(x86_64)
  import CKernelABI
  import SoniqCore

  /// What KernelsAVX512 is compiled for.
  private let machine: Capabilities = [.v3, .v4, .avx512VNNI]

  extension KernelTraits {
    /// What the matrix kernels of both AVX-512 modules can do, which share their tiles.
    static let tilesOfAVX512: KernelTraits = [.segments, .writesCodes, .withoutCodeSums, .fusesLevels]
  }

  extension KernelList {
    static let avx512 = KernelList(
      matmul: [
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_bytes_6x4__avx512", machine, snq_matmul_bytes_6x4__avx512, traits: .tilesOfAVX512),
          layouts: [.bytes], weightBits: 8...8),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_nibbles_6x4__avx512", machine, snq_matmul_nibbles_6x4__avx512, traits: .tilesOfAVX512),
          layouts: [.nibbles], weightBits: 4...4),
      ],
      groupMatmul: [
        GroupMatmulKernel(
          row: KernelRow("snq_group_matmul_bytes_6x2__avx512", machine, snq_group_matmul_bytes_6x2__avx512),
          layouts: [.unsignedBytes], groupLengths: [16, 32, 64, 128],
          scratchPerGroup: 8 * SNQ_GROUP_SCRATCH_ROWS),
        GroupMatmulKernel(
          row: KernelRow(
            "snq_group_matmul_nibbles_6x2__avx512", machine, snq_group_matmul_nibbles_6x2__avx512),
          layouts: [.nibbles], groupLengths: [16, 32, 64, 128], takesCodebooks: true,
          scratchPerGroup: 8 * SNQ_GROUP_SCRATCH_ROWS),
      ],
      floatMatmul: [
        KernelRow("snq_float_matmul_4x4__avx512", machine, snq_float_matmul_4x4__avx512)
      ],
      quantize: [KernelRow("snq_quantize__avx512", machine, snq_quantize__avx512)],
      quantizeGroups: [KernelRow("snq_quantize_groups__avx512", machine, snq_quantize_groups__avx512)],
      takeCodes: [KernelRow("snq_take_codes__avx512", machine, snq_take_codes__avx512)],
      appendCodes: [KernelRow("snq_append_codes__avx512", machine, snq_append_codes__avx512)],
      layerNorm: [KernelRow("snq_layer_norm__avx512", machine, snq_layer_norm__avx512)],
      activation: [KernelRow("snq_activation__avx512", machine, snq_activation__avx512)],
      add: [KernelRow("snq_add__avx512", machine, snq_add__avx512)],
      lookup: [KernelRow("snq_lookup__avx512", machine, snq_lookup__avx512)],
      pool: [KernelRow("snq_pool__avx512", machine, snq_pool__avx512)],
      normalize: [KernelRow("snq_normalize__avx512", machine, snq_normalize__avx512)],
      depthwise: [
        KernelRow(
          "snq_depthwise__avx512", machine, snq_depthwise__avx512, traits: [.tiledDepthwise, .writesCodes])
      ],
      floatDepthwise: [KernelRow("snq_depthwise_float__avx512", machine, snq_depthwise_float__avx512)],
      integerAttention: [KernelRow("snq_attention_integer__avx512", machine, snq_attention_integer__avx512)],
      floatAttention: [KernelRow("snq_attention_float__avx512", machine, snq_attention_float__avx512)],
      codeAttention: [KernelRow("snq_attention_codes__avx512", machine, snq_attention_codes__avx512)])
  }
#endif
