import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqMemory
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Matrices of version 3 of the format: codebooks, layouts, groups, up to four levels, against the definition, bit for
/// bit: on every instruction set, with copies of weights and without, on one thread and on several.
@Suite struct LevelMatrixTests {
  static let entries: [Int8] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
  static let unsigned8 = WeightCode.symmetric(8, layout: .unsignedBytes)

  static let palettes: [[SyntheticLevel]] = [
    // Layouts that are not those of the bits.
    [.affine(.symmetric(7, layout: .bytes), 101)], [.affine(.bipolar(7, layout: .bytes), 64)],
    [.affine(.symmetric(5, layout: .bytes), 37, offsets: true)], [.affine(.bipolar(1, layout: .bytes), 9)],
    [.affine(.bipolar(3, layout: .nibbles), 75)], [.affine(.symmetric(2, layout: .nibbles), 130, bits: 4)],
    [.affine(.symmetric(4, layout: .planes), 97)], [.affine(.bipolar(4, layout: .planes), 200, bits: 3)],
    [
      SyntheticLevel(
        level: Level(weight: .bipolar(2, layout: .nibbles), activation: .init(kind: .bipolar, bits: 5)),
        channels: 66)
    ],
    // Codebooks.
    [.affine(.codebook(entries), 101)], [.affine(.codebook(entries, layout: .planes), 33, offsets: true)],
    [.affine(.codebook([-128, 127, 3, 0]), 7)],
    [
      SyntheticLevel(
        level: Level(
          weight: .codebook([-3, 5], layout: .planes), activation: .init(kind: .bipolar, bits: 7)),
        channels: 96)
    ],
    [
      .affine(.codebook([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]), 64).fixed(0.03, zero: 99)
    ],
    // More than two levels.
    [.affine(.symmetric(8), 21), .affine(.bipolar(4), 32), .affine(.bipolar(1), 64, bits: 2)],
    [
      .affine(.codebook(entries), 40), .affine(.symmetric(7, layout: .bytes), 12, offsets: true),
      .affine(.symmetric(3, layout: .nibbles), 9, bits: 5), .affine(.bipolar(2), 50),
    ],
    [
      SyntheticLevel.affine(.symmetric(8), 8).fixed(0.02, zero: 3),
      SyntheticLevel.affine(.symmetric(4), 8).fixed(0.03, zero: 7),
      SyntheticLevel.affine(.symmetric(2), 8).fixed(0.04),
      SyntheticLevel.affine(.symmetric(6), 8).fixed(0.05, zero: 1),
    ],
    // Symmetric activations, with and without groups.
    [.symmetric(.symmetric(4), 96)], [.symmetric(unsigned8, 50, offsets: true)],
    [.symmetric(.bipolar(4), 96, groups: 32)],
    [.symmetric(.bipolar(4), 100, groups: 32, .float16, offsets: true)],
    [.symmetric(WeightCode(kind: .affine, bits: 4), 256, groups: 32, .uint8, offsets: true, by: 32)],
    [.symmetric(unsigned8, 128, groups: 32, .float16)],
    [.symmetric(unsigned8, 576, groups: 64, .uint8, by: 64)],
    [.symmetric(.bipolar(6, layout: .unsignedBytes), 80, groups: 16, .float32)],
    [.symmetric(WeightCode(kind: .affine, bits: 2), 90, groups: 16, offsets: true)],
    [.symmetric(.symmetric(3, layout: .nibbles), 140, groups: 64, .float16, by: 128)],
    [.symmetric(.bipolar(5), 130, groups: 128, .uint8)],
    [.symmetric(.bipolar(1), 128, groups: 128, .float16)],
    [.symmetric(.codebook(entries), 96, groups: 32, .float16)],
    [.symmetric(.codebook(entries, layout: .planes), 70, groups: 16, .float32, offsets: true)],
    [SyntheticLevel.symmetric(.symmetric(4), 64, groups: 32).fixed(0.05)],
    [
      .symmetric(.symmetric(4), 64, groups: 32, .float16, by: 64),
      .symmetric(unsigned8, 20, groups: 16, .uint8),
      .symmetric(.codebook([-4, -1, 1, 4]), 33, offsets: true, bits: 4),
      .symmetric(.bipolar(2), 40, groups: 32, offsets: true, bits: 6),
    ],
  ]

  /// Every instruction set, thread count and permission to copy.
  static func everyOption(_ body: (SessionOptions, Bool, String) throws -> Void) rethrows {
    for set in InstructionSet.underTest() {
      for (threads, copies) in [(1, true), (3, true), (1, false)] {
        var options = SessionOptions()
        options.maximumInstructionSet = set.name
        options.threadCount = threads
        try body(options, copies, "\(set), \(threads) threads, copies \(copies)")
      }
    }
  }

