import CKernelABI
import CSIMD

// Rows against panels, a block of channels at a time: the codes of a block are brought once into the order in which
// tiles read them, for several panels, and narrow weights are unpacked once for all rows. What a tile is and how it
// reads codes and weights, says the module with its `MatmulTiles`.

/// Channels of a block.
let blockChannels = 256
/// Panels that share the codes of a block.
private let blockPanels = 8

/// How weights lie in a panel.
enum WeightForm {
  case bytes, nibbles, planes

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>) {
    switch Int(level.pointee.layout) {
    case SNQ_BYTES: self = .bytes
    case SNQ_NIBBLES: self = .nibbles
    default: self = .planes
    }
  }

  /// Of one panel and plane for a number of channels.
  @inline(__always)
  func bytes(_ channels: Int) -> Int {
    switch self {
    case .bytes: channels &* 16
    case .nibbles: channels &* 8
    case .planes: channels &* 2
    }
  }
}

/// Codes of one block.
struct BlockCodes {
  /// Of the first row and channel.
  let start: UnsafePointer<UInt8>
  let stride: Int
  let rows: Int
  let channels: Int
  /// Bytes 4b + j go to 4j + b in every 16, the order in which planes give their bits.
  let isTransposed: Bool
  /// Codes are signed as they are.
  var isSigned = false
}

/// Scratch memory, SNQ_MATMUL_SCRATCH_NEON bytes.
struct BlockScratch {
  /// [panel][row][16].
  let sums: UnsafeMutablePointer<Int32>
  /// In the order of the tiles.
  let codes: UnsafeMutablePointer<UInt8>
  /// One number a row, for tiles that need one.
  let corrections: UnsafeMutablePointer<Int32>
  /// Unpacked: 16 bytes a channel; and the same in the order of the tiles.
  let weights: UnsafeMutablePointer<UInt8>
  let arranged: UnsafeMutablePointer<UInt8>

  @inline(__always)
  init(_ memory: UnsafeMutablePointer<UInt8>) {
    sums = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Int32.self)
    weights = memory + 64 &* blockPanels &* MatmulTiles.blockRows
    arranged = weights + 16 &* blockChannels
    codes = arranged + 16 &* blockChannels
    let rest = codes + MatmulTiles.codeBytes &* MatmulTiles.blockRows &* blockChannels
    corrections = UnsafeMutableRawPointer(rest).assumingMemoryBound(to: Int32.self)
  }
}

/// A block of rows and panels with all its channels.
private struct MatmulBlock {
  let level: UnsafePointer<snq_matmul_args>
  let form: WeightForm
  let tiles: MatmulTiles
  let row: Int
  let rows: Int
  let panel: Int
  let panels: Int
  let scratch: BlockScratch

  @inline(__always)
  private func sums(_ p: Int) -> UnsafeMutablePointer<Int32> {
    scratch.sums + 16 &* MatmulTiles.blockRows &* p
  }

  func multiply() {
    guard let storedSum = level.pointee.storedSum else { return }
    for p in 0..<panels {
      let start = tiles.start(storedSum + 16 &* (panel &+ p))
      for r in 0..<rows { start.store(sums(p) + 16 &* r) }
    }
    let segments = max(1, Int(level.pointee.segments))
    let length = segments == 1 ? Int(level.pointee.paddedChannels) : Int(level.pointee.segmentChannels)
    for segment in 0..<segments {
      var channel = 0
      while channel < length {
        let channels = min(blockChannels, length &- channel)
        add(
          codes: segment &* level.pointee.segmentStride &+ channel, channel: segment &* length &+ channel,
          channels)
        channel &+= channels
      }
    }
    for p in 0..<panels { finishTile(sums(p), rows, level, row, panel &+ p) }
  }

  /// Adds some channels, whose codes are so many bytes into a row.
  private func add(codes: Int, channel: Int, _ channels: Int) {
    guard let allCodes = level.pointee.codes, let weights = level.pointee.weights else { return }
    let stride = level.pointee.codeStride
    tiles.prepare(
      BlockCodes(
        start: allCodes + (row &* stride &+ codes), stride: stride, rows: rows, channels: channels,
        isTransposed: form == .planes),
      scratch)
    for p in 0..<panels {
      let source = weights + ((panel &+ p) &* level.pointee.panelStride &+ form.bytes(channel))
      tiles.add(unpacked(source, channels), channels, scratch, rows, sums(p))
    }
  }

  /// Weights of some channels as bytes.
  @inline(__always)
  private func unpacked(_ source: UnsafePointer<UInt8>, _ channels: Int) -> UnsafePointer<UInt8> {
    switch form {
    case .bytes: return source
    case .nibbles: unpackNibbles(source, channels, scratch.weights)
    case .planes:
      unpackPlanes(
        source, level.pointee.planeStride, Int(level.pointee.weightBits), channels, scratch.weights)
    }
    return UnsafePointer(scratch.weights)
  }
}

/// Any level, and any part of the rows and panels.
@inline(never)
func multiplyBlocks(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>
) {
  let scratch = BlockScratch(memory)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(blockPanels, part.panelEnd &- panel)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(MatmulTiles.blockRows, part.rowEnd &- row)
      MatmulBlock(
        level: level, form: WeightForm(level), tiles: MatmulTiles(level), row: row, rows: rows, panel: panel,
        panels: panels,
        scratch: scratch
      ).multiply()
      row &+= rows
    }
    panel &+= panels
  }
}
