import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// Random packed weights of a depthwise convolution.
struct SyntheticDepthwise {
  let packed: PackedDepthwise
  let owners: [AnyObject]

  init(_ window: Window, channels: Int, level: Level, using generator: inout SeededGenerator) {
    let padded = (channels + 15) / 16 * 16
    var stored = [Int8](repeating: 0, count: window.taps * padded)
    for tap in 0..<window.taps {
      for channel in 0..<channels {
        stored[tap * padded + channel] = Int8.random(in: -128...127, using: &generator)
      }
    }
    let weights = AlignedBuffer(copying: stored, paddedTo: stored.count)
    let scales = AlignedBuffer(
      copying: (0..<channels).map { _ in Float.random(in: 0.001...0.02, using: &generator) },
      paddedTo: padded)
    owners = [weights, scales]
    packed = PackedDepthwise(
      channels: channels, taps: window.taps, level: level, weights: ConstantBytes(weights),
      scales: ConstantBytes(scales))
  }
}
