import CKernelABI

@c @implementation
func snq_group_matmul_bytes_4x1__neon(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  multiplyGroups(GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_group_matmul_nibbles_4x1__neon(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  multiplyGroups(GroupLevel(args), MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}
