import CKernelABI
import CSIMD

@inline(__always)
private func multiply(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: UInt32, _ rowEnd: UInt32, _ panelBegin: UInt32,
  _ panelEnd: UInt32
) {
  let call = TileCall(
    level: level, rowBegin: rowBegin, rowEnd: rowEnd, panelBegin: panelBegin, panelEnd: panelEnd)
  TileCall.run(call) { context, memory in
    guard let call = context?.assumingMemoryBound(to: TileCall.self).pointee,
      let sums = memory?.assumingMemoryBound(to: __m512i.self)
    else { return }
    call.forRowBlocks(sums) { begin, end in
      manyRows(call.level, begin, end, Int(call.panelBegin), Int(call.panelEnd), sums)
    }
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
