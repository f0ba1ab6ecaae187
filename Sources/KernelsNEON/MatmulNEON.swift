import CKernelABI

// The entry points of bytes, nibbles and planes: every AArch64 machine.

@c @implementation
func snq_matmul_bytes_4x1__neon(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_nibbles_2x1__neon(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_planes_2x1__neon(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}
