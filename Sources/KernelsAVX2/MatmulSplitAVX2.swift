import CKernelABI
import CSIMD

// 8-bit codes with 8-bit weights for few rows. `vpmaddubsw` of both would saturate, so the codes, not the weights,
// are split: q = 16 * (q >> 4) + (q & 15). Products with half a code are at most 15 * 128 * 2 = 3840, and 8 of
// them add up in 16 bits. The weights, which come from far, are used as they are.

/// Channels whose halves of codes are in scratch memory at a time: 1 KiB a row and half.
private let splitChannels = 1024

/// One row against one panel.
private struct SplitSums {
  var lowHalves = OutputVectors()
  var highHalves = OutputVectors()

  @inline(__always)
  mutating func add(_ codes: UnsafePointer<UInt8>, _ weights: OutputVectors) {
    lowHalves.addBytes(snq_broadcast4_256(codes), weights)
    highHalves.addBytes(snq_broadcast4_256(codes + splitChannels), weights)
  }

  @inline(__always)
  func widen(into sums: inout OutputVectors) {
    sums.widen(lowHalves, _mm256_set1_epi16(1))
    sums.widen(highHalves, _mm256_set1_epi16(16))
  }
}

/// Writes q & 15 to `target` and q >> 4 `splitChannels` behind it; `channels` is a multiple of 4.
@inline(__always)
private func splitCodes(
  _ codes: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let mask = _mm256_set1_epi8(0x0f)
  var channel = 0
  while channels &- channel >= 32 {
    let bytes = snq_load_256(codes + channel)
    snq_store_256(target + channel, _mm256_and_si256(bytes, mask))
    snq_store_256(target + (channel &+ splitChannels), snq_high_nibbles_256(bytes))
    channel &+= 32
  }
  while channel < channels {
    let four = UnsafeRawPointer(codes + channel).loadUnaligned(as: UInt32.self)
    let raw = UnsafeMutableRawPointer(target + channel)
    raw.storeBytes(of: four & 0x0f0f_0f0f, as: UInt32.self)
    (raw + splitChannels).storeBytes(of: (four &>> 4) & 0x0f0f_0f0f, as: UInt32.self)
    channel &+= 4
  }
}

/// Two results at a time share what they have in common: the codes of one row, or the weights of one panel.
private struct SplitTile {
  let rows: Int
  let panels: Int
  let panelStride: Int
  var tile: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  var first: OutputVectors
  var second: OutputVectors

  /// Adds 8 groups of 4 channels. Written out, because the optimiser leaves a loop of this length.
  @inline(__always)
  mutating func addEight() {
    var (sums, otherSums) = (SplitSums(), SplitSums())
    add(0, &sums, &otherSums)
    add(1, &sums, &otherSums)
    add(2, &sums, &otherSums)
    add(3, &sums, &otherSums)
    add(4, &sums, &otherSums)
    add(5, &sums, &otherSums)
    add(6, &sums, &otherSums)
    add(7, &sums, &otherSums)
    widen(8, sums, otherSums)
  }

  @inline(__always)
  mutating func addOne() {
    var (sums, otherSums) = (SplitSums(), SplitSums())
    add(0, &sums, &otherSums)
    widen(1, sums, otherSums)
  }

  @inline(__always)
  private func add(_ group: Int, _ sums: inout SplitSums, _ otherSums: inout SplitSums) {
    let vectors = OutputVectors.loaded(tile + group &* 64)
    let place = codes + group &* 4
    sums.add(place, vectors)
    if panels > 1 {
      otherSums.add(place, .loaded(tile + (panelStride &+ group &* 64)))
      // The same tile of the next two panels, which may still be in L3 or in memory.
      snq_prefetch(tile + (2 &* panelStride &+ group &* 64))
      snq_prefetch(tile + (3 &* panelStride &+ group &* 64))
    }
    if rows > 1 { otherSums.add(place + 2 &* splitChannels, vectors) }
  }

  @inline(__always)
  private mutating func widen(_ groups: Int, _ sums: SplitSums, _ otherSums: SplitSums) {
    tile += groups &* 64
    codes += groups &* 4
    sums.widen(into: &first)
    if rows > 1 || panels > 1 { otherSums.widen(into: &second) }
  }
}

@inline(__always)
private func addBlock(
  _ rows: Int, _ panels: Int, _ weights: UnsafePointer<UInt8>, _ panelStride: Int,
  _ codes: UnsafePointer<UInt8>, _ channels: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  var tile = SplitTile(
    rows: rows, panels: panels, panelStride: panelStride, tile: weights, codes: codes, first: .loaded(sums),
    second: .loaded(sums + 2))
  var rest = channels &>> 2
  while rest >= 8 {
    tile.addEight()
    rest &-= 8
  }
  while rest > 0 {
    tile.addOne()
    rest &-= 1
  }
  tile.first.store(sums)
  tile.second.store(sums + 2)
}

@inline(__always)
private func multiply(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let panelStride = Int(level.pointee.panelStride)
  let codeStride = Int(level.pointee.codeStride)
  let weights = allWeights + panel &* panelStride
  let codes = allCodes + row &* codeStride
  let channels = Int(level.pointee.paddedChannels)
  let halves = scratch + 128
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  OutputVectors().store(sums)
  OutputVectors().store(sums + 2)
  var channel = 0
  while channel < channels {
    let count = min(splitChannels, channels &- channel)
    splitCodes(codes + channel, count, halves)
    if rows > 1 { splitCodes(codes + (codeStride &+ channel), count, halves + 2 &* splitChannels) }
    addBlock(rows, panels, weights + channel &* 16, panelStride, halves, count, sums)
    channel &+= count
  }
  finishTile(sums, rows, level, row, panel)
  if panels > 1 { finishTile(sums + 2, rows, level, row, panel &+ 1) }
}

@inline(never)
private func split1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ scratch: UnsafeMutablePointer<UInt8>
) {
  multiply(1, 1, level, row, panel, scratch)
}

@inline(never)
private func split1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ scratch: UnsafeMutablePointer<UInt8>
) {
  multiply(1, 2, level, row, panel, scratch)
}

@inline(never)
private func split2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ scratch: UnsafeMutablePointer<UInt8>
) {
  multiply(2, 1, level, row, panel, scratch)
}

/// 8-bit codes with 8-bit weights, any part of the rows and panels.
func multiplySplit(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  var row = part.rowBegin
  var panel = part.panelBegin
  let pairedEnd = part.rowEnd &- (part.rowEnd &- part.rowBegin) & 1
  while panel < part.panelEnd {
    row = part.rowBegin
    while row < pairedEnd {
      split2x1(level, row, panel, scratch)
      row &+= 2
    }
    panel &+= 1
  }
  guard pairedEnd < part.rowEnd else { return }
  panel = part.panelBegin
  while part.panelEnd &- panel >= 2 {
    split1x2(level, pairedEnd, panel, scratch)
    panel &+= 2
  }
  if panel < part.panelEnd { split1x1(level, pairedEnd, panel, scratch) }
}
