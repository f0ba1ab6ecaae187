import CSIMD

// Scales per group by `smmla`: codes and weights are signed. 4 rows x 1 panel: what ends a group needs registers too.

/// I of 2 rows: of every two outputs (row 0, row 0, row 1, row 1).
private struct PairDots {
  private var a: int32x4_t
  private var b: int32x4_t
  private var c: int32x4_t
  private var d: int32x4_t
  private var e: int32x4_t
  private var f: int32x4_t
  private var g: int32x4_t
  private var h: int32x4_t

  @inline(__always)
  init(_ starts: UnsafePointer<Int32>) {
    a = vcombine_s32(vdup_n_s32(starts[0]), vdup_n_s32(starts[blockGroups]))
    (b, c, d, e, f, g, h) = (a, a, a, a, a, a, a)
  }

  /// Adds 8 channels of two outputs, `index` of 8, a literal.
  @inline(__always)
  mutating func add(_ index: Int, _ codes: uint8x16_t, _ weights: int8x16_t) {
    let codes = vreinterpretq_s8_u8(codes)
    switch index {
    case 0: a = vmmlaq_s32(a, codes, weights)
    case 1: b = vmmlaq_s32(b, codes, weights)
    case 2: c = vmmlaq_s32(c, codes, weights)
    case 3: d = vmmlaq_s32(d, codes, weights)
    case 4: e = vmmlaq_s32(e, codes, weights)
    case 5: f = vmmlaq_s32(f, codes, weights)
    case 6: g = vmmlaq_s32(g, codes, weights)
    default: h = vmmlaq_s32(h, codes, weights)
    }
  }

  @inline(__always)
  func upper() -> OutputVectors {
    OutputVectors(
      snq_zip_low_s64(a, b), snq_zip_low_s64(c, d), snq_zip_low_s64(e, f), snq_zip_low_s64(g, h))
  }

  @inline(__always)
  func lower() -> OutputVectors {
    OutputVectors(
      snq_zip_high_s64(a, b), snq_zip_high_s64(c, d), snq_zip_high_s64(e, f), snq_zip_high_s64(g, h))
  }
}

/// I of one group; codes are those of `prepareMatrixCodes`. pairs: of rows, 1 or 2, a literal.
@inline(__always)
private func dots(
  _ pairs: Int, _ run: GroupRun, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
  _ channels: Int, _ group: Int
) -> TileSums {
  var p = PairDots(run.starts + group)
  var q = pairs > 1 ? PairDots(run.starts + (2 &* blockGroups &+ group)) : p
  var (place, code, rest) = (UnsafeRawPointer(weights).assumingMemoryBound(to: Int8.self), codes, channels)
  while rest > 0 {
    let x = snq_load_u8(code)
    let y = pairs > 1 ? snq_load_u8(code + 16) : x
    func add(_ index: Int) {
      let outputs = snq_load_s8(place + 16 &* index)
      p.add(index, x, outputs)
      if pairs > 1 { q.add(index, y, outputs) }
    }
    add(0)
    add(1)
    add(2)
    add(3)
    add(4)
    add(5)
    add(6)
    add(7)
    place += 128
    code += 32
    rest &-= 8
  }
  var tile = TileSums(2 &* pairs)
  (tile.row0, tile.row1) = (p.upper(), p.lower())
  if pairs > 1 { (tile.row2, tile.row3) = (q.upper(), q.lower()) }
  return tile
}

@inline(__always)
private func multiply(_ pairs: Int, isDirect: Bool, _ run: GroupRun) {
  run.multiply(2 &* pairs, isDirect: isDirect, codeStep: 4 &* run.groupLength) {
    weights, codes, channels, group in
    dots(pairs, run, weights, codes, channels, group)
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never) private func one(_ run: GroupRun) { multiply(1, isDirect: false, run) }
@inline(never) private func two(_ run: GroupRun) { multiply(2, isDirect: false, run) }
@inline(never) private func oneDirect(_ run: GroupRun) { multiply(1, isDirect: true, run) }
@inline(never) private func twoDirect(_ run: GroupRun) { multiply(2, isDirect: true, run) }

/// All groups of a tile of 1 to 4 rows; of an odd number the row behind the last has no meaning.
@inline(__always)
func multiplyMatrixGroups(_ run: GroupRun, _ rows: Int, isDirect: Bool) {
  switch (rows, isDirect) {
  case (...2, false): one(run)
  case (_, false): two(run)
  case (...2, true): oneDirect(run)
  case (_, true): twoDirect(run)
  }
}
