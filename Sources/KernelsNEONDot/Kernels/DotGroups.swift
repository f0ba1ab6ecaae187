import CKernelABI
import CSIMD

// Scales per group by `sdot`: codes and weights are signed.

extension OutputVectors {
  /// Adds the products of 4 channels; `lane` of the codes, a literal.
  @inline(__always)
  mutating func addSigned(_ weights: TileVectors, _ codes: uint8x16_t, _ lane: Int) {
    a = signedDot(a, weights.a, codes, lane)
    b = signedDot(b, weights.b, codes, lane)
    c = signedDot(c, weights.c, codes, lane)
    d = signedDot(d, weights.d, codes, lane)
  }
}

@inline(__always)
private func signedDot(
  _ sum: int32x4_t, _ weights: uint8x16_t, _ codes: uint8x16_t, _ lane: Int
) -> int32x4_t {
  let (weights, codes) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(codes))
  switch lane {
  case 0: return snq_dot_lane0(sum, weights, codes)
  case 1: return snq_dot_lane1(sum, weights, codes)
  case 2: return snq_dot_lane2(sum, weights, codes)
  default: return snq_dot_lane3(sum, weights, codes)
  }
}

/// I of one group; codes are those of `prepareDotCodes`, and rows a literal.
@inline(__always)
private func dots(
  _ rows: Int, _ run: GroupRun, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
  _ channels: Int, _ group: Int
) -> TileSums {
  var tile = TileSums(rows)
  tile.row0 = OutputVectors(repeating: run.starts[group])
  if rows > 1 { tile.row1 = OutputVectors(repeating: run.starts[blockGroups &+ group]) }
  if rows > 2 { tile.row2 = OutputVectors(repeating: run.starts[2 &* blockGroups &+ group]) }
  if rows > 3 { tile.row3 = OutputVectors(repeating: run.starts[3 &* blockGroups &+ group]) }
  func addFour(_ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) {
    let (four, code) = (TileVectors(weights), snq_load_u8(codes))
    tile.row0.addSigned(four, code, 0)
    if rows > 1 { tile.row1.addSigned(four, code, 1) }
    if rows > 2 { tile.row2.addSigned(four, code, 2) }
    if rows > 3 { tile.row3.addSigned(four, code, 3) }
  }
  var (place, code, rest) = (weights, codes, channels)
  while rest >= 16 {
    addFour(place, code)
    addFour(place + 64, code + 16)
    addFour(place + 128, code + 32)
    addFour(place + 192, code + 48)
    place += 256
    code += 64
    rest &-= 16
  }
  while rest > 0 {
    addFour(place, code)
    place += 64
    code += 16
    rest &-= 4
  }
  return tile
}

@inline(__always)
private func multiply(_ rows: Int, isDirect: Bool, _ run: GroupRun) {
  run.multiply(rows, isDirect: isDirect, codeStep: 4 &* run.groupLength) { weights, codes, channels, group in
    dots(rows, run, weights, codes, channels, group)
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never) private func one(_ run: GroupRun) { multiply(1, isDirect: false, run) }
@inline(never) private func two(_ run: GroupRun) { multiply(2, isDirect: false, run) }
@inline(never) private func three(_ run: GroupRun) { multiply(3, isDirect: false, run) }
@inline(never) private func four(_ run: GroupRun) { multiply(4, isDirect: false, run) }
@inline(never) private func oneDirect(_ run: GroupRun) { multiply(1, isDirect: true, run) }
@inline(never) private func twoDirect(_ run: GroupRun) { multiply(2, isDirect: true, run) }
@inline(never) private func threeDirect(_ run: GroupRun) { multiply(3, isDirect: true, run) }
@inline(never) private func fourDirect(_ run: GroupRun) { multiply(4, isDirect: true, run) }

/// All groups of a tile of 1 to 4 rows.
@inline(__always)
func multiplyDotGroups(_ run: GroupRun, _ rows: Int, isDirect: Bool) {
  switch (rows, isDirect) {
  case (1, false): one(run)
  case (2, false): two(run)
  case (3, false): three(run)
  case (_, false): four(run)
  case (1, true): oneDirect(run)
  case (2, true): twoDirect(run)
  case (3, true): threeDirect(run)
  case (_, true): fourDirect(run)
  }
}
