#if arch(arm64)
  import CKernelABI
  import SoniqCore

  /// What KernelsNEON is compiled for.
  private let machine: Capabilities = .neon

  extension KernelList {
    static let neon = KernelList(
      matmul: neonMatmul,
      groupMatmul: neonGroupMatmul,
      floatMatmul: [
        KernelRow("snq_float_matmul_4x1__neon", machine, snq_float_matmul_4x1__neon)
      ],
      quantize: [KernelRow("snq_quantize__neon", machine, snq_quantize__neon)],
      quantizeGroups: [KernelRow("snq_quantize_groups__neon", machine, snq_quantize_groups__neon)],
      takeCodes: [KernelRow("snq_take_codes__neon", machine, snq_take_codes__neon)],
      appendCodes: [KernelRow("snq_append_codes__neon", machine, snq_append_codes__neon)],
      prepare: [KernelRow("snq_prepare__neon", machine, snq_prepare__neon)],
      layerNorm: [KernelRow("snq_layer_norm__neon", machine, snq_layer_norm__neon)],
      activation: [KernelRow("snq_activation__neon", machine, snq_activation__neon)],
      add: [KernelRow("snq_add__neon", machine, snq_add__neon)],
      lookup: [KernelRow("snq_lookup__neon", machine, snq_lookup__neon)],
      pool: [KernelRow("snq_pool__neon", machine, snq_pool__neon)],
      normalize: [KernelRow("snq_normalize__neon", machine, snq_normalize__neon)],
      depthwise: [KernelRow("snq_depthwise__neon", machine, snq_depthwise__neon)],
      floatDepthwise: [KernelRow("snq_depthwise_float__neon", machine, snq_depthwise_float__neon)],
      integerAttention: [KernelRow("snq_attention_integer__neon", machine, snq_attention_integer__neon)],
      floatAttention: [KernelRow("snq_attention_float__neon", machine, snq_attention_float__neon)],
      codeAttention: [KernelRow("snq_attention_codes__neon", machine, snq_attention_codes__neon)])
  }
#endif
