import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Kernels that read the taps as they lie in a file, against the portable one. Those that read tiles are run by
/// DepthwiseTests of the runtime, which makes tiles.
@Suite struct DepthwiseKernelTests {
  static let kernels = RowKernelRegistry.depthwise.faster.filter { !$0.traits.contains(.tiledDepthwise) }
  private static let channelCounts = [1, 3, 15, 16, 17, 32, 33, 64, 70, 96, 144]
  private static let windows = [(1, 1), (3, 3), (5, 5), (7, 1), (2, 4), (3, 1)]

  @Test(arguments: kernels.map(\.name), windows.indices)
  func equalsThePortableKernel(name: String, window: Int) throws {
    let kernel = try #require(Self.kernels.first { $0.name == name })
    try RowKernels.requireRuns(kernel)
    let (height, width) = Self.windows[window]
    var generator = SeededGenerator(seed: UInt64(7700 + window))
    for channels in Self.channelCounts {
      for stride in [1, 2, 3] {
        for content in DepthwiseCase.Content.allCases {
          // One more than a kernel takes at a time, in all places of the last one of some.
          let rows = [1, 2, 3, 4, 7, 8, 33].randomElement(using: &generator) ?? 1
          let test = DepthwiseCase(
            height: height, width: width, stride: stride, channels: channels, rows: rows, content,
            using: &generator)
          test.check(kernel, "\(name) \(height) x \(width), step \(stride), \(channels), \(rows), \(content)")
        }
      }
    }
  }
}

/// One line of outputs.
private struct DepthwiseCase {
  enum Content: CaseIterable {
    /// Ordinary numbers; the largest codes with weights of the largest sums; scales and biases that are no numbers.
    case ordinary, highest, lowest, notFinite
  }

  let rows: Int
  let channels: Int
  let padded: Int
  private let outputStride: Int
  private let step: Int
  private let taps: Int
  private let width: Int
  private let codes: GuardedBuffer<UInt8>
  private let offsets: GuardedBuffer<Int32>
  private let weights: GuardedBuffer<Int8>
  private let zeroSums: GuardedBuffer<Int32>
  private let weightScale: GuardedBuffer<Float>
  private let bias: GuardedBuffer<Float>?

  init(
    height: Int, width: Int, stride: Int, channels: Int, rows: Int, _ content: Content,
    using generator: inout SeededGenerator
  ) {
    let padded = (channels + 15) / 16 * 16
    let line = ((rows - 1) * stride + width) * padded
    let taps = height * width
    (self.rows, self.channels, self.padded, self.taps, self.width) = (rows, channels, padded, taps, width)
    step = stride * padded
    outputStride = channels + Int.random(in: 0...2, using: &generator)
    codes = GuardedBuffer(
      (0..<height * line).map { _ in
        content == .highest || content == .lowest ? 255 : UInt8.random(in: 0...255, using: &generator)
      })
    offsets = GuardedBuffer((0..<taps).map { Int32($0 / width * line + $0 % width * padded) })
    let weights = (0..<taps * padded).map { place -> Int8 in
      if place % padded >= channels { return 0 }
      return switch content {
      case .highest: 127
      case .lowest: -128
      default: Int8.random(in: -128...127, using: &generator)
      }
    }
    self.weights = GuardedBuffer(weights)
    let zero = Int32.random(in: 0...255, using: &generator)
    zeroSums = GuardedBuffer(
      (0..<padded).map { channel in
        (0..<taps).reduce(0) { $0 + Int32(weights[$1 * padded + channel]) * zero }
      })
    let scales: RowKernels.Content = content == .notFinite ? .notFinite : .ordinary
    weightScale = GuardedBuffer(scales.values(padded, &generator))
    bias = Bool.random(using: &generator) ? GuardedBuffer(scales.values(padded, &generator)) : nil
  }

  private var arguments: snq_depthwise_args {
    var arguments = snq_depthwise_args()
    arguments.codes = UnsafePointer(codes.start)
    arguments.rowStep = step
    arguments.tapOffsets = UnsafePointer(offsets.start)
    arguments.taps = UInt32(taps)
    arguments.channels = UInt32(channels)
    arguments.paddedChannels = UInt32(padded)
    arguments.weights = UnsafePointer(weights.start)
    arguments.windowWidth = UInt32(width)
    arguments.zeroSums = UnsafePointer(zeroSums.start)
    arguments.scale = 0.003
    arguments.weightScale = UnsafePointer(weightScale.start)
    arguments.bias = bias.map { UnsafePointer($0.start) }
    arguments.outputStride = outputStride
    return arguments
  }

  func check(_ kernel: KernelRow<snq_depthwise_function>, _ note: String) {
    let expected = floats(RowKernelRegistry.depthwise.reference)
    let actual = floats(kernel)
    let place = zip(expected, actual).enumerated().first {
      $0.element.0.comparableBits != $0.element.1.comparableBits
    }
    #expect(place == nil, "\(note): \(String(describing: place))")
    guard kernel.traits.contains(.writesCodes) else { return }
    for (bits, zero, scale) in [(8, 0, 0.9), (8, 100, 3), (4, 3, 20), (8, 255, 1e-30), (1, 1, 40)] {
      var sink = snq_code_sink()
      sink.codeStride = outputStride
      sink.inverse = 1 / Float(scale)
      sink.high = Float(1 << bits - 1 - zero)
      sink.zero = Int32(zero)
      let codes = codes(kernel, sink)
      let place = codes.indices.first { codes[$0] != code(expected[$0], sink, at: $0) }
      #expect(place == nil, "\(note), \(bits) bits, zero \(zero): \(String(describing: place))")
    }
  }

  /// By the quantiser's rule; what lies between two outputs stays.
  private func code(_ y: Float, _ sink: snq_code_sink, at place: Int) -> UInt8 {
    if place % outputStride >= channels { return 77 }
    let value = y * sink.inverse
    if value.isNaN { return 0 }
    return UInt8(
      Int(min(max(value, Float(-sink.zero)), sink.high).rounded(.toNearestOrEven)) + Int(sink.zero))
  }

  private func floats(_ kernel: KernelRow<snq_depthwise_function>) -> [Float] {
    let output = GuardedBuffer([Float](repeating: 77, count: outputStride * (rows - 1) + channels))
    var call = arguments
    call.output = output.start
    run(kernel, &call)
    #expect(output.isIntact)
    return output.elements
  }

  private func codes(_ kernel: KernelRow<snq_depthwise_function>, _ sink: snq_code_sink) -> [UInt8] {
    let output = GuardedBuffer([UInt8](repeating: 77, count: outputStride * (rows - 1) + channels))
    var call = arguments
    call.sink = sink
    call.sink.codes = output.start
    run(kernel, &call)
    #expect(output.isIntact)
    return output.elements
  }

  /// In two parts.
  private func run(_ kernel: KernelRow<snq_depthwise_function>, _ call: inout snq_depthwise_args) {
    let split = UInt32(rows / 3)
    kernel.function(&call, split, UInt32(rows))
    kernel.function(&call, 0, split)
  }
}
