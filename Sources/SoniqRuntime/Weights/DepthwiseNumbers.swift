import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqMemory

/// What a depthwise convolution needs beside the weights as they lie in the file: sums and a padded bias; for kernels
/// with tiles all numbers in the order of `snq_depthwise_args.tiles`, and the weights too.
struct DepthwiseNumbers: PreparedBytes {
  private let weights: UnsafeRawPointer
  private let scales: UnsafeRawPointer
  private let bias: UnsafeRawPointer?
  private let channels: Int
  private let padded: Int
  private let width: Int
  private let height: Int
  /// The activation code of the number 0.
  private let zero: Int32
  /// Neighbouring pixels that a kernel with tiles takes as one of 64 channels; 0: no tiles.
  private let pixels: Int

  /// - Parameters:
  ///   - depthwise: of a valid graph.
  ///   - isTiled: for kernels with tiles.
  ///   - isTight: nothing lies between the outputs of two pixels.
  init(_ depthwise: ScheduledDepthwise, isTiled: Bool, isTight: Bool) {
    let (packed, geometry) = (depthwise.weights, depthwise.geometry)
    weights = packed.weights.start
    scales = packed.scales.start
    bias = depthwise.bias?.bytes.start
    channels = packed.channels
    padded = packed.paddedChannels
    width = geometry.windowWidth
    height = geometry.windowHeight
    zero = Int32(truncatingIfNeeded: packed.level.activation.fixedParameters.zero)
    let fits = isTight && channels == padded && 64 % channels == 0 && geometry.strideWidth == 1
    pixels = isTiled ? (fits ? 64 / channels : 1) : 0
  }

  var source: UnsafeRawPointer { weights }
  var isCopy: Bool { pixels > 0 }
  var byteCount: Int? {
    checkedProduct(numberCount, 4 * (bias == nil ? 2 : 3)).map { $0 + tileBytes }
  }

  private var blocks: Int { (channels * pixels + 63) / 64 }
  /// Tiles come first: [half of a block][group of rows][column][channel of the half][row of the group]
  private var groups: Int { (height + 3) / 4 }
  private var tileBytes: Int { blocks * 2 * groups * width * 128 }
  /// Of each kind: sums, scales, bias.
  private var numberCount: Int { pixels > 0 ? blocks * 64 : padded }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    writeTiles(target)
    let count = numberCount
    let sums = (target + tileBytes).bindMemory(to: Int32.self, capacity: count)
    let scales = (target + tileBytes + count * 4).bindMemory(to: Float.self, capacity: count)
    let bias = self.bias.map { bias in
      ((target + tileBytes + count * 8).bindMemory(to: Float.self, capacity: count), bias)
    }
    for place in 0..<count {
      let channel = channel(place)
      sums[place] = channel.map(zeroSum) ?? 0
      scales[place] = channel.map { self.scales.load(fromByteOffset: $0 * 4, as: Float.self) } ?? 0
      if let (bias, source) = bias {
        bias[place] = channel.map { source.load(fromByteOffset: $0 * 4, as: Float.self) } ?? 0
      }
    }
  }

  private func writeTiles(_ target: UnsafeMutableRawPointer) {
    for index in 0..<tileBytes {
      let row = index / 128 / width % groups * 4 + index % 4
      let place = index / 128 / width / groups * 32 + index / 4 % 32
      let tap = row * width + index / 128 % width
      let weight = row < height ? channel(place).map { self.weight(tap, $0) } ?? 0 : 0
      target.storeBytes(of: weight, toByteOffset: index, as: Int8.self)
    }
  }

  private func weight(_ tap: Int, _ channel: Int) -> Int8 {
    weights.load(fromByteOffset: tap * padded + channel, as: Int8.self)
  }

  private func zeroSum(_ channel: Int) -> Int32 {
    var sum: Int32 = 0
    for tap in 0..<width * height { sum &+= Int32(weight(tap, channel)) &* zero }
    return sum
  }

  /// The channel at a place of the numbers; nil behind the last.
  private func channel(_ place: Int) -> Int? {
    guard pixels > 0 else { return place < channels ? place : nil }
    let (block, lane) = (place / 16 % 4, place % 16)
    let channel = place / 64 * 64 + lane / 4 * 16 + block * 4 + lane % 4
    return channel < channels * pixels ? channel % channels : nil
  }

  /// Puts the numbers into what a kernel is given.
  func place(_ start: UnsafeRawPointer, _ arguments: inout snq_depthwise_args) {
    let numbers = start + tileBytes
    if pixels > 0 { arguments.tiles = start.assumingMemoryBound(to: Int8.self) }
    arguments.pixels = UInt32(pixels)
    arguments.zeroSums = numbers.assumingMemoryBound(to: Int32.self)
    arguments.weightScale = (numbers + numberCount * 4).assumingMemoryBound(to: Float.self)
    if bias != nil { arguments.bias = (numbers + numberCount * 8).assumingMemoryBound(to: Float.self) }
  }
}
