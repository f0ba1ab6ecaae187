internal import CKernelABI

// The row kernels of this instruction set by their C names: the shared bodies over Lanes.swift.

@c @implementation
func snq_quantize__portable(
  _ args: UnsafePointer<snq_quantize_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { quantizeRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_quantize_groups__portable(
  _ args: UnsafePointer<snq_quantize_groups_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { quantizeGroupRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_take_codes__portable(
  _ args: UnsafePointer<snq_take_codes_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { takeCodesRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_prepare__portable(
  _ args: UnsafePointer<snq_prepare_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { prepareRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_layer_norm__portable(
  _ args: UnsafePointer<snq_layer_norm_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { layerNormRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_activation__portable(
  _ args: UnsafePointer<snq_activation_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { activationRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_add__portable(
  _ args: UnsafePointer<snq_add_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { addRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_lookup__portable(
  _ args: UnsafePointer<snq_lookup_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { lookupRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_pool__portable(
  _ args: UnsafePointer<snq_pool_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { poolRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_normalize__portable(
  _ args: UnsafePointer<snq_normalize_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { normalizeRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_depthwise__portable(
  _ args: UnsafePointer<snq_depthwise_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { depthwiseRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_depthwise_float__portable(
  _ args: UnsafePointer<snq_depthwise_float_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { depthwiseFloatRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_attention_integer__portable(
  _ args: UnsafePointer<snq_attention_args>?, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  if let args { integerAttention(args, unitBegin, unitEnd) }
}

@c @implementation
func snq_attention_float__portable(
  _ args: UnsafePointer<snq_attention_args>?, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  if let args { floatAttention(args, unitBegin, unitEnd) }
}
