import CKernelABI

/// The kernels of one module, by operation: what a file of `Registry` contributes. Of each operation, a kernel comes
/// after those that it is faster than.
package struct KernelList: Sendable {
  var matmul: [MatmulKernel] = []
  var groupMatmul: [GroupMatmulKernel] = []
  var floatMatmul: [KernelRow<FloatMatmulFunction>] = []
  var quantize: [KernelRow<snq_quantize_function>] = []
  var quantizeGroups: [KernelRow<snq_quantize_groups_function>] = []
  var takeCodes: [KernelRow<snq_take_codes_function>] = []
  var appendCodes: [KernelRow<snq_append_codes_function>] = []
  var prepare: [KernelRow<snq_prepare_function>] = []
  var layerNorm: [KernelRow<snq_layer_norm_function>] = []
  var activation: [KernelRow<snq_activation_function>] = []
  var add: [KernelRow<snq_add_function>] = []
  var lookup: [KernelRow<snq_lookup_function>] = []
  var pool: [KernelRow<snq_pool_function>] = []
  var normalize: [KernelRow<snq_normalize_function>] = []
  var depthwise: [KernelRow<snq_depthwise_function>] = []
  var floatDepthwise: [KernelRow<snq_depthwise_float_function>] = []
  var integerAttention: [KernelRow<snq_attention_function>] = []
  var floatAttention: [KernelRow<snq_attention_function>] = []
  var codeAttention: [KernelRow<snq_attention_function>] = []
}

extension KernelFamily {
  /// The portable kernel of an operation and those of the architecture's modules, in their order.
  init(_ reference: KernelRow<Function>, _ faster: (KernelList) -> [KernelRow<Function>]) {
    self.init(reference: reference, faster: ThisArchitecture.kernels.flatMap(faster))
  }
}
