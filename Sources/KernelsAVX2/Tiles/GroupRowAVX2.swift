import CKernelABI
import CSIMD

// One row: what takes time is reading weights, so they are multiplied as they come, two panels at a time. How, says
// `rowGroup` of the module.

/// One row against two panels, or against one.
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

/// y or z of one row and panel.
private struct RowFloats {
  var low = _mm256_setzero_ps()
  var high = _mm256_setzero_ps()

  @inline(__always)
  mutating func add(_ dots: OutputVectors, _ scales: RowFloats) {
    low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.low), scales.low, low)
    high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.high), scales.high, high)
  }

  @inline(__always)
  mutating func add(_ parts: RowFloats, _ rowScale: Float) {
    let scale = _mm256_set1_ps(rowScale)
    low = _mm256_fmadd_ps(parts.low, scale, low)
    high = _mm256_fmadd_ps(parts.high, scale, high)
  }

  @inline(__always) init() {}

  @inline(__always)
  init(_ memory: UnsafePointer<Float>) {
    low = _mm256_loadu_ps(memory)
    high = _mm256_loadu_ps(memory + 8)
  }

  /// 16 scales or offsets.
  @inline(__always)
  init(_ level: GroupLevel, _ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?, _ panel: Int) {
    let type = level.args.pointee.scaleType
    if type == UInt32(SNQ_GROUP_FLOAT16) {
      low = snq_256_from_halves(source)
      high = snq_256_from_halves(source + 16)
    } else if type == UInt32(SNQ_GROUP_FLOAT32) {
      let floats = source.assumingMemoryBound(to: Float.self)
      low = _mm256_loadu_ps(floats)
      high = _mm256_loadu_ps(floats + 8)
    } else if let factors {
      let place = factors + 16 &* panel
      low = _mm256_mul_ps(_mm256_loadu_ps(place), _mm256_cvtepi32_ps(snq_256_from_bytes(source)))
      high = _mm256_mul_ps(_mm256_loadu_ps(place + 8), _mm256_cvtepi32_ps(snq_256_from_bytes(source + 8)))
    }
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<Float>) {
    _mm256_storeu_ps(memory, low)
    _mm256_storeu_ps(memory + 8, high)
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

/// All groups of one row and two panels (or one); y is in `totals`, 16 floats a panel, before and after.
@inline(__always)
func multiplyGroupRow(
  _ level: GroupLevel, _ row: Int, _ panel: Int, _ panels: Int, _ totals: UnsafeMutablePointer<Float>,
  _ constant: Int32, _ addGroup: (inout RowDots, RowGroup) -> Void
) {
  let args = level.args
  guard let weights = args.pointee.weights, let codes = args.pointee.codes, let sums = args.pointee.groupSums,
    let rowScales = args.pointee.rowScales, let allScales = args.pointee.groupScales
  else { return }
  let (factors, offsetFactors) = (args.pointee.outputScale, args.pointee.outputOffset)
  let scaleBytes =
    args.pointee.scaleType == UInt32(SNQ_GROUP_FLOAT32)
    ? 64
    : args.pointee.scaleType == UInt32(SNQ_GROUP_FLOAT16) ? 32 : 16
  let scaleStep = panels > 1 ? scaleBytes &* level.groups : 0
  let second = panels > 1 ? panel &+ 1 : panel
  var scales = allScales + panel &* level.groups &* scaleBytes
  let offsets = args.pointee.groupOffsets.map { $0 + panel &* level.groups &* scaleBytes }
  var rowScale = rowScales + row &* args.pointee.rowScaleStride
  let rowSums = sums + row &* args.pointee.groupSumStride
  let rowCodes =
    UnsafeRawPointer(codes).assumingMemoryBound(to: UInt8.self) + row &* Int(args.pointee.codeStride)
  let tile = weights + panel &* Int(args.pointee.panelStride)
  let panelStep = panels > 1 ? Int(args.pointee.panelStride) : 0
  var (y0, y1) = (RowFloats(totals), RowFloats(totals + 16))
  var (z0, z1) = (RowFloats(), RowFloats())
  var restOfScale = level.groupsOfScale
  var channel = 0
  for group in 0..<level.groups {
    let isLast = group &+ 1 == level.groups
    let channels = isLast ? Int(args.pointee.paddedChannels) &- channel : level.groupLength
    prefetchPanels(tile + channel &* level.channelBytes, panelStep, channels &* level.channelBytes)
    var dots = RowDots(constant &* rowSums[group])
    addGroup(
      &dots,
      RowGroup(
        weights: tile + channel &* level.channelBytes, panelStep: panelStep, codes: rowCodes + channel,
        channels: channels))
    z0.add(dots.first, RowFloats(level, scales, factors, panel))
    z1.add(dots.second, RowFloats(level, scales + scaleStep, factors, second))
    if let offsets {
      let sum = RowDots(rowSums[group]).first
      let place = offsets + group &* scaleBytes
      z0.add(sum, RowFloats(level, place, offsetFactors, panel))
      z1.add(sum, RowFloats(level, place + scaleStep, offsetFactors, second))
    }
    scales += scaleBytes
    channel &+= channels
    restOfScale &-= 1
    if restOfScale == 0 || isLast {
      y0.add(z0, rowScale.pointee)
      y1.add(z1, rowScale.pointee)
      rowScale += 1
      (z0, z1) = (RowFloats(), RowFloats())
      restOfScale = level.groupsOfScale
    }
  }
  y0.store(totals)
  y1.store(totals + 16)
}

/// One row against the panels of a part, by the function for two of them.
@inline(__always)
func multiplyGroupRow(
  _ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>,
  _ multiplyPair: (GroupLevel, Int, Int, Int, UnsafeMutablePointer<Float>) -> Void
) {
  let totals = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(2, part.panelEnd &- panel)
    for p in 0..<panels { startRow(level.args, part.rowBegin, panel &+ p, totals + 16 &* p, totals + 64) }
    multiplyPair(level, part.rowBegin, panel, panels, totals)
    for p in 0..<panels { storeRow(level.args, part.rowBegin, panel &+ p, totals + 16 &* p) }
    panel &+= panels
  }
}
