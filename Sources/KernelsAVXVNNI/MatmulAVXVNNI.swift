import CKernelABI
import CSIMD

// The entry points: AVX2 and AVX-VNNI.

@c @implementation
func snq_matmul_bytes_vnni_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyDotBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_nibbles_vnni_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyDotNibbles(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_planes_vnni_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyDotPlanes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_group_matmul_bytes_vnni_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  multiplyDotGroups(args, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_group_matmul_nibbles_vnni_6x2__avx2(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  multiplyDotGroups(args, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}
