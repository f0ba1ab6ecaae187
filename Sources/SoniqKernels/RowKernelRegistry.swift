package import CKernelABI

/// The row kernels: one family per operation, one kernel per instruction set, all with equal bits.
package enum RowKernelRegistry {
  package static let quantize = KernelFamily<snq_quantize_function>(
    reference: KernelRow("snq_quantize__portable", .portable, snq_quantize__portable),
    faster: [
      KernelRow("snq_quantize__avx2", .avx2, snq_quantize__avx2),
      KernelRow("snq_quantize__avx512", .avx512, snq_quantize__avx512),
    ])
  package static let takeCodes = KernelFamily<snq_take_codes_function>(
    reference: KernelRow("snq_take_codes__portable", .portable, snq_take_codes__portable),
    faster: [
      KernelRow("snq_take_codes__avx2", .avx2, snq_take_codes__avx2),
      KernelRow("snq_take_codes__avx512", .avx512, snq_take_codes__avx512),
      KernelRow("snq_take_codes_vbmi__avx512", .avx512, snq_take_codes_vbmi__avx512, needs: .avx512VBMI),
    ])
  /// Codes to the other forms of `ActivationForm`.
  package static let prepare = KernelFamily<snq_prepare_function>(
    reference: KernelRow("snq_prepare__portable", .portable, snq_prepare__portable),
    faster: [
      KernelRow("snq_prepare__avx2", .avx2, snq_prepare__avx2),
      KernelRow("snq_prepare_vbmi__avx512", .avx512, snq_prepare_vbmi__avx512, needs: .avx512VBMI),
    ])
  package static let layerNorm = KernelFamily<snq_layer_norm_function>(
    reference: KernelRow("snq_layer_norm__portable", .portable, snq_layer_norm__portable),
    faster: [
      KernelRow("snq_layer_norm__avx2", .avx2, snq_layer_norm__avx2),
      KernelRow("snq_layer_norm__avx512", .avx512, snq_layer_norm__avx512),
    ])
  package static let activation = KernelFamily<snq_activation_function>(
    reference: KernelRow("snq_activation__portable", .portable, snq_activation__portable),
    faster: [
      KernelRow("snq_activation__avx2", .avx2, snq_activation__avx2),
      KernelRow("snq_activation__avx512", .avx512, snq_activation__avx512),
    ])
  package static let add = KernelFamily<snq_add_function>(
    reference: KernelRow("snq_add__portable", .portable, snq_add__portable),
    faster: [
      KernelRow("snq_add__avx2", .avx2, snq_add__avx2),
      KernelRow("snq_add__avx512", .avx512, snq_add__avx512),
    ])
  package static let lookup = KernelFamily<snq_lookup_function>(
    reference: KernelRow("snq_lookup__portable", .portable, snq_lookup__portable),
    faster: [
      KernelRow("snq_lookup__avx2", .avx2, snq_lookup__avx2),
      KernelRow("snq_lookup__avx512", .avx512, snq_lookup__avx512),
    ])
  package static let pool = KernelFamily<snq_pool_function>(
    reference: KernelRow("snq_pool__portable", .portable, snq_pool__portable),
    faster: [
      KernelRow("snq_pool__avx2", .avx2, snq_pool__avx2),
      KernelRow("snq_pool__avx512", .avx512, snq_pool__avx512),
    ])
  package static let normalize = KernelFamily<snq_normalize_function>(
    reference: KernelRow("snq_normalize__portable", .portable, snq_normalize__portable),
    faster: [
      KernelRow("snq_normalize__avx2", .avx2, snq_normalize__avx2),
      KernelRow("snq_normalize__avx512", .avx512, snq_normalize__avx512),
    ])
  package static let depthwise = KernelFamily<snq_depthwise_function>(
    reference: KernelRow("snq_depthwise__portable", .portable, snq_depthwise__portable),
    faster: [
      KernelRow("snq_depthwise__avx2", .avx2, snq_depthwise__avx2),
      KernelRow(
        "snq_depthwise__avx512", .avx512, snq_depthwise__avx512, traits: [.tiledDepthwise, .writesCodes]),
    ])
  package static let floatDepthwise = KernelFamily<snq_depthwise_float_function>(
    reference: KernelRow("snq_depthwise_float__portable", .portable, snq_depthwise_float__portable),
    faster: [
      KernelRow("snq_depthwise_float__avx2", .avx2, snq_depthwise_float__avx2),
      KernelRow("snq_depthwise_float__avx512", .avx512, snq_depthwise_float__avx512),
    ])
  /// Scratch per thread: `snq_attention_integer_scratch`.
  package static let integerAttention = KernelFamily<snq_attention_function>(
    reference: KernelRow(
      "snq_attention_integer__portable", .portable, snq_attention_integer__portable),
    faster: [
      KernelRow("snq_attention_integer__avx2", .avx2, snq_attention_integer__avx2),
      KernelRow("snq_attention_integer__avx512", .avx512, snq_attention_integer__avx512),
    ])
  /// Scratch per thread: `snq_attention_float_scratch`.
  package static let floatAttention = KernelFamily<snq_attention_function>(
    reference: KernelRow("snq_attention_float__portable", .portable, snq_attention_float__portable),
    faster: [
      KernelRow("snq_attention_float__avx2", .avx2, snq_attention_float__avx2),
      KernelRow("snq_attention_float__avx512", .avx512, snq_attention_float__avx512),
    ])
}
