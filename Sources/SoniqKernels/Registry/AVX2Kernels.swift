#if arch(x86_64)
  import CKernelABI
  import SoniqCore

  /// What KernelsAVX2 is compiled for.
  private let machine: Capabilities = .v3
  private let scratch = SNQ_MATMUL_SCRATCH_AVX2

  extension KernelTraits {
    fileprivate static let bytesOfAVX2: KernelTraits = [
      .segments, .writesCodes, .withoutCodeSums, .wordSteps,
    ]
  }

  extension KernelList {
    static let avx2 = KernelList(
      matmul: [
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_bytes_6x1__avx2", machine, snq_matmul_bytes_6x1__avx2, traits: .bytesOfAVX2),
          layouts: [.bytes], weightBits: 5...8, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_nibbles_6x1__avx2", machine, snq_matmul_nibbles_6x1__avx2,
            traits: [.segments, .writesCodes, .withoutCodeSums]),
          layouts: [.nibbles], weightBits: 4...4, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_planes_6x1__avx2", machine, snq_matmul_planes_6x1__avx2,
            traits: [.segments, .writesCodes]),
          layouts: [.planes], weightBits: 1...7, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_bit_serial_1x1__avx2", machine, snq_matmul_bit_serial_1x1__avx2,
            traits: [.writesCodes, .withoutCodeSums]),
          layouts: [.planes], weightBits: 1...3, form: .bitPlanes, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_tables_4x2__avx2", machine, snq_matmul_tables_4x2__avx2,
            traits: [.segments, .writesCodes, .withoutCodeSums]),
          layouts: [.planes], weightBits: 1...7, form: .tables, fixedScratch: scratch),
        MatmulKernel(
          row: KernelRow(
            "snq_matmul_half_tables_2x2__avx2", machine, snq_matmul_half_tables_2x2__avx2,
            traits: [.segments, .writesCodes, .withoutCodeSums]),
          layouts: [.planes], weightBits: 1...7, form: .halfTables, fixedScratch: scratch),
      ],
      groupMatmul: [
        GroupMatmulKernel(
          row: KernelRow("snq_group_matmul_bytes_6x2__avx2", machine, snq_group_matmul_bytes_6x2__avx2),
          layouts: [.unsignedBytes], groupLengths: [16, 32, 64, 128], fixedScratch: SNQ_GROUP_SCRATCH_AVX2),
        GroupMatmulKernel(
          row: KernelRow("snq_group_matmul_nibbles_6x2__avx2", machine, snq_group_matmul_nibbles_6x2__avx2),
          layouts: [.nibbles], groupLengths: [16, 32, 64, 128], takesCodebooks: true,
          fixedScratch: SNQ_GROUP_SCRATCH_AVX2),
      ],
      floatMatmul: [
        KernelRow("snq_float_matmul_6x1__avx2", machine, snq_float_matmul_6x1__avx2)
      ],
      quantize: [KernelRow("snq_quantize__avx2", machine, snq_quantize__avx2)],
      quantizeGroups: [KernelRow("snq_quantize_groups__avx2", machine, snq_quantize_groups__avx2)],
      takeCodes: [
        KernelRow(
          "snq_take_codes_shuffled__avx2", machine, snq_take_codes_shuffled__avx2, traits: .picksManyRows)
      ],
      appendCodes: [KernelRow("snq_append_codes__avx2", machine, snq_append_codes__avx2)],
      prepare: [KernelRow("snq_prepare__avx2", machine, snq_prepare__avx2)],
      layerNorm: [KernelRow("snq_layer_norm__avx2", machine, snq_layer_norm__avx2)],
      activation: [KernelRow("snq_activation__avx2", machine, snq_activation__avx2)],
      add: [KernelRow("snq_add__avx2", machine, snq_add__avx2)],
      lookup: [KernelRow("snq_lookup__avx2", machine, snq_lookup__avx2)],
      pool: [KernelRow("snq_pool__avx2", machine, snq_pool__avx2)],
      normalize: [KernelRow("snq_normalize__avx2", machine, snq_normalize__avx2)],
      depthwise: [KernelRow("snq_depthwise__avx2", machine, snq_depthwise__avx2, traits: .writesCodes)],
      floatDepthwise: [KernelRow("snq_depthwise_float__avx2", machine, snq_depthwise_float__avx2)],
      integerAttention: [KernelRow("snq_attention_integer__avx2", machine, snq_attention_integer__avx2)],
      floatAttention: [KernelRow("snq_attention_float__avx2", machine, snq_attention_float__avx2)],
      codeAttention: [KernelRow("snq_attention_codes__avx2", machine, snq_attention_codes__avx2)])
  }
#endif
