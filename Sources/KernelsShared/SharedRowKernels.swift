internal import CKernelABI

// The row kernels of every module that has this folder, over its Lanes.swift. The C names end in the module's instruction
// set in place of `own`: see row_prototypes.h.

@c @implementation
func snq_quantize__own(
  _ args: UnsafePointer<snq_quantize_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { quantizeRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_quantize_groups__own(
  _ args: UnsafePointer<snq_quantize_groups_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { quantizeGroupRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_take_codes__own(
  _ args: UnsafePointer<snq_take_codes_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { takeCodesRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_append_codes__own(
  _ args: UnsafePointer<snq_append_codes_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { appendCodeRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_layer_norm__own(
  _ args: UnsafePointer<snq_layer_norm_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { layerNormRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_activation__own(
  _ args: UnsafePointer<snq_activation_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { elementRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_add__own(
  _ args: UnsafePointer<snq_add_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { addRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_lookup__own(
  _ args: UnsafePointer<snq_lookup_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { lookupRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_pool__own(
  _ args: UnsafePointer<snq_pool_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { poolRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_normalize__own(
  _ args: UnsafePointer<snq_normalize_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { normalizeRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_depthwise_float__own(
  _ args: UnsafePointer<snq_depthwise_float_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { depthwiseFloatRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_attention_integer__own(
  _ args: UnsafePointer<snq_attention_args>?, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  if let args { integerAttention(args, unitBegin, unitEnd) }
}

@c @implementation
func snq_attention_float__own(
  _ args: UnsafePointer<snq_attention_args>?, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  if let args { floatAttention(args, unitBegin, unitEnd) }
}

@c @implementation
func snq_attention_codes__own(
  _ args: UnsafePointer<snq_attention_args>?, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  if let args { codeAttention(args, unitBegin, unitEnd) }
}
