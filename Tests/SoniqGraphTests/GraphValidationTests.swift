import SoniqCore
import SoniqGraph
import Testing

@Suite struct GraphValidationTests {
  @Test func theFixtureIsValid() {
    #expect(GraphFixture().fault() == nil)
  }

  struct Breakage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let code: GraphError.Code
    let change: @Sendable (inout GraphFixture) -> Void
    init(_ name: String, _ code: GraphError.Code, _ change: @escaping @Sendable (inout GraphFixture) -> Void)
    {
      testDescription = name
      self.code = code
      self.change = change
    }
  }

  @Test(arguments: [
    Breakage("symbol of size 0", .invalidSize) { $0.graph.symbols[0].maximum = 0 },
    Breakage("symbol named twice", .invalidName) { $0.graph.symbols[1].name = "B" },
    Breakage("rows beyond 32 bits", .invalidSize) { $0.graph.symbols[0].maximum = Int(Int32.max) },
    Breakage("unknown symbol", .indexOutOfRange) { $0.graph.values[0].shape[0] = .symbol(2) },
    Breakage("negative dimension", .invalidSize) { $0.graph.values[2].shape[2] = .fixed(-1) },
    Breakage("no dimension", .invalidSize) { $0.graph.values[0].shape = [] },
    Breakage("missing constant name", .invalidName) { $0.graph.constantNames.removeLast() },
    Breakage("input out of range", .indexOutOfRange) { $0.graph.inputs[0].value = 99 },
    Breakage("input given twice", .producedTwice) { $0.graph.inputs[1].value = 0 },
    Breakage("node input out of range", .indexOutOfRange) { $0.graph.nodes[0].inputs = [-1] },
    Breakage("used before made", .usedBeforeDefinition) { $0.graph.nodes.swapAt(3, 4) },
    Breakage("made twice", .producedTwice) { $0.graph.nodes[3].output = $0.graph.nodes[2].output },
    Breakage("output never made", .neverProduced) { $0.graph.outputs = [0] },
    Breakage("no output", .neverProduced) { $0.graph.outputs = [] },
    Breakage("output out of range", .indexOutOfRange) { $0.graph.outputs = [1000] },
    Breakage("add of one", .wrongInputCount) { $0.graph.nodes[3].inputs.removeLast() },
    Breakage("table out of range", .indexOutOfRange) { $0.graph.nodes[0].operation = .embedding(table: 4) },
    Breakage("table of the wrong kind", .wrongKind) { $0.graph.nodes[0].operation = .embedding(table: 3) },
    Breakage("more positions than rows", .invalidSize) { $0.graph.symbols[1].maximum = 17 },
    Breakage("heads that do not divide", .invalidAttribute) {
      $0.graph.nodes[6].operation = .attention(Attention(heads: 5, scale: 1))
    },
    Breakage("scale that is not finite", .invalidAttribute) {
      $0.graph.nodes[6].operation = .attention(Attention(heads: 4, scale: .infinity))
    },
    Breakage("bias without an input", .elementTypeMismatch) {
      $0.graph.nodes[6].operation = .attention(Attention(heads: 4, scale: 1, hasBias: true))
    },
    Breakage("attention of three inputs without a bias", .wrongInputCount) {
      $0.graph.nodes[6].inputs.append($0.graph.nodes[6].inputs[0])
    },
    Breakage("bias of three axes", .shapeMismatch) {
      $0.graph.nodes[6].operation = .attention(Attention(heads: 4, scale: 1, hasBias: true))
      $0.graph.nodes[6].inputs.append($0.graph.nodes[6].inputs[0])
    },
    Breakage("epsilon 0", .invalidAttribute) {
      $0.graph.nodes[4].operation = .layerNorm(gamma: 0, beta: 0, epsilon: 0)
    },
    Breakage("declared shape differs", .shapeMismatch) { $0.graph.values[2].shape[2] = .fixed(31) },
    Breakage("declared type differs", .elementTypeMismatch) { $0.graph.values[3].elementType = .float32 },
  ])
  func brokenGraphIsRefused(breakage: Breakage) {
    var fixture = GraphFixture()
    breakage.change(&fixture)
    #expect(fixture.fault()?.code == breakage.code)
  }

  @Test(arguments: [
    Breakage("weights one byte short", .wrongByteCount) { fixture in
      fixture.changeMatrix {
        let weights = $0.levels[0].weights
        $0.levels[0].weights = ConstantBytes(start: weights.start, count: weights.count - 1)
      }
    },
    Breakage("weights not aligned", .misaligned) { fixture in
      fixture.changeMatrix {
        let weights = $0.levels[1].weights
        $0.levels[1].weights = ConstantBytes(start: weights.start + 4, count: weights.count)
      }
    },
    Breakage("outputs beyond count", .invalidSize) { $0.changeMatrix { $0.outputs = Int.max } },
    Breakage("inputs beyond the levels", .shapeMismatch) { $0.changeMatrix { $0.inputs = 33 } },
    Breakage("five levels", .invalidLevel) { fixture in
      fixture.changeMatrix { $0.levels += [MatrixLevel](repeating: $0.levels[0], count: 4) }
    },
    Breakage("nine bits", .invalidLevel) { $0.changeMatrix { $0.levels[0].level.weight.bits = 9 } },
    Breakage("channels beyond inputs", .invalidSize) { $0.changeMatrix { $0.levels[0].channels = 1 << 40 } },
    Breakage("negative scale", .invalidNumber) { fixture in
      let scales = fixture.keep([Float](repeating: -1, count: 96))
      fixture.changeMatrix { $0.levels[0].scales = scales }
    },
    Breakage("bias that is not a number", .invalidNumber) { fixture in
      let bias = fixture.keep([Float](repeating: .nan, count: 96))
      fixture.changeMatrix { $0.bias = bias }
    },
    Breakage("channel named twice", .notAPermutation) { fixture in
      let gather = fixture.keep([UInt32](repeating: 3, count: 32))
      fixture.changeMatrix { $0.gather = gather }
    },
    Breakage("channel out of range", .notAPermutation) { fixture in
      let gather = fixture.keep((1...32).map { UInt32($0) })
      fixture.changeMatrix { $0.gather = gather }
    },
    Breakage("block of 12 channels", .invalidSize) { $0.changeTable { $0.levels[0].blockLength = 12 } },
    Breakage("block of 0 channels", .invalidSize) { $0.changeTable { $0.levels[0].blockLength = 0 } },
    Breakage("table scale that is not finite", .invalidNumber) { fixture in
      let scales = fixture.keep([UInt16](repeating: 0x7c00, count: 32))
      fixture.changeTable { $0.levels[0].scales = scales }
    },
    Breakage("table of many rows", .wrongByteCount) { $0.changeTable { $0.rows = Int(Int32.max) } },
    Breakage("norm parameter that is not finite", .invalidNumber) { fixture in
      let gamma = fixture.keep([Float](repeating: .infinity, count: 32))
      fixture.graph.constants[0] = .dense(DenseConstant(elementType: .float32, shape: [32], bytes: gamma))
    },
  ])
  func brokenConstantIsRefused(breakage: Breakage) {
    var fixture = GraphFixture()
    breakage.change(&fixture)
    let fault = fixture.fault()
    #expect(fault?.code == breakage.code)
    #expect(fault?.constant != nil)
    #expect(fault?.message.isEmpty == false)
  }

  @Test func scaleOfZeroStandsForARowOfZeros() {
    var fixture = GraphFixture()
    let scales = fixture.keep([Float](repeating: 0, count: 96))
    fixture.changeMatrix { $0.levels[0].scales = scales }
    #expect(fixture.fault() == nil)
  }

  /// Every axis of a bias but that of the keys may be 1.
  @Test func shapesOfBiases() {
    let (one, heads, batch, positions) = (
      Dimension.fixed(1), Dimension.fixed(4), Dimension.symbol(0), Dimension.symbol(1)
    )
    let attention = Attention(heads: 4, scale: 1, hasBias: true)
    for first in [one, batch] {
      for second in [one, heads] {
        for third in [one, positions] {
          #expect(attention.takesBias([first, second, third, positions], batch: batch, positions: positions))
          #expect(!attention.takesBias([first, second, third, one], batch: batch, positions: positions))
        }
      }
    }
    for shape in [
      [positions, one, one, positions], [one, .fixed(2), one, positions], [one, one, batch, positions],
      [heads, positions, positions], [one, one, one, one, positions],
    ] {
      #expect(!attention.takesBias(shape, batch: batch, positions: positions))
    }
  }

  @Test func shapesAreInferredWithSymbols() throws {
    let graph = GraphFixture().graph
    let attention = try graph.inferredOutput(ofNode: 6)
    #expect(attention.elementType == .float32)
    #expect(attention.shape == [.symbol(0), .symbol(1), .fixed(32)])
    let pooled = try graph.inferredOutput(ofNode: 9)
    #expect(pooled.shape == [.symbol(0), .fixed(20)])
  }
}
