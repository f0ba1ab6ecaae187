import CKernelABI
import CSIMD

/// Two blocks of a column of four rows of a window, of 64 channels: four bytes a channel, as `vpdpbusd` wants them.
private struct Column {
  let first: __m512i
  let second: __m512i

  /// * isUpper: blocks 2 and 3, else 0 and 1; a literal.
  @inline(__always)
  init(_ a: __m512i, _ b: __m512i, _ c: __m512i, _ d: __m512i, isUpper: Bool) {
    let early = isUpper ? _mm512_unpackhi_epi8(a, b) : _mm512_unpacklo_epi8(a, b)
    let late = isUpper ? _mm512_unpackhi_epi8(c, d) : _mm512_unpacklo_epi8(c, d)
    first = _mm512_unpacklo_epi16(early, late)
    second = _mm512_unpackhi_epi16(early, late)
  }

  /// The three rows of a 3 x 3 window.
  @inline(__always)
  init(_ place: UnsafePointer<UInt8>, _ rows: (Int, Int), isUpper: Bool) {
    self.init(
      _mm512_loadu_si512(place), _mm512_loadu_si512(place + rows.0), _mm512_loadu_si512(place + rows.1),
      _mm512_setzero_si512(), isUpper: isUpper)
  }
}

private struct Sums {
  var first: __m512i
  var second: __m512i

  @inline(__always)
  func adding(_ column: Column, _ weights: Sums) -> Sums {
    Sums(
      first: _mm512_dpbusd_epi32(first, column.first, weights.first),
      second: _mm512_dpbusd_epi32(second, column.second, weights.second))
  }

  @inline(__always)
  static func loaded(_ tile: UnsafePointer<Int8>) -> Sums {
    Sums(first: _mm512_loadu_si512(tile), second: _mm512_loadu_si512(tile + 64))
  }
}

/// Some neighbouring outputs of 64 channels.
private struct Stretch {
  let args: UnsafePointer<snq_depthwise_args>
  let codes: UnsafePointer<UInt8>
  /// The weights of these channels, and their first number.
  let tiles: UnsafePointer<Int8>
  let channel: Int
  /// The row of the first output; how many there are; elements of the last one, and of the others.
  let row: Int
  let count: Int
  let lastElements: Int
  let elements: Int
  /// Rows of an output: see `snq_depthwise_args.pixels`.
  let pixels: Int
  /// What the lower half leaves for the upper one, two vectors an output.
  let memory: UnsafeMutablePointer<__m512i>
}

/// What turns sums of two blocks into outputs.
private struct Finish {
  let start: Sums
  let scale: (__m512, __m512)
  let bias: (__m512, __m512)
  let inverse: __m512
  let high: __m512
  let zero: __m512i

  @inline(__always)
  init?(_ stretch: Stretch, isUpper: Bool) {
    let args = stretch.args
    guard let zeroSums = args.pointee.zeroSums, let weightScale = args.pointee.weightScale else { return nil }
    let place = stretch.channel &+ (isUpper ? 32 : 0)
    let none = _mm512_setzero_si512()
    start = Sums(
      first: _mm512_sub_epi32(none, _mm512_loadu_si512(zeroSums + place)),
      second: _mm512_sub_epi32(none, _mm512_loadu_si512(zeroSums + place + 16)))
    let common = _mm512_set1_ps(args.pointee.scale)
    scale = (
      _mm512_mul_ps(_mm512_loadu_ps(weightScale + place), common),
      _mm512_mul_ps(_mm512_loadu_ps(weightScale + place + 16), common)
    )
    if let bias = args.pointee.bias {
      self.bias = (_mm512_loadu_ps(bias + place), _mm512_loadu_ps(bias + place + 16))
    } else {
      bias = (_mm512_setzero_ps(), _mm512_setzero_ps())
    }
    inverse = _mm512_set1_ps(args.pointee.sink.inverse)
    high = _mm512_set1_ps(args.pointee.sink.high)
    zero = _mm512_set1_epi16(Int16(truncatingIfNeeded: args.pointee.sink.zero))
  }

  @inline(__always)
  private func code(_ y: __m512) -> __m512i {
    // This order of the operands lets a NaN pass, which packing makes code 0.
    _mm512_cvtps_epi32(_mm512_min_ps(high, _mm512_mul_ps(y, inverse)))
  }

