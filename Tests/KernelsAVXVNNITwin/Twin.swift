package import CKernelABI
import CSIMD

// The kernels of KernelsAVXVNNI once more, from the same source, with `vpdpbusd` in its AVX-512 form: so the tests
// execute them on machines that have that form only. Never part of the library.

/// snq_matmul_bytes_vnni_6x1__avx2 with the AVX-512 instruction.
@c(snq_test_matmul_bytes_evex)
package func evexBytes(
  _ args: UnsafePointer<snq_matmul_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyDotBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

/// snq_matmul_nibbles_vnni_6x1__avx2 with the AVX-512 instruction.
@c(snq_test_matmul_nibbles_evex)
package func evexNibbles(
  _ args: UnsafePointer<snq_matmul_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyDotNibbles(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

/// snq_matmul_planes_vnni_6x1__avx2 with the AVX-512 instruction.
@c(snq_test_matmul_planes_evex)
package func evexPlanes(
  _ args: UnsafePointer<snq_matmul_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyDotPlanes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

/// The kernels of AVX-VNNI for scales per group with the AVX-512 instruction.
@c(snq_test_group_matmul_evex)
package func evexGroups(
  _ args: UnsafePointer<snq_group_matmul_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let args, let scratch = args.pointee.scratch else { return }
  multiplyDotGroups(args, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}
