import SoniqCore
import SoniqGraph

/// The classes of output pixels by the taps of their window that lie on the image. Bipolar codes have no code for 0, so
/// the sums that correct a dot product must be those of the true taps alone.
struct BorderTable {
  private(set) var rows: [UInt16] = []
  private(set) var columns: [UInt16] = []
  private(set) var rowRanges: [Range<Int>] = []
  private(set) var columnRanges: [Range<Int>] = []

  init(_ geometry: ImageGeometry) {
    for row in 0..<geometry.outputHeight { rows.append(Self.kind(geometry.validRows(row), &rowRanges)) }
    for column in 0..<geometry.outputWidth {
      columns.append(Self.kind(geometry.validColumns(column), &columnRanges))
    }
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
  private(set) var taps: [Int32] = []
  /// [class][padded outputs]
  private(set) var storedSums: [Int32] = []

  init(_ level: MatrixLevel, panels: Int, _ geometry: ImageGeometry, _ table: BorderTable) {
    let outputs = panels * panelOutputs
    let tapSums = Self.tapSums(level, panels: panels)
    for rows in table.rowRanges {
      for columns in table.columnRanges {
        taps.append(Int32(truncatingIfNeeded: rows.count * columns.count))
        var sums = [Int32](repeating: 0, count: outputs)
        for row in rows {
          for column in columns {
            let tap = row * geometry.windowWidth + column
            for output in 0..<outputs { sums[output] &+= tapSums[tap * outputs + output] }
          }
        }
        storedSums += sums
      }
    }
  }

  /// The sum of the stored weights of every tap, [tap][padded outputs].
  private static func tapSums(_ level: MatrixLevel, panels: Int) -> [Int32] {
    let layout = level.level.weight.layout
    let planes = layout == .planes ? level.level.weight.bits : 1
    let tiles = level.paddedChannels / layout.tileChannels
    let words = level.weights.bound(to: UInt32.self)
    let outputs = panels * panelOutputs
    var sums = [Int32](repeating: 0, count: level.taps * outputs)
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
    return sums
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
