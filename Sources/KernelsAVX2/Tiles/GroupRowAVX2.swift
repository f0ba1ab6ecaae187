import CKernelABI
import CSIMD

// One row: what takes time is reading weights, so they are multiplied as they come, two panels at a time. How, says the
// module.

/// One group of one row against two panels, or against one.
struct RowGroup {
  let weights: UnsafePointer<UInt8>
  /// Bytes to the second panel; 0: there is one.
  let panelStep: Int
  let codes: UnsafePointer<UInt8>
  let channels: Int
}

/// I of one row against two panels.
struct RowDots {
  var first: OutputVectors
  var second: OutputVectors

  @inline(__always)
  init(_ start: Int32) {
    let start = _mm256_set1_epi32(start)
    first = OutputVectors(low: start, high: start)
    second = first
  }
}

extension GroupFloats {
  @inline(__always)
  fileprivate mutating func add(_ dots: OutputVectors, _ scales: GroupFloats) {
    low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.low), scales.low, low)
    high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.high), scales.high, high)
  }

  @inline(__always)
  fileprivate mutating func add(_ parts: GroupFloats, _ rowScale: Float) {
    let scale = _mm256_set1_ps(rowScale)
    low = _mm256_fmadd_ps(parts.low, scale, low)
    high = _mm256_fmadd_ps(parts.high, scale, high)
  }
}

/// Asks for the same bytes of the next two panels: they may still be in L3 or in memory. More lines than these at once
/// hold up the loads that are needed now: groups of 64 channels of bytes were slower with them.
@inline(__always)
private func prefetchPanels(_ tile: UnsafePointer<UInt8>, _ panelStep: Int, _ count: Int) {
  guard count <= 512 else { return }
  let first = tile + 2 &* panelStep
  // Straight code: the end of a loop of eight turns is mispredicted.
  prefetchFour(first, panelStep)
  if count > 256 { prefetchFour(first + 256, panelStep) }
}

/// Four lines of either panel; behind the last a few too many.
@inline(__always)
private func prefetchFour(_ first: UnsafePointer<UInt8>, _ panelStep: Int) {
  for line in 0..<4 {
    snq_prefetch(first + 64 &* line)
    snq_prefetch(first + (panelStep &+ 64 &* line))
  }
}

/// One row and two panels, or one.
struct GroupRow {
  let level: GroupLevel
  let row: Int
  let panel: Int
  let panels: Int
  /// y of the panels, 16 floats each, and behind them scratch memory.
  let totals: UnsafeMutablePointer<Float>

  /// Scales are float16, and there are no offsets.
  var isHalves: Bool {
    level.args.pointee.scaleType == UInt32(SNQ_GROUP_FLOAT16) && level.args.pointee.groupOffsets == nil
  }
}

/// Where the next group of a row begins.
private struct RowCursor {
  let level: GroupLevel
  /// Scales are float16 and there are no offsets: a literal, as the next one.
  let isHalves: Bool
  let asksAhead: Bool
  let panel: Int
  let second: Int
  let panelStep: Int
  let scaleStep: Int
  let constant: Int32
  let firstScales: UnsafeRawPointer
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  var sums: UnsafePointer<Int32>
  var scales: UnsafeRawPointer

  @inline(__always)
  init?(isHalves: Bool, asksAhead: Bool, _ place: GroupRow, _ constant: Int32) {
    let args = place.level.args
    guard let weights = args.pointee.weights, let codes = args.pointee.codes,
      let sums = args.pointee.groupSums, let scales = args.pointee.groupScales
    else { return nil }
    level = place.level
    self.isHalves = isHalves
    self.asksAhead = asksAhead
    panel = place.panel
    self.constant = constant
    second = place.panels > 1 ? panel &+ 1 : panel
    scaleStep = place.panels > 1 ? level.scaleBytes &* level.groups : 0
    panelStep = place.panels > 1 ? Int(args.pointee.panelStride) : 0
    firstScales = scales
    self.weights = weights + panel &* Int(args.pointee.panelStride)
    self.codes =
      UnsafeRawPointer(codes).assumingMemoryBound(to: UInt8.self) + place.row &* Int(args.pointee.codeStride)
    self.sums = sums + place.row &* args.pointee.groupSumStride
    self.scales = scales + panel &* level.groups &* level.scaleBytes
  }

  /// z of one group, and on to the next.
  @inline(__always)
  mutating func addGroup(
    _ channels: Int, _ z0: inout GroupFloats, _ z1: inout GroupFloats,
    _ addDots: (inout RowDots, RowGroup) -> Void
  ) {
    let bytes = channels &* level.channelBytes
    if asksAhead { prefetchPanels(weights, panelStep, bytes) }
    var dots = RowDots(constant &* sums.pointee)
    addDots(&dots, RowGroup(weights: weights, panelStep: panelStep, codes: codes, channels: channels))
    let factors = level.args.pointee.outputScale
    z0.add(dots.first, level.numbers(isHalves: isHalves, scales, factors, panel))
    z1.add(dots.second, level.numbers(isHalves: isHalves, scales + scaleStep, factors, second))
    if !isHalves, let offsets = level.args.pointee.groupOffsets {
      let sum = RowDots(sums.pointee).first
      let place = offsets + (scales - firstScales)
      let factors = level.args.pointee.outputOffset
      z0.add(sum, level.numbers(place, factors, panel))
      z1.add(sum, level.numbers(place + scaleStep, factors, second))
    }
    weights += bytes
    codes += channels
    sums += 1
    scales += isHalves ? 32 : level.scaleBytes
  }
}

/// All groups of one row and two panels, or one; y is in `totals` before and after. `asksAhead`: for the next panels,
/// which helps where products take so long that few loads are under way.
@inline(__always)
func multiplyGroupRow(
  isHalves: Bool, asksAhead: Bool, _ place: GroupRow, _ constant: Int32,
  _ addDots: (inout RowDots, RowGroup) -> Void
) {
  let (level, args) = (place.level, place.level.args)
  guard var cursor = RowCursor(isHalves: isHalves, asksAhead: asksAhead, place, constant),
    let rowScales = args.pointee.rowScales
  else { return }
  var rowScale = rowScales + place.row &* args.pointee.rowScaleStride
  var (y0, y1) = (GroupFloats(place.totals), GroupFloats(place.totals + 16))
  let lastChannels = Int(args.pointee.paddedChannels) &- (level.groups &- 1) &* level.groupLength
  var rest = level.groups
  repeat {
    var (z0, z1) = (GroupFloats(), GroupFloats())
    var count = min(rest, level.groupsOfScale)
    rest &-= count
    repeat {
      count &-= 1
      let channels = rest &+ count == 0 ? lastChannels : level.groupLength
      cursor.addGroup(channels, &z0, &z1, addDots)
    } while count > 0
    y0.add(z0, rowScale.pointee)
    y1.add(z1, rowScale.pointee)
    rowScale += 1
  } while rest > 0
  y0.store(place.totals)
  y1.store(place.totals + 16)
}

/// One row against the panels of a part, by the function for two of them.
@inline(__always)
func multiplyGroupRow(
  _ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>,
  _ multiply: (GroupRow) -> Void
) {
  let totals = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(2, part.panelEnd &- panel)
    for p in 0..<panels { startRow(level.args, part.rowBegin, panel &+ p, totals + 16 &* p, totals + 64) }
    multiply(GroupRow(level: level, row: part.rowBegin, panel: panel, panels: panels, totals: totals))
    for p in 0..<panels { storeRow(level.args, part.rowBegin, panel &+ p, totals + 16 &* p) }
    panel &+= panels
  }
}
