internal import CKernelABI

// The row kernels that other modules do their own way, by bodies of this module.

@c @implementation
func snq_depthwise__neon(
  _ args: UnsafePointer<snq_depthwise_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { depthwiseByFourRows(args, rowBegin, rowEnd) }
}

@c @implementation
func snq_prepare__neon(
  _ args: UnsafePointer<snq_prepare_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { prepareRows(args, rowBegin, rowEnd) }
}
