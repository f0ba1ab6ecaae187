import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqMemory
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct MatrixMultiplierTests {
  static let palettes: [[Level]] = [
    [.affine(8, 8)], [.affine(4, 8)], [.affine(5, 3)], [.bipolar(1, 1)], [.bipolar(7, 7)],
    [.bipolar(2, 2), .affine(8, 8)], [.affine(3, 8), .bipolar(4, 6)],
  ]

  /// Every instruction set and thread count this machine has. With two threads weights are not copied.
  static func everyOption(_ body: (SessionOptions) throws -> Void) rethrows {
    for set in InstructionSet.underTest() {
      for threads in 1...3 {
        var options = SessionOptions()
        options.maximumInstructionSet = set.name
        options.threadCount = threads
        try body(options)
      }
    }
  }

  static func matrix(_ palette: [Level], seed: UInt64) -> SyntheticMatrix {
    var generator = SeededGenerator(seed: seed)
    let runs = palette.count == 2 ? [(palette[0], 41), (palette[1], 60)] : [(palette[0], 101)]
    return SyntheticMatrix(outputs: 70, inputs: 101, levels: runs, shuffled: true, using: &generator)
  }

  @Test(arguments: palettes, [1, 3, 150])
  func integerProductsAreExact(palette: [Level], rows: Int) throws {
    let synthetic = Self.matrix(palette, seed: 21)
    var generator = SeededGenerator(seed: 22)
    let gather = synthetic.packed.gather?.bound(to: UInt32.self)
    var levelOf = [Int](repeating: 0, count: 101)
    for position in 0..<101 {
      levelOf[gather.map { Int($0[position]) } ?? position] =
        position < synthetic.packed.levels[0].channels ? 0 : 1
    }
    let codes = (0..<rows * 101).map {
      UInt8.random(in: 0...UInt8(palette[levelOf[$0 % 101]].activation.codeCount - 1), using: &generator)
    }
    let zeros = (0..<rows * palette.count).map {
      Int32.random(in: 0..<Int32(palette[$0 % palette.count].activation.codeCount), using: &generator)
    }
    var expected = [Int32](repeating: 0, count: rows * 70)
    for row in 0..<rows {
      for output in 0..<70 {
        var sum = 0
        for input in 0..<101 {
          let activation = palette[levelOf[input]].activation
          let code = Int(codes[row * 101 + input])
          let zero = Int(zeros[row * palette.count + levelOf[input]])
          let unit = activation.kind == .affine ? code - zero : 2 * code - (activation.codeCount - 1)
          sum += synthetic.integers[output][input] * unit
        }
        expected[row * 70 + output] = Int32(sum)
      }
    }
    try Self.everyOption { options in
      let multiplier = try MatrixMultiplier(
        synthetic.packed, owner: nil, weights: .ofMatrix(allowsCopies: options.threadCount != 2),
        maximumRows: rows, options: options)
      var output = [Int32](repeating: -1, count: rows * 72)
      try multiplier.multiply(codes: codes, zeros: zeros, rows: rows, output: &output, outputStride: 72)
      for row in 0..<rows {
        #expect(Array(output[row * 72..<row * 72 + 70]) == Array(expected[row * 70..<(row + 1) * 70]))
        #expect(output[row * 72 + 70] == -1)
      }
    }
    withExtendedLifetime(synthetic.owners) {}
  }

  @Test(arguments: [1, 5, 130])
  func floatProductsAreCloseAndTheSameEverywhere(rows: Int) throws {
    let synthetic = Self.matrix([.affine(8, 8)], seed: 23)
    var generator = SeededGenerator(seed: 24)
    let input = (0..<rows * 110).map { _ in Float.random(in: -2...2, using: &generator) }
    var first: [Float]?
    try Self.everyOption { options in
      let multiplier = try MatrixMultiplier(
        synthetic.packed, owner: nil, weights: .ofMatrix(allowsCopies: options.threadCount != 2),
        maximumRows: 200, options: options)
      var output = [Float](repeating: 7, count: rows * 70)
      try multiplier.multiply(input: input, inputStride: 110, rows: rows, output: &output, outputStride: 70)
      if first == nil {
        for row in 0..<rows {
          let exact = synthetic.apply(input[row * 110..<row * 110 + 101].map(Double.init))
          for channel in 0..<70 { #expect(abs(Double(output[row * 70 + channel]) - exact[channel]) < 0.05) }
        }
      }
      #expect(output == first ?? output)
      first = first ?? output
    }
    withExtendedLifetime(synthetic.owners) {}
  }

  @Test func senselessArgumentsAreRefused() throws {
    let synthetic = Self.matrix([.affine(4, 4)], seed: 25)
    let multiplier = try MatrixMultiplier(synthetic.packed, owner: nil, weights: .ofMatrix(), maximumRows: 2)
    var floats = [Float](repeating: 0, count: 400)
    var integers = [Int32](repeating: 0, count: 400)
    func refused(_ body: () throws -> Void) -> RuntimeError.Code? {
      #expect(throws: RuntimeError.self) { try body() }?.code
    }
    let input = [Float](repeating: 0, count: 400)
    #expect(
      refused {
        try multiplier.multiply(input: input, inputStride: 101, rows: 3, output: &floats, outputStride: 70)
      } == .invalidArgument)
    #expect(
      refused {
        try multiplier.multiply(input: input, inputStride: 100, rows: 1, output: &floats, outputStride: 70)
      } == .invalidArgument)
    #expect(
      refused {
        try multiplier.multiply(
          input: input, inputStride: Int.max / 2, rows: 1, output: &floats, outputStride: 70)
      } == .invalidArgument)
    let codes = [UInt8](repeating: 15, count: 101)
    #expect(
      refused {
        try multiplier.multiply(codes: codes, zeros: nil, rows: 1, output: &integers, outputStride: 69)
      } == .invalidArgument)
    let weights = try PreparedWeights.ofMatrix()
    #expect(throws: RuntimeError.self) {
      try MatrixMultiplier(synthetic.packed, owner: nil, weights: weights, maximumRows: 0)
    }
    withExtendedLifetime(synthetic.owners) {}
  }
}

extension PreparedWeights {
  static func ofMatrix(allowsCopies: Bool = true) throws -> PreparedWeights {
    try PreparedWeights(MemoryArena(), constantCount: 1, allowsCopies: allowsCopies)
  }
}
