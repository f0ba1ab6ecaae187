import SoniqCore
import SoniqGraph

extension SampleModels {
  /// Convolutions of every kind of constant, small enough to try every byte.
  static func convolutions() -> ModelDescription {
    let constants = SampleConstants()
    let window = Window(height: 3, width: 2, strides: (2, 1), dilations: (1, 2), padding: (1, 0, 2, 3))
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    graph.constantNames = ["first", "left", "right", "float", "depthwise", "bias", "taps"]
    let coarse = Level(
      weight: .bipolar(1),
      activation: ActivationCode(kind: .bipolar, bits: 1, scaling: .fixed(scale: 0.5, zero: 0)))
    let fine = Level(
      weight: .symmetric(4),
      activation: ActivationCode(kind: .affine, bits: 8, scaling: .fixed(scale: 0.25, zero: 7)))
    graph.constants = [
      .matrix(constants.convolution(outputs: 6, taps: 6, [(coarse, 2), (fine, 2)], gather: true)),
      .matrix(constants.convolution(outputs: 2, taps: 6, [(fine, 3)], gather: false)),
      .matrix(constants.convolution(outputs: 2, taps: 6, [(fine, 3)], gather: false)),
      .floatMatrix(constants.floatMatrix(outputs: 5, inputs: 24, bias: false)),
      .depthwise(constants.depthwise(channels: 5, taps: 6)), .dense(constants.dense([5])),
      .dense(constants.dense([6, 5])),
    ]
    let operations: [(Operation, Int)] = [
      (.convolution(window, weights: [0]), 6), (.convolution(window, weights: [1, 2]), 4),
      (.convolution(window, weights: [3]), 5), (.depthwiseConvolution(window, weights: 4, bias: 5), 5),
      (.depthwiseConvolution(window, weights: 6, bias: nil), 5), (.activation(.relu6), 5),
    ]
    var (height, width) = (21, 7)
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [.symbol(0), .fixed(height), .fixed(width), .fixed(4)])
    ]
    for (index, (operation, channels)) in operations.enumerated() {
      if case .activation = operation {
      } else {
        (height, width) = (window.outputHeight(height), window.outputWidth(width))
      }
      graph.values.append(
        Value(
          name: "value \(index)", elementType: .float32,
          shape: [.symbol(0), .fixed(height), .fixed(width), .fixed(channels)]))
      graph.nodes.append(
        Node(name: "node \(index)", operation: operation, inputs: [index], output: index + 1))
    }
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [operations.count]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("convolutions"))], owner: constants.owners)
  }
}

extension SampleConstants {
  func convolution(
    outputs: Int, taps: Int, _ levels: [(level: Level, channels: Int)], gather: Bool
  ) -> PackedMatrix {
    var matrix = self.matrix(
      outputs: outputs, levels.map { ($0.level, $0.channels) }, gather: gather, bias: true)
    matrix.levels = levels.map { level, channels in
      let tile = level.weight.layout.tileChannels
      let padded = (channels + tile - 1) / tile * tile
      var stored = matrixLevel(level, outputs: outputs, channels: padded * taps)
      stored.channels = channels
      stored.taps = taps
      clearPadding(&stored, outputs: outputs, channels: channels, padded: padded)
      return stored
    }
    return matrix
  }

  /// Zeros behind the channels of every tap, and the sums without them.
  private func clearPadding(_ level: inout MatrixLevel, outputs: Int, channels: Int, padded: Int) {
    let code = level.level.weight
    guard
      let packing = WeightPacking(code: code, outputs: outputs, channels: padded * level.taps)
    else { return }
    var codes = packing.unpack(level.weights.raw)
    let zero: UInt8 = code.layout == .bytes ? 128 : 0
    for index in codes.indices where index % padded >= channels { codes[index] = zero }
    var bytes = [UInt8](repeating: 0, count: packing.byteCount)
    let sums = codes.withUnsafeBufferPointer { codes in
      bytes.withUnsafeMutableBytes { packing.pack(codes, into: $0) }
      return packing.storedSums(codes)
    }
    level.weights = self.bytes(bytes)
    level.storedSums = self.bytes(sums)
  }

  func depthwise(channels: Int, taps: Int) -> PackedDepthwise {
    let padded = (channels + 15) / 16 * 16
    let integers = (0..<taps * padded).map { Int8($0 % padded < channels ? $0 % 15 - 7 : 0) }
    let level = Level(
      weight: .symmetric(4),
      activation: ActivationCode(kind: .affine, bits: 5, scaling: .fixed(scale: 0.5, zero: 3)))
    return PackedDepthwise(
      channels: channels, taps: taps, level: level, weights: bytes(integers),
      scales: bytes((0..<channels).map { Float($0 + 1) / 8 }, paddedTo: padded))
  }
}
