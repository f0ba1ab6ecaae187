import CKernelABI
import CSIMD

// Weights with scales per group. In scratch memory they are always signed bytes:
//     nibbles  the code, twice the code, or the entry of the codebook
//     bytes    the code less 128, or twice the code less 128
// What that differs from the weights by is the same for all channels of a group, so the sum of its codes gives it back.

/// One level with scales per group.
struct GroupLevel {
  let args: UnsafePointer<snq_group_matmul_args>
  let groupLength: Int
  let groups: Int
  /// Groups of weights that share a scale of the row.
  let groupsOfScale: Int
  /// Of the scales of a group and panel.
  let scaleBytes: Int
  let isNibbles: Bool
  /// What I gets for each unit of Q when weights are signed bytes as above.
  let constant: Int32

  @inline(__always)
  init(_ args: UnsafePointer<snq_group_matmul_args>) {
    self.args = args
    groupLength = max(16, Int(args.pointee.groupLength))
    groups = (Int(args.pointee.channels) &+ groupLength &- 1) / groupLength
    let rowGroupLength = Int(args.pointee.rowGroupLength)
    groupsOfScale = rowGroupLength == 0 ? groups : rowGroupLength / groupLength
    let type = args.pointee.scaleType
    scaleBytes = type == UInt32(SNQ_GROUP_FLOAT32) ? 64 : type == UInt32(SNQ_GROUP_FLOAT16) ? 32 : 16
    isNibbles = args.pointee.layout == UInt32(SNQ_NIBBLES)
    let lost: Int32 = isNibbles ? 0 : 128
    constant = args.pointee.codebook == nil ? lost &- args.pointee.weightConstant : 0
  }

  /// Bytes of a panel for one channel.
  @inline(__always) var channelBytes: Int { isNibbles ? 8 : 16 }
  /// Weights are their codes less a constant.
  @inline(__always) var isPlain: Bool { args.pointee.codebook == nil && args.pointee.weightMultiplier == 1 }

  /// 16 scales or offsets of a group. `isHalves`: they are float16, a literal; else the type is looked at.
  @inline(__always)
  func numbers(
    isHalves: Bool = false, _ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?, _ panel: Int
  ) -> PanelFloats {
    let type = args.pointee.scaleType
    if isHalves || type == UInt32(SNQ_GROUP_FLOAT16) {
      return PanelFloats(
        snq_load_halves_f32(source), snq_load_halves_f32(source + 8), snq_load_halves_f32(source + 16),
        snq_load_halves_f32(source + 24))
    }
    if type == UInt32(SNQ_GROUP_FLOAT32) { return PanelFloats(source.assumingMemoryBound(to: Float.self)) }
    guard let factors else { return PanelFloats() }
    let scales = PanelFloats(factors + 16 &* panel)
    return PanelFloats(
      vmulq_f32(scales.a, snq_load_bytes_f32(source)), vmulq_f32(scales.b, snq_load_bytes_f32(source + 4)),
      vmulq_f32(scales.c, snq_load_bytes_f32(source + 8)),
      vmulq_f32(scales.d, snq_load_bytes_f32(source + 12)))
  }

  /// The signed bytes that nibbles stand for.
  @inline(__always)
  func entries() -> uint8x16_t {
    if let codebook = args.pointee.codebook {
      return snq_load_table_u8(codebook, 1 &<< Int(args.pointee.weightBits))
    }
    let numbers = snq_ascending_u8()
    return args.pointee.weightMultiplier == 2 ? vaddq_u8(numbers, numbers) : numbers
  }

  /// Some channels of a panel as signed bytes, 64 for 4 channels of 16 outputs.
  @inline(never)
  func unpack(_ panel: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>) {
    var (tile, place, rest) = (panel, target, channels)
    if isNibbles {
      let table = entries()
      while rest > 0 {
        let nibbles = TileVectors(tile)
        nibbles.lowNibbles().map { vqtbl1q_u8(table, $0) }.store(place)
        nibbles.highNibbles().map { vqtbl1q_u8(table, $0) }.store(place + 64)
        tile += 64
        place += 128
        rest &-= 8
      }
      return
    }
    let (flip, isTwice) = (vdupq_n_u8(128), args.pointee.weightMultiplier == 2)
    while rest > 0 {
      TileVectors(tile).map { veorq_u8(isTwice ? snq_left1_u8($0) : $0, flip) }.store(place)
      tile += 64
      place += 64
      rest &-= 4
    }
  }
}

extension PanelFloats {
  /// + I * s.
  @inline(__always)
  func adding(_ dots: OutputVectors, _ scales: PanelFloats) -> PanelFloats {
    PanelFloats(
      vfmaq_f32(a, vcvtq_f32_s32(dots.a), scales.a), vfmaq_f32(b, vcvtq_f32_s32(dots.b), scales.b),
      vfmaq_f32(c, vcvtq_f32_s32(dots.c), scales.c), vfmaq_f32(d, vcvtq_f32_s32(dots.d), scales.d))
  }

  /// + numbers * a factor.
  @inline(__always)
  func adding(_ numbers: PanelFloats, _ factor: Float) -> PanelFloats {
    let factor = vdupq_n_f32(factor)
    return PanelFloats(
      vfmaq_f32(a, numbers.a, factor), vfmaq_f32(b, numbers.b, factor), vfmaq_f32(c, numbers.c, factor),
      vfmaq_f32(d, numbers.d, factor))
  }
}

/// y = 0, the bias or the outputs so far, and z = 0; one row.
@inline(__always)
func startRow(
  _ args: UnsafePointer<snq_group_matmul_args>, _ row: Int, _ panel: Int,
  _ totals: UnsafeMutablePointer<Float>, _ parts: UnsafeMutablePointer<Float>
) {
  PanelFloats().store(parts)
  let accumulates = args.pointee.mode == UInt32(SNQ_ACCUMULATE)
  guard accumulates, 16 &* panel &+ 16 > Int(args.pointee.outputs) else {
    let outputs = args.pointee.output + (row &* args.pointee.outputStride &+ 16 &* panel)
    if accumulates {
      PanelFloats(outputs).store(totals)
    } else if let bias = args.pointee.bias {
      PanelFloats(bias + 16 &* panel).store(totals)
    } else {
      PanelFloats().store(totals)
    }
    return
  }
  for quarter in 0..<4 {
    let first = panel &* 16 &+ 4 &* quarter
    let rest = Int(args.pointee.outputs) &- first
    var begin = vdupq_n_f32(0)
    let place = args.pointee.output + (row &* args.pointee.outputStride &+ first)
    if rest >= 4 { begin = snq_load_f32(place) } else if rest > 0 { begin = snq_load_some_f32(place, rest) }
    snq_store_f32(totals + 4 &* quarter, begin)
  }
}

/// Writes y of one row.
@inline(__always)
func storeRow(
  _ args: UnsafePointer<snq_group_matmul_args>, _ row: Int, _ panel: Int, _ totals: UnsafePointer<Float>
) {
  if 16 &* panel &+ 16 <= Int(args.pointee.outputs) {
    return PanelFloats(totals).store(args.pointee.output + (row &* args.pointee.outputStride &+ 16 &* panel))
  }
  for quarter in 0..<4 {
    let first = panel &* 16 &+ 4 &* quarter
    let rest = Int(args.pointee.outputs) &- first
    if rest <= 0 { break }
    let place = args.pointee.output + (row &* args.pointee.outputStride &+ first)
    let values = snq_load_f32(totals + 4 &* quarter)
    if rest >= 4 { snq_store_f32(place, values) } else { snq_store_some_f32(place, values, rest) }
  }
}
