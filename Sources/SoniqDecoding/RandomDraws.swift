/// Random numbers by their index: SplitMix64 over a counter, as described in soniq.h.
struct RandomDraws {
  let seed: UInt64

  /// Draw number `index`: a multiple of 2^-53 in 0..<1.
  subscript(index: UInt64) -> Double {
    var bits = seed &+ (index &+ 1) &* 0x9e37_79b9_7f4a_7c15
    bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
    bits ^= bits >> 31
    return Double(bits >> 11) * 0x1p-53
  }
}
