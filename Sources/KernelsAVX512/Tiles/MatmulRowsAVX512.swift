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

func manyRows(
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

/// Where tiles leave the sums of two levels for the epilogue, and the parameters of their rows: on the stack, with
/// one vector to align the others, because the compiler aligns vectors to 16 bytes only.
private typealias TileMemory = InlineArray<82, __m512i>

/// Calls `body` for every block of rows, with the memory of its tiles and the parameters of its rows in it.
@inline(__always)
func forRowBlocks(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ body: (_ begin: Int, _ end: Int, _ sums: UnsafeMutablePointer<__m512i>) -> Void
) {
  var memory = TileMemory(repeating: _mm512_setzero_si512())
  withUnsafeMutableBytes(of: &memory) {
    guard let start = $0.baseAddress else { return }
    let aligned = start + ((0 &- Int(bitPattern: start)) & 63)
    let sums = aligned.assumingMemoryBound(to: __m512i.self)
    var row = Int(rowBegin)
    while row < Int(rowEnd) {
      let end = min(Int(rowEnd), row &+ RowParameters.capacity)
      RowParameters(behind: sums).fill(level, row, end)
      body(row, end, sums)
      row = end
    }
  }
}
