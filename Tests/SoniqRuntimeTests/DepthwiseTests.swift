import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct DepthwiseTests {
  /// [B,H,W,C] -> depthwise -> ReLU, packed or float.
  private struct Fixture {
    let window: Window
    let shape: [Int]
    let level: Level
    let integers: [Int8]
    let scales: [Float]
    let bias: [Float]
    let input: [Float]

    init(_ window: Window, shape: [Int], level: Level, seed: UInt64) {
      var generator = SeededGenerator(seed: seed)
      self.window = window
      self.shape = shape
      self.level = level
      integers = (0..<window.taps * shape[3]).map { _ in
        Int8(level.weight.integer(Int.random(in: 0..<level.weight.codeCount, using: &generator)))
      }
      scales = (0..<shape[3]).map { _ in Float.random(in: 0.01...0.02, using: &generator) }
      bias = (0..<shape[3]).map { _ in Float.random(in: -1...1, using: &generator) }
      input = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -2...2, using: &generator) }
    }

    func description(isFloat: Bool, hasActivation: Bool) -> ModelDescription {
      let channels = shape[3]
      let padded = (channels + 15) / 16 * 16
      var owners: [AnyObject] = []
      func keep<T: BitwiseCopyable>(_ values: [T], paddedTo count: Int) -> ConstantBytes {
        let buffer = AlignedBuffer(copying: values, paddedTo: count)
        owners.append(buffer)
        return ConstantBytes(buffer)
      }
      var stored = [Int8](repeating: 0, count: window.taps * padded)
      for tap in 0..<window.taps {
        for channel in 0..<channels { stored[tap * padded + channel] = integers[tap * channels + channel] }
      }
      let floats = integers.enumerated().map { Float($0.element) * scales[$0.offset % channels] }
      let weights: Constant =
        isFloat
        ? .dense(
          DenseConstant(
            elementType: .float32, shape: [window.taps, channels], bytes: keep(floats, paddedTo: floats.count)
          ))
        : .depthwise(
          PackedDepthwise(
            channels: channels, taps: window.taps, level: level,
            weights: keep(stored, paddedTo: stored.count),
            scales: keep(scales, paddedTo: padded)))
      var graph = Graph()
      let outputShape = [
        shape[0], window.outputHeight(shape[1]), window.outputWidth(shape[2]), channels,
      ].map { Dimension.fixed($0) }
      graph.values = [
        Value(name: "x", elementType: .float32, shape: shape.map { .fixed($0) }),
        Value(name: "y", elementType: .float32, shape: outputShape),
        Value(name: "z", elementType: .float32, shape: outputShape),
      ]
      graph.constants = [
        weights,
        .dense(
          DenseConstant(elementType: .float32, shape: [channels], bytes: keep(bias, paddedTo: channels))),
      ]
      graph.constantNames = ["weights", "bias"]
      graph.nodes = [
        Node(
          name: "conv", operation: .depthwiseConvolution(window, weights: 0, bias: 1), inputs: [0], output: 1),
        Node(name: "relu", operation: .activation(.relu), inputs: [1], output: 2),
      ]
      graph.inputs = [GraphInput(value: 0)]
      graph.outputs = [hasActivation ? 2 : 1]
      if !hasActivation {
        graph.nodes.removeLast()
        graph.values.removeLast()
      }
      return ModelDescription(graph: graph, metadata: [], owner: owners)
    }

    func reference(isFloat: Bool, hasActivation: Bool) -> [Float] {
      let channels = shape[3]
      guard case .fixed(let scale, _) = level.activation.scaling else { return [] }
      var result: [Float] = []
      for image in 0..<shape[0] {
        for row in 0..<window.outputHeight(shape[1]) {
          for column in 0..<window.outputWidth(shape[2]) {
            for channel in 0..<channels {
              var (dot, sum) = (0, bias[channel])
              for tap in 0..<window.taps {
                let y = row * window.strideHeight + tap / window.width * window.dilationHeight - window.top
                let x = column * window.strideWidth + tap % window.width * window.dilationWidth - window.left
                guard (0..<shape[1]).contains(y), (0..<shape[2]).contains(x) else { continue }
                let value = input[((image * shape[1] + y) * shape[2] + x) * channels + channel]
                let weight = integers[tap * channels + channel]
                if isFloat {
                  sum.addProduct(Float(weight) * scales[channel], value)
                } else {
                  dot += SyntheticConvolution.integer(value, level.activation) * Int(weight)
                }
              }
              if !isFloat { sum.addProduct(Float(dot), scales[channel] * scale) }
              result.append(hasActivation ? max(0, sum) : sum)
            }
          }
        }
      }
      return result
    }
  }

  private static let windows: [(Window, Int, Int)] = [
    (Window(height: 3, width: 3, padding: (1, 1, 1, 1)), 6, 7),
    (Window(height: 3, width: 3, strides: (2, 2), padding: (1, 1, 1, 1)), 8, 8),
    (Window(height: 5, width: 5, dilations: (2, 1), padding: (2, 2, 2, 2)), 12, 9),
    (Window(height: 1, width: 7, strides: (1, 2), padding: (0, 3, 0, 3)), 1, 30),
  ]

  @Test(arguments: windows.indices, [1, 16, 32, 65, 144])
  func equalsTheDefinition(window: Int, channels: Int) throws {
    let (shape, height, width) = Self.windows[window]
    let level =
      window % 2 == 0 ? Level.affine(8, 8).fixed(0.02, zero: 101) : Level.bipolar(4, 4).affineActivations
    try check(
      Fixture(
        shape, shape: [2, height, width, channels], level: level, seed: UInt64(3000 + window * 10 + channels)),
      "window \(window)")
  }

  /// Float windows of one channel are made of lines: of several runs, phases and rows, partly beyond the image.
  @Test(arguments: [
    (Window(height: 1, width: 256, strides: (1, 2)), 1, 700),
    (Window(height: 2, width: 20, strides: (1, 3), dilations: (2, 2), padding: (1, 5, 3, 90)), 3, 500),
    (Window(height: 3, width: 3, padding: (1, 1, 1, 1)), 5, 130),
    (Window(height: 1, width: 9, dilations: (1, 50), padding: (0, 200, 0, 200)), 2, 60),
    (Window(height: 1, width: 1, strides: (1, 17)), 2, 200),
  ])
  func oneChannel(window: Window, height: Int, width: Int) throws {
    let fixture = Fixture(
      window, shape: [2, height, width, 1], level: Level.affine(8, 8).fixed(0.02, zero: 101), seed: 3100)
    try check(fixture, "\(window)")
  }

  private func check(_ fixture: Fixture, _ name: String) throws {
    let channels = fixture.shape[3]
    for isFloat in [false, true] {
      let hasActivation = channels % 2 == 0
      let expected = fixture.reference(isFloat: isFloat, hasActivation: hasActivation)
      for instructions in InstructionSet.underTest() {
        for (threads, copies) in [(1, true), (3, true), (1, false)] {
          var options = SessionOptions()
          options.threadCount = threads
          options.maximumInstructionSet = instructions.name
          let session = try Session(
            Model(
              fixture.description(isFloat: isFloat, hasActivation: hasActivation), allowsCopies: copies),
            options: options)
          try fixture.input.withUnsafeBytes {
            try session.setInput(
              0, data: $0.baseAddress, elementType: .float32, shape: fixture.shape.map { Int64($0) }, rank: 4)
          }
          try session.run()
          let actual = try session.floats(session.output(0))
          let place = zip(expected, actual).enumerated().first { $0.element.0 != $0.element.1 }
          #expect(
            actual.count == expected.count && place == nil,
            "\(name), \(channels) channels float \(isFloat) \(instructions) copies \(copies): \(String(describing: place))"
          )
        }
      }
    }
  }
}

extension Level {
  fileprivate var affineActivations: Level {
    Level(
      weight: weight, activation: ActivationCode(kind: .affine, bits: 4, scaling: .fixed(scale: 0.2, zero: 3))
    )
  }
}
