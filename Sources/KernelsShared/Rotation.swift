/// How many channels of a head are turned together: the largest power of two that divides its length.
@inline(__always) func rotationLength(_ headDim: Int) -> Int { headDim & (0 &- headDim) }

/// The Walsh-Hadamard transform, not normalised, of every `rotationLength` channels: sums and differences of channels 1, 2,
/// 4, ... apart. It spreads what is large over all channels; twice gives the numbers times the length. Not private: the
/// compiler would give it a weak symbol.
@inline(never) func rotateHead(_ row: UnsafeMutablePointer<Float>, _ headDim: Int) {
  let length = rotationLength(headDim)
  var step = 1
  while step < length {
    var block = 0
    while block < headDim {
      if step < 16 {
        turnNumbers(row + block, step)
      } else {
        turnLanes(row + block, step)
      }
      block &+= 2 &* step
    }
    step &*= 2
  }
}

@inline(__always) private func turnNumbers(_ row: UnsafeMutablePointer<Float>, _ step: Int) {
  for channel in 0..<step {
    let (a, b) = (row[channel], row[channel &+ step])
    row[channel] = a + b
    row[channel &+ step] = a - b
  }
}

@inline(__always) private func turnLanes(_ row: UnsafeMutablePointer<Float>, _ step: Int) {
  var channel = 0
  while channel < step {
    let a = FloatLanes(load: row + channel)
    let b = FloatLanes(load: row + (channel &+ step))
    (a + b).store(row + channel)
    (a - b).store(row + (channel &+ step))
    channel &+= 16
  }
}

/// A head's channels, turned, in memory for them.
@inline(__always) func copyRotated(
  _ source: UnsafePointer<Float>, _ headDim: Int, _ target: UnsafeMutablePointer<Float>
) {
  target.update(from: source, count: headDim)
  rotateHead(target, headDim)
}
