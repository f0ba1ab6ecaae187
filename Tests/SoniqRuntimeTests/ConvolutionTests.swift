import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct ConvolutionTests {
  static let levels: [[(Level, Int)]] = [
    [(.affine(8, 8).fixed(0.02, zero: 100), 5)], [(.affine(4, 8).fixed(0.02, zero: 3), 24)],
    [(.bipolar(1, 1).fixed(0.7), 40)], [(.affine(1, 1).fixed(0.9), 64)],
    [(Level(weight: .bipolar(1), activation: .init(kind: .affine, bits: 4)).fixed(0.2, zero: 5), 33)],
    [(.bipolar(2, 2).fixed(0.5), 32)], [(.affine(2, 4).fixed(0.2, zero: 0), 96)],
    [(.bipolar(3, 7).fixed(0.02), 17)],
    [(Level(weight: .bipolar(2), activation: .init(kind: .affine, bits: 8)).fixed(0.02, zero: 77), 70)],
    [(.affine(5, 6).fixed(0.05, zero: 31), 20)],
    [(.bipolar(1, 1).fixed(0.8), 48), (.bipolar(4, 4).fixed(0.2), 16)],
    [(.affine(2, 8).fixed(0.02, zero: 9), 30), (.affine(8, 8).fixed(0.02, zero: 9), 7)],
    // Of version 3 of the format.
    [
      (
        Level(weight: .bipolar(7, layout: .bytes), activation: .init(kind: .affine, bits: 8)).fixed(
          0.02, zero: 50), 3
      )
    ],
    [
      (
        Level(weight: .symmetric(3, layout: .nibbles), activation: .init(kind: .bipolar, bits: 4)).fixed(0.2),
        21
      )
    ],
    [
      (
        Level(weight: .codebook([-9, -4, -1, 3, 5, 8, 13, 100]), activation: .init(kind: .bipolar, bits: 2))
          .fixed(0.5), 18
      )
    ],
    [
      (
        Level(weight: .codebook([7, -7], layout: .planes), activation: .init(kind: .affine, bits: 8)).fixed(
          0.02, zero: 1), 37
      ),
      (
        Level(weight: .symmetric(4, layout: .planes), activation: .init(kind: .affine, bits: 8)).fixed(
          0.03, zero: 8), 5
      ),
    ],
  ]
  static let windows: [(Window, Int, Int)] = [
    (Window(height: 3, width: 3, padding: (1, 1, 1, 1)), 7, 9),
    (Window(height: 3, width: 3, strides: (2, 2), padding: (1, 1, 1, 1)), 8, 8),
    (Window(height: 1, width: 1, strides: (2, 2)), 6, 7),
    (Window(height: 5, width: 3, padding: (2, 0, 1, 3)), 6, 5),
    (Window(height: 3, width: 3, dilations: (2, 2), padding: (2, 2, 2, 2)), 9, 8),
    (Window(height: 7, width: 7, strides: (2, 2), padding: (3, 3, 3, 3)), 13, 11),
    (Window(height: 1, width: 4, strides: (1, 2), padding: (0, 2, 0, 1)), 1, 70),
  ]

  private static func run(
    _ model: ModelDescription, _ input: [Float], _ shape: [Int], _ options: SessionOptions, copies: Bool
  )
    throws -> [Float]
  {
    let session = try Session(Model(model, allowsCopies: copies), options: options)
    try input.withUnsafeBytes {
      try session.setInput(
        0, data: $0.baseAddress, elementType: .float32, shape: shape.map { Int64($0) }, rank: shape.count)
    }
    try session.run()
    return try session.floats(session.output(0))
  }

  /// Every instruction set, on one thread and on three, with copies of weights and without, against the definition: bit
  /// for bit.
  private func check(_ convolution: SyntheticConvolution, _ generator: inout SeededGenerator, _ note: String)
    throws
  {
    let shape = [convolution.batch, convolution.height, convolution.width, convolution.channels]
    let input = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -2...2, using: &generator) }
    let expected = convolution.reference(input)
    for instructions in InstructionSet.underTest() {
      for (threads, copies) in [(1, true), (3, true), (1, false)] {
        var options = SessionOptions()
        options.threadCount = threads
        options.maximumInstructionSet = instructions.name
        let actual = try Self.run(convolution.description, input, shape, options, copies: copies)
        let place = zip(expected, actual).enumerated().first {
          $0.element.0.bitPattern != $0.element.1.bitPattern
        }
        #expect(
          actual.count == expected.count && place == nil,
          "\(note) \(instructions) \(threads) threads, copies \(copies): first difference \(String(describing: place))"
        )
      }
    }
  }

  @Test(arguments: levels.indices, windows.indices)
  func equalsTheDefinition(levels: Int, window: Int) throws {
    var generator = SeededGenerator(seed: UInt64(1000 + levels * 20 + window))
    let (shape, height, width) = Self.windows[window]
    let convolution = SyntheticConvolution(
      shape, batch: window % 3 == 0 ? 2 : 1, height: height, width: width,
      groupOutputs: levels % 2 == 0 ? 20 : 48,
      levels: Self.levels[levels], shuffled: (levels + window) % 2 == 1, using: &generator)
    try check(convolution, &generator, "levels \(levels), window \(window)")
  }

  @Test(arguments: levels.indices)
  func groupsAreIndependent(levels: Int) throws {
    var generator = SeededGenerator(seed: UInt64(2000 + levels))
    let convolution = SyntheticConvolution(
      Window(height: 3, width: 3, padding: (1, 1, 1, 1)), height: 5, width: 6, groups: 3, groupOutputs: 10,
      levels: Self.levels[levels], using: &generator)
    try check(convolution, &generator, "groups, levels \(levels)")
  }

  /// An image wider than one call takes.
  @Test func wideImages() throws {
    var generator = SeededGenerator(seed: 2100)
    for levels in [0, 2, 4, 8] {
      let convolution = SyntheticConvolution(
        Window(height: 3, width: 3, padding: (1, 1, 1, 1)), height: 3, width: 150, groupOutputs: 16,
        levels: Self.levels[levels], using: &generator)
      try check(convolution, &generator, "wide, levels \(levels)")
    }
  }
}
