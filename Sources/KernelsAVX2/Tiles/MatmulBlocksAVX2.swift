import CKernelABI
import CSIMD

// Many rows: the weights of a block of channels are unpacked once into scratch memory, which stays in the first
// cache while the rows pass. How, says the `BlockForm` of each module with its `unpack` and `addBlockTile`.

/// Channels of a block.
let blockChannels = 256
/// Rows that share an unpacked block.
private let blockRows = 48
/// Panels that share the codes of a tile.
private let blockPanels = 2
/// Unpacked weights of one panel: words.
let blockPanelBytes = 32 * blockChannels
/// Vectors of sums of one panel.
let blockPanelSums = 2 * blockRows

/// The rows and panels of a call.
struct MatmulPart {
  let rowBegin: Int
  let rowEnd: Int
  let panelBegin: Int
  let panelEnd: Int
  var rows: Int { rowEnd &- rowBegin }

  @inline(__always)
  init(_ rowBegin: UInt32, _ rowEnd: UInt32, _ panelBegin: UInt32, _ panelEnd: UInt32) {
    self.init(Int(rowBegin), Int(rowEnd), Int(panelBegin), Int(panelEnd))
  }

  @inline(__always)
  private init(_ rowBegin: Int, _ rowEnd: Int, _ panelBegin: Int, _ panelEnd: Int) {
    self.rowBegin = rowBegin
    self.rowEnd = rowEnd
    self.panelBegin = panelBegin
    self.panelEnd = panelEnd
  }

  /// Some of its panels.
  @inline(__always)
  func panels(_ panels: Range<Int>) -> MatmulPart {
    MatmulPart(rowBegin, rowEnd, panels.lowerBound, panels.upperBound)
  }

  /// Its first rows.
  @inline(__always)
  func rows(upTo end: Int) -> MatmulPart { MatmulPart(rowBegin, end, panelBegin, panelEnd) }
}

/// The pieces in which the channels of a row lie.
struct CodePieces {
  let count: Int
  /// Padded channels of one.
  let channels: Int
  /// Bytes of codes from one to the next.
  let stride: Int

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>) {
    let count = max(1, Int(level.pointee.segments))
    self.init(
      count: count,
      channels: Int(count == 1 ? level.pointee.paddedChannels : level.pointee.segmentChannels),
      stride: Int(level.pointee.segmentStride))
  }

  @inline(__always)
  init(count: Int, channels: Int, stride: Int) {
    self.count = count
    self.channels = channels
    self.stride = stride
  }
}

/// Unpacked weights of one block, `blockPanelBytes` from panel to panel.
struct WeightBlock {
  let weights: UnsafePointer<UInt8>
  let channels: Int
  let panels: Int
}

/// What one tile of rows multiplies a block with.
struct BlockOperands {
  let codes: UnsafePointer<UInt8>
  let codeStride: Int
  /// Of the channels of the block; only blocks of `BlockForm.takesPieces` have several.
  let pieces: CodePieces
  /// 1, 2, 4 or 6.
  let rows: Int
  /// Scratch memory for the codes of 6 rows, as words at most.
  let words: UnsafeMutablePointer<UInt8>
  /// [panel][row][half], `blockPanelSums` vectors from panel to panel.
  let sums: UnsafeMutablePointer<__m256i>
}

/// Scratch memory of `multiplyBlocks`, SNQ_MATMUL_SCRATCH_AVX2 bytes: sums, words of codes, weights.
private struct BlockScratch {
  let sums: UnsafeMutablePointer<__m256i>
  let words: UnsafeMutablePointer<UInt8>
  let weights: UnsafeMutablePointer<UInt8>

  @inline(__always)
  init(_ scratch: UnsafeMutablePointer<UInt8>) {
    sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
    words = scratch + 32 &* blockPanelSums &* blockPanels
    weights = words + 6 &* 2 &* blockChannels
  }
}

/// Rows of the next tile when this many remain.
@inline(__always)
func tileRows(_ rest: Int) -> Int { rest >= 6 ? 6 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1 }

