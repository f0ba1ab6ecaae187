import CKernelABI
import CSIMD

/// One level with scales per group as the tiles read it.
struct GroupLevel {
  let args: UnsafePointer<snq_group_matmul_args>
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let sums: UnsafePointer<Int32>
  let rowScales: UnsafePointer<Float>
  let scales: UnsafeRawPointer
  let panelStride: Int
  /// Bytes of weights, bytes of scales and numbers of outputs from the first panel of a tile to its second; 0 where
  /// there is only one.
  let weightStep: Int
  let scaleStep: Int
  let outputStep: Int
  /// Padded channels of the last group.
  let lastChannels: Int
  let codeStride: Int
  let rowScaleStride: Int
  let paddedChannels: Int
  let groupLength: Int
  let groups: Int
  /// Groups of weights that share a scale of the row.
  let groupsOfScale: Int
  let scaleType: UInt32
  /// Every group of weights has a scale of the row: y takes the products without z.
  let isDirect: Bool
  let offsets: UnsafeRawPointer?
  /// Bytes of a scale or offset as the shift of an index.
  let scaleShift: Int
  /// Those of a group of a panel.
  let scaleBytes: Int
  /// What sum(t * q) gets for each unit of Q.
  let constant: Int32
  /// The unsigned bytes that nibbles stand for, in every 128-bit lane.
  let table: __m512i

  @inline(__always)
  init?(_ args: UnsafePointer<snq_group_matmul_args>, panels: Int) {
    guard let weights = args.pointee.weights, let codes = args.pointee.codes,
      let sums = args.pointee.groupSums, let rowScales = args.pointee.rowScales,
      let scales = args.pointee.groupScales
    else { return nil }
    self.args = args
    self.weights = weights
    self.codes = UnsafeRawPointer(codes).assumingMemoryBound(to: UInt8.self)
    self.sums = sums
    self.rowScales = rowScales
    self.scales = scales
    panelStride = Int(args.pointee.panelStride)
    codeStride = Int(args.pointee.codeStride)
    rowScaleStride = Int(args.pointee.rowScaleStride)
    paddedChannels = Int(args.pointee.paddedChannels)
    groupLength = max(4, Int(args.pointee.groupLength))
    groups = (Int(args.pointee.channels) &+ groupLength &- 1) / groupLength
    let rowGroupLength = Int(args.pointee.rowGroupLength)
    groupsOfScale = rowGroupLength == 0 ? groups : rowGroupLength / groupLength
    scaleType = args.pointee.scaleType
    isDirect = groupsOfScale == 1
    offsets = args.pointee.groupOffsets
    scaleShift = scaleType == UInt32(SNQ_GROUP_FLOAT32) ? 2 : scaleType == UInt32(SNQ_GROUP_FLOAT16) ? 1 : 0
    scaleBytes = 16 &<< scaleShift
    weightStep = panels > 1 ? panelStride : 0
    scaleStep = panels > 1 ? scaleBytes &* groups : 0
    outputStep = panels > 1 ? 16 : 0
    lastChannels = paddedChannels &- (groups &- 1) &* groupLength
    let hasCodebook = args.pointee.codebook != nil
    constant = 0 &- (hasCodebook ? 128 : args.pointee.weightConstant)
    table = Self.table(args)
  }

  /// Twice the nibbles, for a multiplier of 2, or the entries of the codebook and 128.
  @inline(__always)
  private static func table(_ args: UnsafePointer<snq_group_matmul_args>) -> __m512i {
    var bytes = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
    if let codebook = args.pointee.codebook {
      let entries = snq_first_bytes_128(codebook, 1 &<< Int32(truncatingIfNeeded: args.pointee.weightBits))
      bytes = _mm_xor_si128(entries, _mm_set1_epi8(-128))
    }
    return _mm512_broadcast_i32x4(bytes)
  }

  @inline(__always) var isNibbles: Bool { args.pointee.layout == UInt32(SNQ_NIBBLES) }
  /// Weights are multiplied as they lie.
  @inline(__always) var isPlain: Bool { args.pointee.codebook == nil && args.pointee.weightMultiplier == 1 }

  /// 16 scales or offsets as binary32.
  @inline(__always)
  func numbers(_ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?) -> __m512 {
    if scaleType == UInt32(SNQ_GROUP_FLOAT16) { return snq_512_from_halves(source) }
    if scaleType == UInt32(SNQ_GROUP_FLOAT32) { return _mm512_loadu_ps(source) }
    return _mm512_mul_ps(_mm512_loadu_ps(factors), _mm512_cvtepi32_ps(snq_512_from_bytes(source)))
  }

