import CKernelABI

/// Up to four query rows; the last stands for those that do not exist.
struct FourRows {
  let a: UnsafePointer<Float>
  let b: UnsafePointer<Float>
  let c: UnsafePointer<Float>
  let d: UnsafePointer<Float>

  @inline(__always) init(_ first: UnsafePointer<Float>, _ stride: Int, _ last: Int) {
    a = first
    b = first + min(1, last) &* stride
    c = first + min(2, last) &* stride
    d = first + min(3, last) &* stride
  }

  /// Scores against two tiles of sixteen keys, rows `padded` apart: fma over the channels in order from 0, times the
  /// scale.
  @inline(__always) func score(
    _ tiles: UnsafePointer<Float>, _ headDim: Int, _ factor: Float, _ target: UnsafeMutablePointer<Float>,
    _ padded: Int
  ) {
    if !takesTwoBlocks {
      scoreBlock(tiles, headDim, factor, target, padded)
      return scoreBlock(tiles + 16 &* headDim, headDim, factor, target + 16, padded)
    }
    let zero = FloatLanes(repeating: 0)
    var (a0, a1, b0, b1, c0, c1, d0, d1) = (zero, zero, zero, zero, zero, zero, zero, zero)
    for channel in 0..<headDim {
      let low = FloatLanes(load: tiles + channel &* 16)
      let high = FloatLanes(load: tiles + (headDim &+ channel) &* 16)
      let (qa, qb) = (FloatLanes(repeating: a[channel]), FloatLanes(repeating: b[channel]))
      let (qc, qd) = (FloatLanes(repeating: c[channel]), FloatLanes(repeating: d[channel]))
      (a0, a1, b0, b1) = (fma(qa, low, a0), fma(qa, high, a1), fma(qb, low, b0), fma(qb, high, b1))
      (c0, c1, d0, d1) = (fma(qc, low, c0), fma(qc, high, c1), fma(qd, low, d0), fma(qd, high, d1))
    }
    let scale = FloatLanes(repeating: factor)
    (a0 * scale).store(target)
    (a1 * scale).store(target + 16)
    (b0 * scale).store(target + padded)
    (b1 * scale).store(target + padded + 16)
    (c0 * scale).store(target + 2 &* padded)
    (c1 * scale).store(target + 2 &* padded + 16)
    (d0 * scale).store(target + 3 &* padded)
    (d1 * scale).store(target + 3 &* padded + 16)
  }

  /// The same against one tile.
  @inline(__always) private func scoreBlock(
    _ tile: UnsafePointer<Float>, _ headDim: Int, _ factor: Float, _ target: UnsafeMutablePointer<Float>,
    _ padded: Int
  ) {
    let zero = FloatLanes(repeating: 0)
    var sums = (zero, zero, zero, zero)
    for channel in 0..<headDim {
      let keys = FloatLanes(load: tile + channel &* 16)
      sums.0 = fma(FloatLanes(repeating: a[channel]), keys, sums.0)
      sums.1 = fma(FloatLanes(repeating: b[channel]), keys, sums.1)
      sums.2 = fma(FloatLanes(repeating: c[channel]), keys, sums.2)
      sums.3 = fma(FloatLanes(repeating: d[channel]), keys, sums.3)
    }
    let scale = FloatLanes(repeating: factor)
    (sums.0 * scale).store(target)
    (sums.1 * scale).store(target + padded)
    (sums.2 * scale).store(target + 2 &* padded)
    (sums.3 * scale).store(target + 3 &* padded)
  }

  /// The same of the first row alone.
  @inline(__always) func scoreFirst(
    _ tiles: UnsafePointer<Float>, _ headDim: Int, _ factor: Float, _ target: UnsafeMutablePointer<Float>
  ) {
    var (low, high) = (FloatLanes(repeating: 0), FloatLanes(repeating: 0))
    for channel in 0..<headDim {
      let query = FloatLanes(repeating: a[channel])
      low = fma(query, FloatLanes(load: tiles + channel &* 16), low)
      high = fma(query, FloatLanes(load: tiles + (headDim &+ channel) &* 16), high)
    }
    (low * FloatLanes(repeating: factor)).store(target)
    (high * FloatLanes(repeating: factor)).store(target + 16)
  }
}

/// A tile [channel][16 keys] of sixteen keys, of which `count` exist; the others are 0. `position` tells where key k is.
@inline(__always) func packKeyTile(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ block: UnsafeMutablePointer<Float>, _ count: Int,
  _ tile: UnsafeMutablePointer<Float>, position: (Int) -> Int
) {
  let headDim = Int(args.headDim)
  var channel = 0
  while channel < headDim {
    let width = min(16, headDim &- channel)
    for key in 0..<16 {
      var numbers = FloatLanes(repeating: 0)
      if key < count {
        let offset = position(key) &* args.keyStride &+ channel
        numbers =
          args.isHalf != 0 ? halfBlock(unit.halfKey(offset), width) : loadBlock(unit.key(offset), width)
      }
      numbers.store(block + 16 &* key)
    }
    if width == 16 {
      transpose(block, to: tile + 16 &* channel)
    } else {
      // What follows the tile is not its own.
      transpose(block, to: block + 256)
      for row in 0..<width {
        FloatLanes(load: block + (256 &+ 16 &* row)).store(tile + 16 &* (channel &+ row))
      }
    }
    channel &+= 16
  }
}

/// A channel block of a row of binary16 numbers, like `loadBlock`.
@inline(__always) func halfBlock(_ source: UnsafePointer<UInt16>, _ width: Int) -> FloatLanes {
  width == 16 ? FloatLanes(halves: source) : FloatLanes(halves: source, count: width)
}

/// Keys and values from `begin` on, a multiple of 32.
@inline(__always) func packKeysAndValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ begin: Int,
  _ count: Int
) {
  let headDim = Int(args.headDim)
  let paddedDim = roundedUp(headDim, to: 16)
  var key = begin
  while key < roundedUp(count, to: 32) {
    packKeyTile(
      args, unit, scratch.block, min(16, max(0, count &- key)), scratch.keys + key &* headDim
    ) { Int(scratch.positions[key &+ $0]) }
    key &+= 16
  }
  for key in begin..<count {
    let offset = Int(scratch.positions[key]) &* args.valueStride
    let target = scratch.values + key &* paddedDim
    var channel = 0
    while channel < headDim {
      let width = min(16, headDim &- channel)
      let numbers =
        args.isHalf != 0
        ? halfBlock(unit.halfValue(offset &+ channel), width)
        : loadBlock(unit.value(offset &+ channel), width)
      numbers.store(target + channel)
      channel &+= 16
    }
  }
}
