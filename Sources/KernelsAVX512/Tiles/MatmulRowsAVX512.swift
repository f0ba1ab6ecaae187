import CKernelABI
import CSIMD

/// Vectors of a tile: the sums of the second level lie behind those of the first.
let tileVectors = 24

@inline(__always)
private func tile(
  _ shape: TileShape, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  let (rows, panels) = (shape.rows, shape.panels)
  shape.sum(level, row, panel, sums)
  if let next = level.pointee.next {
    if endsShort(level, next, panel &+ panels) {
      return finishShortLevel(sums, rows, panels, level, next, row, panel)
    }
    shape.sum(next, row, panel, sums + tileVectors)
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
  sumRow(level, row, panel, sums, groups)
  if let next = level.pointee.next {
    if endsShort(level, next, panel &+ panels) {
      return finishShortLevel(sums, 1, panels, level, next, row, panel)
    }
    sumRow(next, row, panel, sums + tileVectors, groups)
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
    tile(.by6x4, level, row, panel, sums)
    row &+= 6
  }
  if end &- row >= 4 {
    tile(.by4x4, level, row, panel, sums)
    row &+= 4
  }
  if end &- row >= 2 {
    tile(.by2x4, level, row, panel, sums)
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
    tile(.by6x2, level, row, panel, sums)
    row &+= 6
  }
  while end &- row >= 2 {
    tile(.by2x2, level, row, panel, sums)
    row &+= 2
  }
  if end > row { tile(.by1x2, level, row, panel, sums) }
}

private func onePanel(
  _ level: UnsafePointer<snq_matmul_args>, _ begin: Int, _ end: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  var row = begin
  while end &- row >= 6 {
    tile(.by6x1, level, row, panel, sums)
    row &+= 6
  }
  while end &- row >= 2 {
    tile(.by2x1, level, row, panel, sums)
    row &+= 2
  }
  if end > row { tile(.by1x1, level, row, panel, sums) }
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

/// What a kernel was called with.
struct TileCall {
  let level: UnsafePointer<snq_matmul_args>
  let rowBegin: UInt32
  let rowEnd: UInt32
  let panelBegin: UInt32
  let panelEnd: UInt32

  /// Calls `body` with memory for the sums of two levels and the parameters of their rows: see `RowParameters`.
  @inline(__always)
  static func run(
    _ call: TileCall,
    _ body: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void
  ) {
    var call = call
    withUnsafeMutablePointer(to: &call) { snq_with_tile_memory($0, body) }
  }

  /// Calls `body` for every block of rows, their parameters made ready.
  @inline(__always)
  func forRowBlocks(_ sums: UnsafeMutablePointer<__m512i>, _ body: (_ begin: Int, _ end: Int) -> Void) {
    var row = Int(rowBegin)
    while row < Int(rowEnd) {
      let end = min(Int(rowEnd), row &+ RowParameters.capacity)
      RowParameters(behind: sums).fill(level, row, end)
      body(row, end)
      row = end
    }
  }
}