  /// Scales or offsets of one group of both panels of a tile.
  @inline(__always)
  func pair(_ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?, _ panel: Int) -> FloatPair {
    let second = source + scaleStep
    if scaleType == UInt32(SNQ_GROUP_FLOAT16) {
      return FloatPair(first: snq_512_from_halves(source), second: snq_512_from_halves(second))
    }
    if scaleType == UInt32(SNQ_GROUP_FLOAT32) {
      return FloatPair(first: _mm512_loadu_ps(source), second: _mm512_loadu_ps(second))
    }
    guard let factors else { return FloatPair() }
    let place = factors + 16 &* panel
    return FloatPair(first: numbers(source, place), second: numbers(second, place + outputStep))
  }

  /// y += z * the scale of the row that ends with this group.
  @inline(never)
  func endScale(_ tile: GroupPlace, _ group: Int, _ memory: GroupMemory) {
    let index = group / groupsOfScale
    for r in 0..<tile.rows {
      let scale = _mm512_set1_ps(rowScales[(tile.row &+ r) &* rowScaleStride &+ index])
      for place in 2 &* r..<2 &* r &+ 2 {
        let total = memory.totals + place
        _mm512_store_ps(
          total, _mm512_fmadd_ps(_mm512_load_ps(memory.parts + place), scale, _mm512_load_ps(total)))
      }
    }
  }

  /// y = 0, the bias or the outputs so far: before the first group.
  @inline(never)
  func start(_ tile: GroupPlace, _ memory: GroupMemory) {
    let accumulates = args.pointee.mode == UInt32(SNQ_ACCUMULATE)
    for place in 0..<12 { _mm512_store_ps(memory.totals + place, _mm512_setzero_ps()) }
    if !accumulates && args.pointee.bias == nil { return }
    for p in 0..<tile.panels {
      let first = (tile.panel &+ p) &* 16
      let mask = outputMask(Int(args.pointee.outputs), first)
      for r in 0..<tile.rows {
        let place = args.pointee.output + ((tile.row &+ r) &* Int(args.pointee.outputStride) &+ first)
        let begin =
          accumulates ? _mm512_maskz_loadu_ps(mask, place) : _mm512_loadu_ps(args.pointee.bias + first)
        _mm512_store_ps(memory.totals + (r &* 2 &+ p), begin)
      }
    }
  }

  /// Writes y.
  @inline(never)
  func store(_ tile: GroupPlace, _ memory: GroupMemory) {
    for p in 0..<tile.panels {
      let first = (tile.panel &+ p) &* 16
      let mask = outputMask(Int(args.pointee.outputs), first)
      for r in 0..<tile.rows {
        let place = args.pointee.output + ((tile.row &+ r) &* Int(args.pointee.outputStride) &+ first)
        _mm512_mask_storeu_ps(place, mask, _mm512_load_ps(memory.totals + (r &* 2 &+ p)))
      }
    }
  }

  /// Numbers of every group of `rows` rows, [row][group]: what the constant of the weights adds, -c * Q, and, where there
  /// are offsets, Q.
  @inline(never)
  func fill(_ row: Int, _ rows: Int, _ numbers: GroupNumbers) {
    for r in 0..<rows {
      let source = sums + (row &+ r) &* Int(args.pointee.groupSumStride)
      let (starts, floats) = (numbers.starts + r &* groups, numbers.sums + r &* groups)
      for group in 0..<groups { starts[group] = constant &* source[group] }
      if offsets != nil {
        for group in 0..<groups { floats[group] = Float(source[group]) }
      }
    }
  }
}

/// The outputs of a tile.
struct GroupPlace {
  let row: Int
  let rows: Int
  let panel: Int
  let panels: Int
  /// Of the first row: see `GroupLevel.fill`.
  let starts: UnsafePointer<Int32>
  let sums: UnsafePointer<Float>
}

/// Scratch memory for numbers of every group of up to SNQ_GROUP_SCRATCH_ROWS rows.
struct GroupNumbers {
  let starts: UnsafeMutablePointer<Int32>
  let sums: UnsafeMutablePointer<Float>

  @inline(__always)
  init(_ scratch: UnsafeMutableRawPointer, groups: Int) {
    starts = scratch.assumingMemoryBound(to: Int32.self)
    sums = UnsafeMutableRawPointer(starts + Int(SNQ_GROUP_SCRATCH_ROWS) &* groups)
      .assumingMemoryBound(to: Float.self)
  }
}
