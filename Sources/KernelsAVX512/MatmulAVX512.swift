import CKernelABI
import CSIMD

/// Vectors of a tile: the sums of the second level lie behind those of the first.
let tileVectors = 24

/// The sums of one tile shape; see MatmulTilesAVX512.swift.
private typealias SumTile = (
  UnsafePointer<snq_matmul_args>, Int, Int, UnsafeMutablePointer<__m512i>
) -> Void

@inline(__always)
private func tile(
  _ rows: Int, _ panels: Int, _ sumTile: SumTile, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(level, row, panel, sums)
  if let next = level.pointee.next {
    if endsShort(level, next, panel &+ panels) {
      return finishShortLevel(sums, rows, panels, level, next, row, panel)
    }
    sumTile(next, row, panel, sums + tileVectors)
  }
  finishTile(sums, rows, panels, level, row, panel)
}

/// One row against `groups` times 4 panels, at most as many as a tile has room for: short rows would spend their
/// time on calls else.
@inline(__always)
private func oneRow(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ groups: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  let panels = 4 &* groups
  sumTile1x4(level, row, panel, sums, groups)
  if let next = level.pointee.next {
    if endsShort(level, next, panel &+ panels) {
      return finishShortLevel(sums, 1, panels, level, next, row, panel)
    }
    sumTile1x4(next, row, panel, sums + tileVectors, groups)
  }
  finishTile(sums, 1, panels, level, row, panel)
}

/// All rows against 4 panels, which stay in the caches meanwhile.
private func fourPanels(
  _ level: UnsafePointer<snq_matmul_args>, _ begin: Int, _ end: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  var row = begin
  while end &- row >= 6 {
    tile(6, 4, sumTile6x4, level, row, panel, sums)
    row &+= 6
  }
  if end &- row >= 4 {
    tile(4, 4, sumTile4x4, level, row, panel, sums)
    row &+= 4
  }
  if end &- row >= 2 {
    tile(2, 4, sumTile2x4, level, row, panel, sums)
    row &+= 2
  }
  if end > row { oneRow(level, row, panel, 1, sums) }
}

private func twoPanels(
  _ level: UnsafePointer<snq_matmul_args>, _ begin: Int, _ end: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  var row = begin
  while end &- row >= 6 {
    tile(6, 2, sumTile6x2, level, row, panel, sums)
    row &+= 6
  }
  while end &- row >= 2 {
    tile(2, 2, sumTile2x2, level, row, panel, sums)
    row &+= 2
  }
  if end > row { tile(1, 2, sumTile1x2, level, row, panel, sums) }
}

private func onePanel(
  _ level: UnsafePointer<snq_matmul_args>, _ begin: Int, _ end: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  var row = begin
  while end &- row >= 6 {
    tile(6, 1, sumTile6x1, level, row, panel, sums)
    row &+= 6
  }
  while end &- row >= 2 {
    tile(2, 1, sumTile2x1, level, row, panel, sums)
    row &+= 2
  }
  if end > row { tile(1, 1, sumTile1x1, level, row, panel, sums) }
}

private func manyRows(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: Int, _ rowEnd: Int, _ panelBegin: Int,
  _ panelEnd: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  var panel = panelBegin
  while rowEnd &- rowBegin == 1, panelEnd &- panel >= 4 {
    let groups = min(tileVectors / 4, (panelEnd &- panel) / 4)
    oneRow(level, rowBegin, panel, groups, sums)
    panel &+= 4 &* groups
  }
  while panelEnd &- panel >= 4 {
    fourPanels(level, rowBegin, rowEnd, panel, sums)
    panel &+= 4
  }
  if panelEnd &- panel >= 2 {
    twoPanels(level, rowBegin, rowEnd, panel, sums)
    panel &+= 2
  }
  if panelEnd > panel { onePanel(level, rowBegin, rowEnd, panel, sums) }
}

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

/// Where tiles leave the sums of two levels for the epilogue, and the parameters of their rows: on the stack, with
/// one vector to align the others, because the compiler aligns vectors to 16 bytes only.
private typealias TileMemory = InlineArray<82, __m512i>

@inline(__always)
private func multiply(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: UInt32, _ rowEnd: UInt32, _ panelBegin: UInt32,
  _ panelEnd: UInt32
) {
  var memory = TileMemory(repeating: _mm512_setzero_si512())
  withUnsafeMutableBytes(of: &memory) {
    guard let start = $0.baseAddress else { return }
    let aligned = start + ((0 &- Int(bitPattern: start)) & 63)
    let sums = aligned.assumingMemoryBound(to: __m512i.self)
    let isExpanded = level.pointee.scratch != nil || level.pointee.next?.pointee.scratch != nil
    var row = Int(rowBegin)
    while row < Int(rowEnd) {
      let end = min(Int(rowEnd), row &+ RowParameters.capacity)
      RowParameters(behind: sums).fill(level, row, end)
      if isExpanded {
        expanded(level, row, end, Int(panelBegin), Int(panelEnd), sums)
      } else {
        manyRows(level, row, end, Int(panelBegin), Int(panelEnd), sums)
      }
      row = end
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

@c @implementation
func snq_matmul_planes_6x4__avx512(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  multiply(args, rowBegin, rowEnd, panelBegin, panelEnd)
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
