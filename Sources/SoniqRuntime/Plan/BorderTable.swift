import SoniqCore
import SoniqGraph

/// The classes of output pixels by the taps of their window that lie on the image. Bipolar codes have no code for 0, so
/// the sums that correct a dot product must be those of the true taps alone.
struct BorderTable {
  /// The class of each output row and column.
  let rows: UnsafePointer<UInt16>
  let columns: UnsafePointer<UInt16>
  private(set) var rowRanges: [Range<Int>] = []
  private(set) var columnRanges: [Range<Int>] = []

  init(_ geometry: ImageGeometry, _ memory: PlanMemory) throws(RuntimeError) {
    var ranges: [Range<Int>] = []
    rows = UnsafePointer(
      try memory.store(count: geometry.outputHeight) { Self.kind(geometry.validRows($0), &ranges) })
    rowRanges = ranges
    ranges = []
    columns = UnsafePointer(
      try memory.store(count: geometry.outputWidth) { Self.kind(geometry.validColumns($0), &ranges) })
    columnRanges = ranges
  }

  private static func kind(_ range: Range<Int>, _ known: inout [Range<Int>]) -> UInt16 {
    if let index = known.firstIndex(of: range) { return UInt16(truncatingIfNeeded: index) }
    known.append(range)
    return UInt16(truncatingIfNeeded: known.count - 1)
  }
}

/// For every class of border the taps and the sums of stored weights of one level.
struct BorderSums {
  /// [class]
  let taps: UnsafePointer<Int32>
  /// [class][padded outputs]
  let storedSums: UnsafePointer<Int32>

  init(
    _ level: MatrixLevel, panels: Int, _ geometry: ImageGeometry, _ table: BorderTable, _ memory: PlanMemory
  ) throws(RuntimeError) {
    let outputs = panels * panelOutputs
    let classes = table.rowRanges.count * table.columnRanges.count
    let taps = try memory.store(repeating: Int32(0), count: classes)
    let sums = try memory.store(repeating: Int32(0), count: classes * outputs)
    try memory.withTemporary(count: level.taps * outputs) { (tapSums) throws(RuntimeError) in
      Self.addTaps(level, panels: panels, to: tapSums)
      for index in 0..<classes {
        let rows = table.rowRanges[index / table.columnRanges.count]
        let columns = table.columnRanges[index % table.columnRanges.count]
        taps[index] = Int32(truncatingIfNeeded: rows.count * columns.count)
        for row in rows {
          for column in columns {
            let tap = tapSums + (row * geometry.windowWidth + column) * outputs
            for output in 0..<outputs { sums[index * outputs + output] &+= tap[output] }
          }
        }
      }
    }
    self.taps = UnsafePointer(taps)
    storedSums = UnsafePointer(sums)
  }

  /// Adds the stored weights of every tap to `sums`, [tap][padded outputs].
  private static func addTaps(_ level: MatrixLevel, panels: Int, to sums: UnsafeMutablePointer<Int32>) {
    let layout = level.level.weight.layout
    let planes = layout == .planes ? level.level.weight.bits : 1
    let tiles = level.paddedChannels / layout.tileChannels
    let words = level.weights.bound(to: UInt32.self)
    let outputs = panels * panelOutputs
    for panel in 0..<panels {
      for plane in 0..<planes {
        let start = (panel * level.panelStride + plane * level.planeStride) / 4
        for tile in 0..<level.taps * tiles {
          for lane in 0..<panelOutputs {
            let word = words[start + tile * panelOutputs + lane]
            sums[tile / tiles * outputs + panel * panelOutputs + lane] &+=
              sum(word, layout) << Int32(truncatingIfNeeded: planes - 1 - plane)
          }
        }
      }
    }
  }

  @inline(__always)
  private static func sum(_ word: UInt32, _ layout: WeightLayout) -> Int32 {
    switch layout {
    case .planes: return Int32(truncatingIfNeeded: word.nonzeroBitCount)
    case .nibbles:
      let pairs = (word & 0x0f0f_0f0f) &+ (word >> 4 & 0x0f0f_0f0f)
      return Int32(truncatingIfNeeded: (pairs &* 0x0101_0101) >> 24)
    case .bytes:
      let bytes = SIMD4<Int8>(
        truncatingIfNeeded: SIMD4<UInt32>(word, word >> 8, word >> 16, word >> 24) & 0xff)
      return SIMD4<Int32>(truncatingIfNeeded: bytes).wrappedSum()
    }
  }
}