  private static func numbers(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in Float.random(in: -2...2, using: &generator) }
  }

  /// The first place at which the bits differ.
  private static func difference(_ left: [Float], _ right: [Float]) -> String? {
    guard left.count == right.count else { return "\(left.count) and \(right.count) numbers" }
    let place = left.indices.first { left[$0].bitPattern != right[$0].bitPattern }
    return place.map { "at \($0): \(left[$0]) and \(right[$0])" }
  }

  @Test(arguments: palettes.indices, [1, 2, 40])
  func aloneItEqualsTheDefinition(palette: Int, rows: Int) throws {
    var generator = SeededGenerator(seed: UInt64(700 + palette))
    let matrix = SyntheticLevels(
      outputs: 37, Self.palettes[palette], shuffled: palette % 2 == 1, using: &generator)
    // Rows begin behind each other with a gap, in the host's memory.
    let stride = matrix.inputs + 3
    var input = Self.numbers(rows * stride, &generator)
    if rows > 1 { for channel in 0..<matrix.inputs { input[stride + channel] = 0 } }
    let expected = (0..<rows).flatMap {
      matrix.product(Array(input[$0 * stride..<$0 * stride + matrix.inputs]))
    }
    try Self.everyOption { options, copies, note in
      let multiplier = try MatrixMultiplier(
        matrix.packed, owner: nil, weights: .ofMatrix(allowsCopies: copies), maximumRows: rows,
        options: options)
      var output = [Float](repeating: 9, count: rows * 40)
      try multiplier.multiply(
        input: input, inputStride: stride, rows: rows, output: &output, outputStride: 40)
      let products = (0..<rows).flatMap { output[$0 * 40..<$0 * 40 + 37] }
      #expect(Self.difference(products, expected) == nil, "palette \(palette), \(rows) rows, \(note)")
      #expect(output[39] == 9)
    }
    withExtendedLifetime(matrix.owners) {}
  }

  /// First, in the middle and last: matrix, ReLU, matrix, matrix.
  @Test(arguments: palettes.indices)
  func inANetworkItEqualsTheDefinition(palette: Int) throws {
    var generator = SeededGenerator(seed: UInt64(800 + palette))
    let palettes = [palette, (palette + 7) % Self.palettes.count, palette].map { Self.palettes[$0] }
    var matrices: [SyntheticLevels] = []
    for (index, levels) in palettes.enumerated() {
      let next = index + 1 < palettes.count ? palettes[index + 1].reduce(0) { $0 + $1.channels } : 21
      matrices.append(SyntheticLevels(outputs: next, levels, shuffled: index != 1, using: &generator))
    }
    let rows = 19
    let input = Self.numbers(rows * matrices[0].inputs, &generator)
    var expected: [Float] = []
    for row in 0..<rows {
      var values = Array(input[row * matrices[0].inputs..<(row + 1) * matrices[0].inputs])
      values = matrices[0].product(values).map { max($0, 0) }
      for matrix in matrices[1...] { values = matrix.product(values) }
      expected += values
    }
    let model = Self.network(matrices)
    try Self.everyOption { options, copies, note in
      let session = try Session(Model(model, allowsCopies: copies), options: options)
      try input.withUnsafeBytes {
        try session.setInput(
          0, data: $0.baseAddress, elementType: .float32, shape: [Int64(rows), Int64(matrices[0].inputs)],
          rank: 2)
      }
      try session.run()
      let actual = try session.floats(session.output(0))
      #expect(Self.difference(actual, expected) == nil, "palette \(palette), \(note)")
    }
    withExtendedLifetime(matrices.map(\.owners)) {}
  }

  /// The table of an embedding, whose rows the same matrix multiplies.
  @Test(arguments: palettes.indices)
  func itsRowsCanBeLookedUp(palette: Int) throws {
    var generator = SeededGenerator(seed: UInt64(900 + palette))
    let matrix = SyntheticLevels(
      outputs: 37, Self.palettes[palette], shuffled: palette % 2 == 0, using: &generator)
    let ids: [Int32] = [36, 0, 15, 16, 31, 32, 5, 0, 36]
    let rows = ids.map { matrix.weights(Int($0)) }
    var graph = Graph()
    graph.symbols = [Symbol(name: "rows", maximum: 64)]
    graph.constants = [.matrix(matrix.packed)]
    graph.constantNames = ["words"]
    graph.values = [
      Value(name: "ids", elementType: .int32, shape: [.symbol(0)]),
      Value(name: "rows", elementType: .float32, shape: [.symbol(0), .fixed(matrix.inputs)]),
      Value(name: "logits", elementType: .float32, shape: [.symbol(0), .fixed(37)]),
    ]
    graph.nodes = [
      Node(name: "embed", operation: .embedding(table: 0), inputs: [0], output: 1),
      Node(name: "project", operation: .linear(matrix: 0), inputs: [1], output: 2),
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1, 2]
    let model = ModelDescription(graph: graph, metadata: [], owner: matrix.owners)
    try Self.everyOption { options, copies, note in
      let session = try Session(Model(model, allowsCopies: copies), options: options)
      try session.set(0, ids, [ids.count])
      try session.run()
      let embedded = try session.floats(session.output(0))
      #expect(Self.difference(embedded, rows.flatMap { $0 }) == nil, "palette \(palette), \(note)")
      let logits = try session.floats(session.output(1))
      #expect(Self.difference(logits, rows.flatMap(matrix.product)) == nil, "palette \(palette), \(note)")
      try session.set(0, [0, 37], [2])
      #expect(throws: RuntimeError.self) { try session.run() }
    }
  }

  /// A convolution has kernels neither for symmetric activations nor for more than two levels.
  @Test func convolutionsRefuseWhatTheyCannotRun() throws {
    let plain = SyntheticLevel.affine(.symmetric(8), 5).fixed(0.1, zero: 7)
    let refused: [[SyntheticLevel]] = [
      [SyntheticLevel.symmetric(.symmetric(4), 5).fixed(0.1)],
      [SyntheticLevel.symmetric(.symmetric(4), 5, groups: 16).fixed(0.1)], [plain, plain, plain],
    ]
    for (levels, isRefused) in refused.map({ ($0, true) }) + [([plain, plain], false)] {
      var generator = SeededGenerator(seed: 31)
      let matrix = SyntheticLevels(outputs: 3, levels, shuffled: false, using: &generator)
      var graph = Graph()
      graph.constants = [.matrix(matrix.packed)]
      graph.constantNames = ["weights"]
      graph.values = [matrix.inputs, 3].enumerated().map { index, channels in
        Value(
          name: "value \(index)", elementType: .float32, shape: [1, 2, 2, channels].map { .fixed($0) })
      }
      graph.nodes = [
        Node(
          name: "conv", operation: .convolution(Window(height: 1, width: 1), weights: [0]), inputs: [0],
          output: 1)
      ]
      graph.inputs = [GraphInput(value: 0)]
      graph.outputs = [1]
      let model = ModelDescription(graph: graph, metadata: [], owner: matrix.owners)
      #expect(((try? Model(model)) == nil) == isRefused, "\(levels.count) levels")
    }
  }

  /// The report names the kernel, the bytes of copies, and why there are some or none.
  @Test func reportsSayHowCodebooksRun() throws {
    var generator = SeededGenerator(seed: 32)
    for (levels, copyBytes) in [
      ([SyntheticLevel.affine(.codebook(Self.entries), 101)], 3 * 16 * 104),
      (
        [.affine(.codebook(Self.entries), 101), .affine(.codebook([1, -1], layout: .planes), 8)], 3 * 16 * 112
      ),
    ] {
      let matrix = SyntheticLevels(outputs: 37, levels, shuffled: false, using: &generator)
      for copies in [true, false] {
        let multiplier = try MatrixMultiplier(
          matrix.packed, owner: nil, weights: .ofMatrix(allowsCopies: copies), maximumRows: 4)
        let entry = try #require(multiplier.kernelReport.last)
        // Where nothing but the portable kernel runs, which takes codebooks as they are, there is nothing to say.
        if copies, entry.kernel == "snq_matmul_any_8x1__portable" { continue }
        #expect(entry.copiedWeightBytes == (copies ? copyBytes : 0))
        #expect(
          entry.refusals.contains {
            $0.contains(
              copies ? "works on a copy of 8 bits" : "needs a copy of 8 bits a weight, and copies are")
          }, "\(entry.refusals)")
        if !copies { #expect(entry.kernel == "snq_matmul_any_8x1__portable") }
      }
      withExtendedLifetime(matrix.owners) {}
    }
  }

  private static func network(_ matrices: [SyntheticLevels]) -> ModelDescription {
    var graph = Graph()
    graph.symbols = [Symbol(name: "rows", maximum: 64)]
    func add(_ name: String, _ size: Int) -> ValueID {
      graph.values.append(Value(name: name, elementType: .float32, shape: [.symbol(0), .fixed(size)]))
      return graph.values.count - 1
    }
    var value = add("x", matrices[0].inputs)
    graph.inputs = [GraphInput(value: value)]
    for (index, matrix) in matrices.enumerated() {
      graph.constantNames.append("matrix \(index)")
      graph.constants.append(.matrix(matrix.packed))
      let product = add("product \(index)", matrix.outputs)
      graph.nodes.append(
        Node(name: "linear \(index)", operation: .linear(matrix: index), inputs: [value], output: product))
      value = product
      guard index == 0 else { continue }
      value = add("positive", matrix.outputs)
      graph.nodes.append(Node(name: "relu", operation: .activation(.relu), inputs: [product], output: value))
    }
    graph.outputs = [value]
    return ModelDescription(graph: graph, metadata: [], owner: matrices.flatMap(\.owners))
  }
}
