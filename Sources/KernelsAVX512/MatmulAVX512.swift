import CKernelABI
import CSIMD

@inline(__always)
private func multiply(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: UInt32, _ rowEnd: UInt32, _ panelBegin: UInt32,
  _ panelEnd: UInt32
) {
  forRowBlocks(level, rowBegin, rowEnd) { begin, end, sums in
    manyRows(level, begin, end, Int(panelBegin), Int(panelEnd), sums)
  }
}

@c @implementation
func snq_matmul_bytes_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_matmul_nibbles_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}
