import CKernelABI
import SoniqCore

/// KernelsPortable: the kernel of every operation that defines its results, and that every machine runs.
enum PortableKernels {
  /// Accepts every layout, width and shape.
  static let matmul = MatmulKernel(
    row: KernelRow("snq_matmul_any_8x1__portable", [], snq_matmul_any_8x1__portable),
    layouts: [.bytes, .nibbles, .planes], weightBits: 1...8)
  /// Accepts every layout, width, length of groups and shape.
  static let groupMatmul = GroupMatmulKernel(
    row: KernelRow("snq_group_matmul_any_8x1__portable", [], snq_group_matmul_any_8x1__portable),
    layouts: GroupLayout.allCases, groupLengths: [0, 16, 32, 64, 128], takesCodebooks: true)
  static let floatMatmul = KernelRow<FloatMatmulFunction>(
    "snq_float_matmul_1x1__portable", [], snq_float_matmul_1x1__portable)
  static let quantize = KernelRow<snq_quantize_function>("snq_quantize__portable", [], snq_quantize__portable)
  static let quantizeGroups = KernelRow<snq_quantize_groups_function>(
    "snq_quantize_groups__portable", [], snq_quantize_groups__portable)
  static let takeCodes = KernelRow<snq_take_codes_function>(
    "snq_take_codes__portable", [], snq_take_codes__portable)
  static let appendCodes = KernelRow<snq_append_codes_function>(
    "snq_append_codes__portable", [], snq_append_codes__portable)
  static let prepare = KernelRow<snq_prepare_function>("snq_prepare__portable", [], snq_prepare__portable)
  static let layerNorm = KernelRow<snq_layer_norm_function>(
    "snq_layer_norm__portable", [], snq_layer_norm__portable)
  static let activation = KernelRow<snq_activation_function>(
    "snq_activation__portable", [], snq_activation__portable)
  static let add = KernelRow<snq_add_function>("snq_add__portable", [], snq_add__portable)
  static let lookup = KernelRow<snq_lookup_function>("snq_lookup__portable", [], snq_lookup__portable)
  static let pool = KernelRow<snq_pool_function>("snq_pool__portable", [], snq_pool__portable)
  static let normalize = KernelRow<snq_normalize_function>(
    "snq_normalize__portable", [], snq_normalize__portable)
  static let depthwise = KernelRow<snq_depthwise_function>(
    "snq_depthwise__portable", [], snq_depthwise__portable)
  static let floatDepthwise = KernelRow<snq_depthwise_float_function>(
    "snq_depthwise_float__portable", [], snq_depthwise_float__portable)
  static let integerAttention = KernelRow<snq_attention_function>(
    "snq_attention_integer__portable", [], snq_attention_integer__portable)
  static let floatAttention = KernelRow<snq_attention_function>(
    "snq_attention_float__portable", [], snq_attention_float__portable)
  static let codeAttention = KernelRow<snq_attention_function>(
    "snq_attention_codes__portable", [], snq_attention_codes__portable)
}