/// Nibbles of a block as signed bytes, t - center.
@inline(never)
func unpackNibbles(
  _ tiles: UnsafePointer<UInt8>, _ channels: Int, _ center: Int8, _ target: UnsafeMutablePointer<UInt8>
) {
  let center = _mm256_set1_epi8(center)
  var (tile, pair, rest) = (tiles, target, channels)
  while rest > 0 {
    let nibbles = OutputVectors.loaded(tile)
    let (first, second) = (nibbles.lowNibbles().centered(center), nibbles.highNibbles().centered(center))
    snq_store_256(pair, first.low)
    snq_store_256(pair + 32, first.high)
    snq_store_256(pair + 64, second.low)
    snq_store_256(pair + 96, second.high)
    tile += 64
    pair += 128
    rest &-= 8
  }
}

/// Sums begin with what centring took off: center * sum(q).
@inline(__always)
func startSums(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ rows: Int, _ center: Int32,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  guard center != 0 else {
    for r in 0..<rows { OutputVectors().store(sums + r &* 2) }
    return
  }
  for r in 0..<rows {
    let parameters = level.pointee.rows + (row &+ r) &* Int(level.pointee.rowStride)
    let start = _mm256_set1_epi32(center &* parameters.pointee.codeSum)
    OutputVectors(low: start, high: start).store(sums + r &* 2)
  }
}

/// Multiplies an unpacked block with rows of codes, tile by tile.
@inline(__always)
private func addTiles(
  _ form: BlockForm, _ block: WeightBlock, _ codes: UnsafePointer<UInt8>, _ codeStride: Int,
  _ pieces: CodePieces, _ rows: Int, _ scratch: BlockScratch
) {
  var done = 0
  while done < rows {
    let count = tileRows(rows &- done)
    let operands = BlockOperands(
      codes: codes + done &* codeStride, codeStride: codeStride, pieces: pieces, rows: count,
      words: scratch.words, sums: scratch.sums + done &* 2)
    addBlockTile(form, block, operands)
    done &+= count
  }
}

/// Some rows and panels.
private struct BlockCall {
  let form: BlockForm
  let level: UnsafePointer<snq_matmul_args>
  let row: Int
  let rows: Int
  let panel: Int
  let panels: Int
  let scratch: BlockScratch

  /// Adds a block of channels, `channel` being its first one and `codes` what the first row has for it.
  @inline(__always)
  func add(_ channel: Int, _ pieces: CodePieces, _ codes: UnsafePointer<UInt8>) {
    guard let weights = level.pointee.weights else { return }
    let panelStride = Int(level.pointee.panelStride)
    let channels = pieces.count &* pieces.channels
    for p in 0..<panels {
      unpack(
        form, level, weights + (panel &+ p) &* panelStride, channel, channels,
        scratch.weights + p &* blockPanelBytes)
    }
    let block = WeightBlock(weights: scratch.weights, channels: channels, panels: panels)
    addTiles(form, block, codes, Int(level.pointee.codeStride), pieces, rows, scratch)
  }
}

/// All channels of a block of rows and panels.
@inline(__always)
private func multiplyBlock(_ call: BlockCall) {
  let level = call.level
  guard let codes = level.pointee.codes else { return }
  let first = codes + call.row &* Int(level.pointee.codeStride)
  let pieces = CodePieces(level)
  for p in 0..<call.panels {
    startSums(level, call.row, call.rows, call.form.center, call.scratch.sums + p &* blockPanelSums)
  }
  // Short pieces several at a time, else parts of one.
  let together = call.form.takesPieces ? max(1, blockChannels / max(1, pieces.channels)) : 1
  var piece = 0
  while piece < pieces.count {
    let start = first + piece &* pieces.stride
    let count = min(together, pieces.count &- piece)
    var channel = 0
    while channel < pieces.channels {
      let channels = min(blockChannels, pieces.channels &- channel)
      call.add(
        piece &* pieces.channels &+ channel,
        CodePieces(count: count, channels: channels, stride: pieces.stride), start + channel)
      channel &+= channels
    }
    piece &+= count
  }
  for p in 0..<call.panels {
    finishTile(call.scratch.sums + p &* blockPanelSums, call.rows, level, call.row, call.panel &+ p)
  }
}

/// Any part of the rows and panels, made for many rows.
@inline(__always)
func multiplyBlocks(
  _ form: BlockForm, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ memory: UnsafeMutablePointer<UInt8>
) {
  let scratch = BlockScratch(memory)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(blockPanels, part.panelEnd &- panel)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(blockRows, part.rowEnd &- row)
      multiplyBlock(
        BlockCall(
          form: form, level: level, row: row, rows: rows, panel: panel, panels: panels, scratch: scratch))
      row &+= rows
    }
    panel &+= panels
  }
}
