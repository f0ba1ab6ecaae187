import CKernelABI
import CSIMD

/// All rows against up to two panels, which stay in the caches meanwhile.
private func multiplyPanels(
  _ args: UnsafePointer<snq_group_matmul_args>, _ begin: Int, _ end: Int, _ panel: Int, _ panels: Int,
  _ memory: GroupMemory, _ numbers: GroupNumbers
) {
  guard var level = GroupLevel(args, panels: panels) else { return }
  var row = begin
  while row < end {
    let rows = tileRows(end &- row)
    let place = GroupPlace(
      row: row, rows: rows, panel: panel, panels: panels,
      starts: numbers.starts + (row &- begin) &* level.groups,
      sums: numbers.sums + (row &- begin) &* level.groups)
    withUnsafePointer(to: &level) { multiplyTile($0, place, memory) }
    row &+= rows
  }
}

/// Rows of the next tile of so many: the last two are about as large, for a tile of one row takes half as long as one of six.
private func tileRows(_ rest: Int) -> Int {
  switch rest {
  case ...6: rest
  case 7...9: (rest &+ 1) / 2
  default: 6
  }
}

/// One row. Returns the first panel that is left.
private func multiplyOneRow(
  _ args: UnsafePointer<snq_group_matmul_args>, _ row: Int, _ begin: Int, _ end: Int, _ memory: GroupMemory,
  _ numbers: GroupNumbers
) -> Int {
  guard var level = GroupLevel(args, panels: 4) else { return end }
  guard level.isPlain else { return begin }
  let isHalves = level.scaleType == UInt32(SNQ_GROUP_FLOAT16) && level.offsets == nil
  let panels = level.isNibbles ? 1 : 4
  var panel = begin
  withUnsafePointer(to: &level) { level in
    while end &- panel >= panels {
      let place = GroupPlace(
        row: row, rows: 1, panel: panel, panels: panels, starts: numbers.starts, sums: numbers.sums)
      level.pointee.start(place, memory)
      if level.pointee.isNibbles {
        isHalves ? halfNibblesRow(level, place, memory) : nibblesRow(level, place, memory)
      } else {
        isHalves ? halfBytesRow(level, place, memory) : bytesRow(level, place, memory)
      }
      level.pointee.store(place, memory)
      panel &+= panels
    }
  }
  return panel
}

/// What a kernel was called with.
private struct GroupCall {
  let args: UnsafePointer<snq_group_matmul_args>
  let rowBegin: Int
  let rowEnd: Int
  let panelBegin: Int
  let panelEnd: Int

  func run(_ memory: GroupMemory) {
    guard let scratch = args.pointee.scratch, let level = GroupLevel(args, panels: 2)
    else { return }
    let numbers = GroupNumbers(scratch, groups: level.groups)
    var row = rowBegin
    while row < rowEnd {
      let end = min(rowEnd, row &+ Int(SNQ_GROUP_SCRATCH_ROWS))
      level.fill(row, end &- row, numbers)
      var panel = panelBegin
      if end &- row == 1 { panel = multiplyOneRow(args, row, panel, panelEnd, memory, numbers) }
      while panel < panelEnd {
        let panels = min(2, panelEnd &- panel)
        multiplyPanels(args, row, end, panel, panels, memory, numbers)
        panel &+= panels
      }
      row = end
    }
  }
}

@inline(__always)
private func multiply(
  _ args: UnsafePointer<snq_group_matmul_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32, _ panelBegin: UInt32,
  _ panelEnd: UInt32
) {
  guard let args else { return }
  var call = GroupCall(
    args: args, rowBegin: Int(rowBegin), rowEnd: Int(rowEnd), panelBegin: Int(panelBegin),
    panelEnd: Int(panelEnd))
  withUnsafeMutablePointer(to: &call) {
    snq_with_tile_memory($0) { context, memory in
      guard let call = context?.assumingMemoryBound(to: GroupCall.self),
        let memory = memory?.assumingMemoryBound(to: __m512.self)
      else { return }
      call.pointee.run(GroupMemory(totals: memory))
    }
  }
}

@c @implementation
func snq_group_matmul_bytes_6x2__avx512(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}

@c @implementation
func snq_group_matmul_nibbles_6x2__avx512(
  _ args: UnsafePointer<snq_group_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
}