  /// Output `index` of the stretch: the lower half waits in memory for the upper one.
  @inline(__always)
  func write(_ sums: Sums, _ stretch: Stretch, _ index: Int, isUpper: Bool) {
    let first = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums.first), scale.0, bias.0)
    let second = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums.second), scale.1, bias.1)
    let memory = stretch.memory + 2 &* index
    let isLast = index &+ 1 == stretch.count
    let elements = isLast ? stretch.lastElements : stretch.elements
    if let codes = stretch.args.pointee.sink.codes {
      let words = _mm512_adds_epi16(_mm512_packs_epi32(code(first), code(second)), zero)
      guard isUpper else { return _mm512_store_si512(memory, words) }
      // In 16 bytes, 8 of the lower half and 8 of the upper one: the order of the channels.
      let bytes = _mm512_packus_epi16(_mm512_load_si512(memory), words)
      let target =
        codes
        + ((stretch.row &+ index &* stretch.pixels) &* Int(stretch.args.pointee.sink.codeStride)
          &+ stretch.channel)
      if elements >= 64 {
        _mm512_storeu_si512(target, bytes)
      } else {
        _mm512_mask_storeu_epi8(target, (1 &<< UInt64(truncatingIfNeeded: elements)) &- 1, bytes)
      }
      return
    }
    guard isUpper, let output = stretch.args.pointee.output else {
      _mm512_store_ps(memory, first)
      return _mm512_store_ps(memory + 1, second)
    }
    let target =
      output
      + ((stretch.row &+ index &* stretch.pixels) &* Int(stretch.args.pointee.outputStride)
        &+ stretch.channel)
    Self.store(
      (
        _mm512_load_si512(memory), _mm512_load_si512(memory + 1), _mm512_castps_si512(first),
        _mm512_castps_si512(second)
      ), target, elements)
  }

  /// Four blocks as floats in the order of the channels.
  @inline(__always)
  private static func store(
    _ blocks: (__m512i, __m512i, __m512i, __m512i), _ target: UnsafeMutablePointer<Float>, _ elements: Int
  ) {
    let (a, b) = (snq_512_even_quarters(blocks.0, blocks.1), snq_512_odd_quarters(blocks.0, blocks.1))
    let (c, d) = (snq_512_even_quarters(blocks.2, blocks.3), snq_512_odd_quarters(blocks.2, blocks.3))
    store(snq_512_join_even(a, c), target, elements)
    store(snq_512_join_even(b, d), target + 16, elements &- 16)
    store(snq_512_join_odd(a, c), target + 32, elements &- 32)
    store(snq_512_join_odd(b, d), target + 48, elements &- 48)
  }

  @inline(__always)
  private static func store(_ floats: __m512i, _ target: UnsafeMutablePointer<Float>, _ elements: Int) {
    guard elements > 0 else { return }
    if elements >= 16 { return _mm512_storeu_si512(target, floats) }
    _mm512_mask_storeu_epi32(target, __mmask16(truncatingIfNeeded: (1 &<< elements) &- 1), floats)
  }
}

/// 3 x 3 windows one column apart: each column is interleaved once for the three outputs that it belongs to.
@inline(__always)
private func stepByOne(_ stretch: Stretch, _ rows: (Int, Int), _ step: Int, isUpper: Bool) {
  guard let finish = Finish(stretch, isUpper: isUpper) else { return }
  let tiles = stretch.tiles + (isUpper ? 384 : 0)
  let weights = (Sums.loaded(tiles), Sums.loaded(tiles + 128), Sums.loaded(tiles + 256))
  var place = stretch.codes
  let first = Column(place, rows, isUpper: isUpper)
  let second = Column(place + step, rows, isUpper: isUpper)
  var current = finish.start.adding(first, weights.0).adding(second, weights.1)
  var following = finish.start.adding(second, weights.0)
  place += 2 &* step
  for index in 0..<stretch.count {
    let column = Column(place, rows, isUpper: isUpper)
    finish.write(current.adding(column, weights.2), stretch, index, isUpper: isUpper)
    current = following.adding(column, weights.1)
    following = finish.start.adding(column, weights.0)
    place += step
  }
}

/// Two columns apart: every second column belongs to two outputs.
@inline(__always)
private func stepByTwo(_ stretch: Stretch, _ rows: (Int, Int), _ step: Int, isUpper: Bool) {
  guard let finish = Finish(stretch, isUpper: isUpper) else { return }
  let tiles = stretch.tiles + (isUpper ? 384 : 0)
  let weights = (Sums.loaded(tiles), Sums.loaded(tiles + 128), Sums.loaded(tiles + 256))
  var place = stretch.codes
  var current = finish.start.adding(Column(place, rows, isUpper: isUpper), weights.0)
  for index in 0..<stretch.count {
    place += step
    let column = Column(place, rows, isUpper: isUpper)
    place += step
    let shared = Column(place, rows, isUpper: isUpper)
    finish.write(
      current.adding(column, weights.1).adding(shared, weights.2), stretch, index, isUpper: isUpper)
    current = finish.start.adding(shared, weights.0)
  }
}

