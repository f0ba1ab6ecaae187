import CKernelABI
import CSIMD

@inline(__always)
private func multiplyTile(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  let isLarge = place.rows > 3
  let isDirect = level.pointee.isDirect
  level.pointee.start(place, memory)
  switch level.pointee.form {
  case .bytes where isDirect:
    isLarge ? bytes6Direct(level, place, memory) : bytes3Direct(level, place, memory)
  case .bytes: isLarge ? bytes6Parts(level, place, memory) : bytes3Parts(level, place, memory)
  case .twice where isDirect:
    isLarge ? twice6Direct(level, place, memory) : twice3Direct(level, place, memory)
  case .twice: isLarge ? twice6Parts(level, place, memory) : twice3Parts(level, place, memory)
  case .nibbles where isDirect:
    isLarge ? nibbles6Direct(level, place, memory) : nibbles3Direct(level, place, memory)
  case .nibbles: isLarge ? nibbles6Parts(level, place, memory) : nibbles3Parts(level, place, memory)
  case .entries where isDirect:
    isLarge ? entries6Direct(level, place, memory) : entries3Direct(level, place, memory)
  case .entries: isLarge ? entries6Parts(level, place, memory) : entries3Parts(level, place, memory)
  }
  level.pointee.store(place, memory)
}

/// All rows against up to two panels, which stay in the caches meanwhile. Rows that are left over are computed with those
/// before them; fewer than three, each three times: a tile of their own would be slower code of the same kind.
private func multiplyPanels(
  _ args: UnsafePointer<snq_group_matmul_args>, _ begin: Int, _ end: Int, _ panel: Int, _ panels: Int,
  _ memory: GroupMemory, _ numbers: GroupNumbers
) {
  guard var level = GroupLevel(args, panels: panels, repeatsRow: end &- begin < 3) else { return }
  var row = begin
  while row < end {
    let rest = end &- row
    let size = rest > 3 && end &- begin >= 6 ? 6 : 3
    let repeats = end &- begin < 3
    let rows = repeats ? 1 : min(size, rest)
    // The first row of the tile, from where there are as many.
    let first = repeats ? row : min(row, end &- size)
    let place = GroupPlace(
      row: first, rows: row &+ rows &- first, skipped: row &- first, panel: panel, panels: panels,
      starts: numbers.starts + (first &- begin) &* level.groups,
      sums: numbers.sums + (first &- begin) &* level.groups)
    withUnsafePointer(to: &level) { multiplyTile($0, place, memory) }
    row &+= rows
  }
}

/// One row. Returns the first panel that is left.
private func multiplyOneRow(
  _ args: UnsafePointer<snq_group_matmul_args>, _ row: Int, _ begin: Int, _ end: Int, _ memory: GroupMemory,
  _ numbers: GroupNumbers
) -> Int {
  guard var level = GroupLevel(args, panels: 4, repeatsRow: true) else { return end }
  let form = level.form
  guard form == .bytes || form == .nibbles else { return begin }
  let isHalves = level.scaleType == UInt32(SNQ_GROUP_FLOAT16) && level.offsets == nil
  let panels = form == .bytes ? 4 : 1
  var panel = begin
  withUnsafePointer(to: &level) { level in
    while end &- panel >= panels {
      let place = GroupPlace(
        row: row, rows: 1, skipped: 0, panel: panel, panels: panels, starts: numbers.starts,
        sums: numbers.sums)
      level.pointee.start(place, memory)
      if form == .bytes {
        isHalves ? halfBytesRow(level, place, memory) : bytesRow(level, place, memory)
      } else {
        isHalves ? halfNibblesRow(level, place, memory) : nibblesRow(level, place, memory)
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
    guard let scratch = args.pointee.scratch, let level = GroupLevel(args, panels: 2, repeatsRow: false)
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
