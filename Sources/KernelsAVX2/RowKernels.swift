internal import CKernelABI

// The row kernels that other modules do their own way, by the shared body and that of this module.

@c @implementation
func snq_prepare__avx2(
  _ args: UnsafePointer<snq_prepare_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { prepareRows(args, rowBegin, rowEnd) }
}
