import CKernelABI
import CSIMD

/// Levels in planes, 4 panels at a time, which are rebuilt as bytes before all rows use them.
private func expanded(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: Int, _ rowEnd: Int, _ panelBegin: Int,
  _ panelEnd: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  var first = ExpandedLevel(level)
  var second = level.pointee.next.map { ExpandedLevel($0) }
  var panel = panelBegin
  while panel < panelEnd {
    let count = min(4, panelEnd &- panel)
    first.expand(panel, count)
    second?.expand(panel, count)
    if var next = second?.level {
      withUnsafePointer(to: &next) {
        first.level.next = $0
        withUnsafePointer(to: &first.level) { manyRows($0, rowBegin, rowEnd, panel, panel &+ count, sums) }
      }
    } else {
      withUnsafePointer(to: &first.level) { manyRows($0, rowBegin, rowEnd, panel, panel &+ count, sums) }
    }
    panel &+= count
  }
}

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
    let level = call.level
    let isExpanded = level.pointee.scratch != nil || level.pointee.next?.pointee.scratch != nil
    call.forRowBlocks(sums) { begin, end in
      if isExpanded {
        expanded(level, begin, end, Int(call.panelBegin), Int(call.panelEnd), sums)
      } else {
        manyRows(level, begin, end, Int(call.panelBegin), Int(call.panelEnd), sums)
      }
    }
  }
}

@c @implementation
func snq_matmul_expanded_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_matmul_bit_serial_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_matmul_tables_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_matmul_half_tables_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}