/// Windows of any size, one output after the other.
@inline(__always)
private func anyWindow(_ stretch: Stretch, _ offsets: UnsafePointer<Int32>, _ step: Int, isUpper: Bool) {
  guard let finish = Finish(stretch, isUpper: isUpper) else { return }
  let width = Int(stretch.args.pointee.windowWidth)
  let height = Int(stretch.args.pointee.taps) / max(1, width)
  let half = (height &+ 3) / 4 &* width &* 128
  for index in 0..<stretch.count {
    let pixel = stretch.codes + index &* step
    var tile = stretch.tiles + (isUpper ? half : 0)
    var sums = finish.start
    var row = 0
    while row < height {
      // Rows that are not there have weight 0.
      let next = min(row &+ 1, height &- 1) &* width
      let third = min(row &+ 2, height &- 1) &* width
      let fourth = min(row &+ 3, height &- 1) &* width
      for column in 0..<width {
        let rows = (
          _mm512_loadu_si512(pixel + Int(offsets[row &* width &+ column])),
          _mm512_loadu_si512(pixel + Int(offsets[next &+ column])),
          _mm512_loadu_si512(pixel + Int(offsets[third &+ column])),
          _mm512_loadu_si512(pixel + Int(offsets[fourth &+ column]))
        )
        sums = sums.adding(Column(rows.0, rows.1, rows.2, rows.3, isUpper: isUpper), .loaded(tile))
        tile += 128
      }
      row &+= 4
    }
    finish.write(sums, stretch, index, isUpper: isUpper)
  }
}

@inline(never)
private func runStretch(_ stretch: Stretch, _ offsets: UnsafePointer<Int32>, _ rowStep: Int) {
  let args = stretch.args
  if args.pointee.windowWidth == 3, args.pointee.taps == 9 {
    let step = Int(offsets[1])
    let rows = (Int(offsets[3]), Int(offsets[6]))
    if rowStep == step {
      stepByOne(stretch, rows, step, isUpper: false)
      return stepByOne(stretch, rows, step, isUpper: true)
    }
    if rowStep == 2 &* step {
      stepByTwo(stretch, rows, step, isUpper: false)
      return stepByTwo(stretch, rows, step, isUpper: true)
    }
  }
  anyWindow(stretch, offsets, rowStep, isUpper: false)
  anyWindow(stretch, offsets, rowStep, isUpper: true)
}

private struct DepthwiseCall {
  let args: UnsafePointer<snq_depthwise_args>
  let rowBegin: Int
  let rowEnd: Int

  /// Outputs at a time: their lower halves wait in 2 vectors each.
  static let outputsAtOnce = 32

  func run(_ memory: UnsafeMutablePointer<__m512i>) {
    guard let codes = args.pointee.codes, let tiles = args.pointee.tiles,
      let offsets = args.pointee.tapOffsets
    else { return }
    let pixels = max(1, Int(args.pointee.pixels))
    let channels = Int(args.pointee.channels)
    let rowStep = args.pointee.rowStep &* pixels
    let width = Int(args.pointee.windowWidth)
    let tileBytes = (Int(args.pointee.taps) / max(1, width) &+ 3) / 4 &* width &* 256
    let start = codes + rowBegin &* args.pointee.rowStep
    let total = rowEnd &- rowBegin
    let groups = (total &+ pixels &- 1) / pixels
    var first = 0
    while first < groups {
      let count = min(Self.outputsAtOnce, groups &- first)
      var channel = 0
      while channel < channels {
        let left = channels &- channel
        let elements = pixels == 1 ? left : 64
        let isEnd = first &+ count == groups
        let last = pixels == 1 || !isEnd ? elements : (total &- (groups &- 1) &* pixels) &* channels
        runStretch(
          Stretch(
            args: args, codes: start + first &* rowStep + channel, tiles: tiles + channel / 64 &* tileBytes,
            channel: channel, row: rowBegin &+ first &* pixels, count: count, lastElements: last,
            elements: elements, pixels: pixels, memory: memory), offsets, rowStep)
        channel &+= 64
      }
      first &+= count
    }
  }
}

@c @implementation
func snq_depthwise__avx512(
  _ args: UnsafePointer<snq_depthwise_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let args else { return }
  var call = DepthwiseCall(args: args, rowBegin: Int(rowBegin), rowEnd: Int(rowEnd))
  withUnsafeMutablePointer(to: &call) {
    snq_with_tile_memory($0) { context, memory in
      guard let call = context?.assumingMemoryBound(to: DepthwiseCall.self).pointee,
        let memory = memory?.assumingMemoryBound(to: __m512i.self)
      else { return }
      call.run(memory)
    }
  }
}
