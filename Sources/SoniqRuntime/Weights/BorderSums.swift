import SoniqCore
import SoniqMemory

/// For every class of border the taps, and the sums of stored weights of one level: [class][padded outputs], then
/// [class].
struct BorderSums: PreparedBytes {
  let level: StoredLevel
  /// No size of a run is in them, so sessions of any sizes share the sums.
  private let rows: BorderAxis
  private let columns: BorderAxis
  private let windowHeight: Int
  private let windowWidth: Int

  init(_ level: StoredLevel, _ geometry: ImageGeometry) {
    self.level = level
    (rows, columns) = (BorderAxis(rows: geometry), BorderAxis(columns: geometry))
    (windowHeight, windowWidth) = (geometry.windowHeight, geometry.windowWidth)
  }

  var source: UnsafeRawPointer { level.weights }
  var isCopy: Bool { false }
  /// Windows of thousands of taps have millions of classes in images of any size.
  var byteCount: Int? {
    checkedProduct(classCount, outputs + 1, MemoryLayout<Int32>.stride).flatMap { $0 <= 1 << 30 ? $0 : nil }
  }
  private var classCount: Int { rows.classCount * columns.classCount }
  private var outputs: Int { level.panels * panelOutputs }

  /// Where the parts of the bytes are.
  func parts(_ start: UnsafeRawPointer) -> (taps: UnsafePointer<Int32>, storedSums: UnsafePointer<Int32>) {
    let sums = start.assumingMemoryBound(to: Int32.self)
    return (sums + classCount * outputs, sums)
  }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) throws(RuntimeError) {
    let (classCount, outputs) = (classCount, outputs)
    let sums = target.bindMemory(to: Int32.self, capacity: classCount * (outputs + 1))
    try arena.withTemporary(count: (windowHeight + 1) * (windowWidth + 1) * outputs) {
      (corners: UnsafeMutablePointer<Int32>) in
      addTaps(to: corners)
      accumulate(corners)
      let line = (windowWidth + 1) * outputs
      var index = 0
      for rows in self.rows.classes {
        for columns in self.columns.classes {
          let (top, bottom) = (rows.lowerBound * line, rows.upperBound * line)
          let (left, right) = (columns.lowerBound * outputs, columns.upperBound * outputs)
          for output in 0..<outputs {
            let corner = corners + output
            sums[index * outputs + output] =
              corner[bottom + right] &- corner[top + right] &- corner[bottom + left] &+ corner[top + left]
          }
          sums[classCount * outputs + index] = Int32(truncatingIfNeeded: rows.count * columns.count)
          index += 1
        }
      }
    }
  }

  /// [row][column][output] of sums of single taps, behind a row and a column of zeros, to the sums of all taps above and to
  /// the left. They may wrap around: what is left of their differences fits.
  private func accumulate(_ corners: UnsafeMutablePointer<Int32>) {
    let (width, outputs) = (windowWidth + 1, outputs)
    for row in 1...windowHeight {
      for column in 1...windowWidth {
        let place = corners + (row * width + column) * outputs
        for output in 0..<outputs {
          place[output] &+=
            place[output - outputs] &+ place[output - width * outputs]
            &- place[output - (width + 1) * outputs]
        }
      }
    }
  }

  /// Where the sums of a tap are, before they are accumulated.
  private func corner(_ tap: Int) -> Int {
    ((tap / windowWidth + 1) * (windowWidth + 1) + tap % windowWidth + 1) * outputs
  }

  /// Adds the stored weights of every tap to `sums`.
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
            sums[corner(tile / tiles) + panel * panelOutputs + lane] &+=
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
          sums[corner(tap) + output] &+= Int32(truncatingIfNeeded: level.code.integer(code))
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
