import SoniqCore
import SoniqMemory

/// The classes of output rows and columns by the taps of their window that lie on the image. Bipolar codes have no code
/// for 0, so the sums that correct a dot product must be those of the true taps alone.
struct BorderRanges {
  /// Of each class.
  private(set) var rows: [Range<Int>] = []
  private(set) var columns: [Range<Int>] = []
  /// The class of each output row and column.
  private(set) var rowClasses: [UInt16] = []
  private(set) var columnClasses: [UInt16] = []

  init(_ geometry: ImageGeometry) {
    for row in 0..<geometry.outputHeight {
      rowClasses.append(Self.kind(geometry.validRows(row), &rows))
    }
    for column in 0..<geometry.outputWidth {
      columnClasses.append(Self.kind(geometry.validColumns(column), &columns))
    }
  }

  private static func kind(_ range: Range<Int>, _ known: inout [Range<Int>]) -> UInt16 {
    if let index = known.firstIndex(of: range) { return UInt16(truncatingIfNeeded: index) }
    known.append(range)
    return UInt16(truncatingIfNeeded: known.count - 1)
  }

  var classCount: Int { rows.count * columns.count }
}

/// The classes of a plan's output pixels, where a step finds them.
struct BorderTable {
  let rows: UnsafePointer<UInt16>
  let columns: UnsafePointer<UInt16>
  let columnClasses: Int

  init(_ geometry: ImageGeometry, _ memory: PlanMemory) throws(RuntimeError) {
    let ranges = BorderRanges(geometry)
    rows = UnsafePointer(try memory.store(ranges.rowClasses))
    columns = UnsafePointer(try memory.store(ranges.columnClasses))
    columnClasses = ranges.columns.count
  }
}

/// For every class of border the taps, and the sums of stored weights of one level: [class][padded outputs], then
/// [class].
struct BorderSums: PreparedBytes {
  let level: StoredLevel
  let geometry: ImageGeometry
  private let classCount: Int

  init(_ level: StoredLevel, _ geometry: ImageGeometry) {
    self.level = level
    self.geometry = geometry
    classCount = BorderRanges(geometry).classCount
  }

  var source: UnsafeRawPointer { level.weights }
  var isCopy: Bool { false }
  var byteCount: Int? { checkedProduct(classCount, outputs + 1, MemoryLayout<Int32>.stride) }
  private var outputs: Int { level.panels * panelOutputs }

  /// Where the parts of the bytes are.
  func parts(_ start: UnsafeRawPointer) -> (taps: UnsafePointer<Int32>, storedSums: UnsafePointer<Int32>) {
    let sums = start.assumingMemoryBound(to: Int32.self)
    return (sums + classCount * outputs, sums)
  }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) throws(RuntimeError) {
    let ranges = BorderRanges(geometry)
    let count = classCount * outputs
    let sums = target.bindMemory(to: Int32.self, capacity: count + classCount)
    sums.initialize(repeating: 0, count: count)
    try arena.withTemporary(count: level.taps * outputs) { (tapSums: UnsafeMutablePointer<Int32>) in
      addTaps(to: tapSums)
      for index in 0..<classCount {
        let rows = ranges.rows[index / ranges.columns.count]
        let columns = ranges.columns[index % ranges.columns.count]
        sums[count + index] = Int32(truncatingIfNeeded: rows.count * columns.count)
        for row in rows {
          for column in columns {
            let tap = tapSums + (row * geometry.windowWidth + column) * outputs
            for output in 0..<outputs { sums[index * outputs + output] &+= tap[output] }
          }
        }
      }
    }
  }

  /// Adds the stored weights of every tap to `sums`, [tap][padded outputs].
  private func addTaps(to sums: UnsafeMutablePointer<Int32>) {
    guard level.code.kind != .codebook else { return addEntries(to: sums) }
    let layout = level.layout
    let tiles = level.paddedChannels / layout.tileChannels
    let words = level.weights.assumingMemoryBound(to: UInt32.self)
    for panel in 0..<level.panels {
      for plane in 0..<level.planes {
        let start = (panel * level.panelStride + plane * level.planeStride) / 4
        for tile in 0..<level.taps * tiles {
          for lane in 0..<panelOutputs {
            let word = words[start + tile * panelOutputs + lane]
            sums[tile / tiles * outputs + panel * panelOutputs + lane] &+=
              Self.sum(word, layout) << Int32(truncatingIfNeeded: level.planes - 1 - plane)
          }
        }
      }
    }
  }

  /// The same of the entries of a codebook, which padding has too.
  private func addEntries(to sums: UnsafeMutablePointer<Int32>) {
    guard let packing = WeightPacking(code: level.code, outputs: outputs, channels: level.storedChannels)
    else { return }
    let bytes = UnsafeRawBufferPointer(start: level.weights, count: packing.byteCount)
    for tap in 0..<level.taps {
      for channel in tap * level.paddedChannels..<tap * level.paddedChannels + level.channels {
        for output in 0..<outputs {
          let code = Int(packing.code(output: output, channel: channel, in: bytes))
          sums[tap * outputs + output] &+= Int32(truncatingIfNeeded: level.code.integer(code))
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
    case .unsignedBytes:
      let pairs = (word & 0x00ff_00ff) &+ (word >> 8 & 0x00ff_00ff)
      return Int32(truncatingIfNeeded: pairs & 0xffff &+ pairs >> 16)
    case .bytes:
      let bytes = SIMD4<Int8>(
        truncatingIfNeeded: SIMD4<UInt32>(word, word >> 8, word >> 16, word >> 24) & 0xff)
      return SIMD4<Int32>(truncatingIfNeeded: bytes).wrappedSum()
    }
  }
}
