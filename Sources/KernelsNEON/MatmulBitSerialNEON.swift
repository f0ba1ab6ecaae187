import CKernelABI
import CSIMD

// Bits of a plane of weights AND bits of a plane of codes, counted: 3 instructions for 128 products. Carry-save adders do
// not pay here: one takes 3 instructions (two `eor`, one `bsl`) and saves a `cnt` and an addition.

/// Counts of 16 outputs: a byte for every 8 channels.
private struct BitCounts {
  private var a = vdupq_n_u8(0)
  private var b = vdupq_n_u8(0)
  private var c = vdupq_n_u8(0)
  private var d = vdupq_n_u8(0)

  @inline(__always)
  mutating func add(_ tile: TileVectors, _ codes: UnsafePointer<UInt8>) {
    let bits = snq_repeat_word_u8(codes)
    a = vaddq_u8(a, vcntq_u8(vandq_u8(tile.a, bits)))
    b = vaddq_u8(b, vcntq_u8(vandq_u8(tile.b, bits)))
    c = vaddq_u8(c, vcntq_u8(vandq_u8(tile.c, bits)))
    d = vaddq_u8(d, vcntq_u8(vandq_u8(tile.d, bits)))
  }

  /// Adds them, times 2^shift, to 16 sums, or to 0.
  @inline(__always)
  func widen(into memory: UnsafeMutablePointer<Int32>, _ shift: int32x4_t, isFirst: Bool) {
    // Not read before the loop, where it would take registers.
    let place = snq_after_u8(UnsafeRawPointer(memory).assumingMemoryBound(to: UInt8.self), a, b, c, d)
    let sums =
      isFirst ? OutputVectors() : OutputVectors(UnsafeRawPointer(place).assumingMemoryBound(to: Int32.self))
    OutputVectors(
      snq_add_shifted_fours(sums.a, a, shift), snq_add_shifted_fours(sums.b, b, shift),
      snq_add_shifted_fours(sums.c, c, shift), snq_add_shifted_fours(sums.d, d, shift)
    ).store(memory)
  }
}

/// Tiles whose counts fit in bytes.
private let tilesInBytes = 31

/// One plane of a panel against one plane of some rows.
private struct BitRun {
  let plane: UnsafePointer<UInt8>
  /// Of the first row.
  let codes: UnsafePointer<UInt8>
  let codeStride: Int
  let tiles: Int
  /// The planes count 2^shift.
  let shift: Int32
  /// The sums have no meaning before.
  let isFirst: Bool
  /// [row][16].
  let sums: UnsafeMutablePointer<Int32>
}

/// * rows: 1, 2 or 4, a literal.
@inline(__always)
private func count(_ rows: Int, _ run: BitRun) {
  let shift = vdupq_n_s32(run.shift)
  var (tile, rest, isFirst) = (run.plane, run.tiles, run.isFirst)
  var codes0 = run.codes
  var codes1 = codes0 + (rows > 1 ? run.codeStride : 0)
  var codes2 = codes0 + (rows > 2 ? 2 &* run.codeStride : 0)
  var codes3 = codes0 + (rows > 2 ? 3 &* run.codeStride : 0)
  while rest > 0 {
    var (row0, row1, row2, row3) = (BitCounts(), BitCounts(), BitCounts(), BitCounts())
    var count = min(rest, tilesInBytes)
    rest &-= count
    repeat {
      let weights = TileVectors(tile)
      row0.add(weights, codes0)
      codes0 += 4
      if rows > 1 {
        row1.add(weights, codes1)
        codes1 += 4
      }
      if rows > 2 {
        row2.add(weights, codes2)
        row3.add(weights, codes3)
        codes2 += 4
        codes3 += 4
      }
      tile += 64
      count &-= 1
    } while count > 0
    row0.widen(into: run.sums, shift, isFirst: isFirst)
    if rows > 1 { row1.widen(into: run.sums + 16, shift, isFirst: isFirst) }
    if rows > 2 {
      row2.widen(into: run.sums + 32, shift, isFirst: isFirst)
      row3.widen(into: run.sums + 48, shift, isFirst: isFirst)
    }
    isFirst = false
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func count4(_ run: BitRun) { count(4, run) }
@inline(never)
private func count2(_ run: BitRun) { count(2, run) }
@inline(never)
private func count1(_ run: BitRun) { count(1, run) }

/// All planes of a panel and of 1, 2 or 4 rows.
@inline(__always)
private func multiply(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ rows: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<Int32>
) {
  guard let weights = level.pointee.weights, let codes = level.pointee.codes else { return }
  let (weightBits, codeBits) = (Int(level.pointee.weightBits), Int(level.pointee.activationBits))
  let tiles = Int(level.pointee.paddedChannels) &>> 5
  for index in 0..<weightBits {
    let plane = weights + (panel &* level.pointee.panelStride &+ index &* level.pointee.planeStride)
    for bit in 0..<codeBits {
      let run = BitRun(
        plane: plane, codes: codes + (row &* level.pointee.codeStride &+ bit &* tiles &* 4),
        codeStride: level.pointee.codeStride, tiles: tiles,
        shift: Int32(truncatingIfNeeded: weightBits &- 1 &- index &+ bit), isFirst: index &+ bit == 0,
        sums: sums)
      switch rows {
      case 4: count4(run)
      case 2: count2(run)
      default: count1(run)
      }
    }
  }
  finishTile(sums, rows, level, row, panel)
}

@c @implementation
func snq_matmul_bit_serial_4x1__neon(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  let part = MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd)
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
  for panel in part.panelBegin..<part.panelEnd {
    var row = part.rowBegin
    while row < part.rowEnd {
      let rest = part.rowEnd &- row
      let rows = rest >= 4 ? 4 : rest >= 2 ? 2 : 1
      multiply(level, row, rows, panel, sums)
      row &+= rows
    }
  }
}
