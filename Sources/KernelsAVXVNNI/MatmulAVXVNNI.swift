import CKernelABI
import CSIMD

// The entry points: AVX2 and AVX-VNNI.

@c @implementation
func snq_matmul_bytes_vnni_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  snq_with_scratch_avx2(
    { scratch, args, rowBegin, rowEnd, panelBegin, panelEnd in
      guard let scratch, let level = args?.assumingMemoryBound(to: snq_matmul_args.self) else { return }
      multiplyDotBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
    }, args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_matmul_nibbles_vnni_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  snq_with_scratch_avx2(
    { scratch, args, rowBegin, rowEnd, panelBegin, panelEnd in
      guard let scratch, let level = args?.assumingMemoryBound(to: snq_matmul_args.self) else { return }
      multiplyDotNibbles(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
    }, args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_matmul_planes_vnni_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  snq_with_scratch_avx2(
    { scratch, args, rowBegin, rowEnd, panelBegin, panelEnd in
      guard let scratch, let level = args?.assumingMemoryBound(to: snq_matmul_args.self) else { return }
      multiplyDotPlanes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
    }, args, rowBegin, rowEnd, panelBegin, panelEnd)
}
