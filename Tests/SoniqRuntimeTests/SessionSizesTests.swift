import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// What a session is planned for when its options leave the batch open.
@Suite struct SessionSizesTests {
  static let batch = 2000
  static let positions = 24

  private static func model() throws -> Model {
    var shape = SyntheticEncoder.Shape()
    shape.batch = batch
    return try Model(SyntheticEncoder(seed: 9400, shape: shape, precision: .quantized).description)
  }

  private static func tokens(_ batch: Int, _ sequence: Int) -> TokenBatch {
    var generator = SeededGenerator(seed: UInt64(9401 + batch))
    return TokenBatch(
      batch: batch, sequence: sequence, vocabulary: 50, masksTails: true, using: &generator)
  }

  @Test func openBatchesAreKeptSmall() throws {
    let graph = try Self.model().description.graph
    let outline = try PlanOutline(graph, options: SessionOptions(), allowsCopies: true)
    #expect(outline.layout.valueBytes <= SessionSizes.defaultValueBytes)
    #expect(outline.layout.valueBytes > SessionSizes.defaultValueBytes / 2)
    #expect(outline.sizes.maximums == [Self.batch, Self.positions])
    let (few, short) = (outline.sizes.combinations[0], outline.sizes.combinations[1])
    #expect(few[0] > 1 && few[0] < Self.batch && few[1] == Self.positions)
    #expect(short[0] == Self.batch && short[1] >= 1 && short[1] < Self.positions)
    // Whoever names the batch gets it.
    var options = SessionOptions()
    options.maximums = [SymbolMaximum(name: "B", maximum: Self.batch)]
    let whole = try PlanOutline(graph, options: options, allowsCopies: true)
    #expect(whole.sizes.combinations == [[Self.batch, Self.positions]])
    #expect(whole.layout.valueBytes > SessionSizes.defaultValueBytes)
  }

  /// Sizes of which the file says nothing are planned for as usual, unless the options name them.
  @Test func openSizesAreUsual() throws {
    let stated = try Self.model()
    var graph = stated.description.graph
    graph.symbols[0] = Symbol(name: "B", maximum: 4096, isOpen: true)
    let open = try Model(ModelDescription(graph: graph, metadata: [], owner: stated.description.owner))
    #expect(open.usualSizes == [64, Self.positions])
    #expect(
      graph.symbols[0].usual(first: false) == 512 && graph.symbols[1].usual(first: true) == Self.positions)
    let session = try Session(open)
    let error = #expect(throws: RuntimeError.self) {
      _ = try session.outputs(of: Self.tokens(65, 3), withMask: false)
    }
    #expect(error?.code == .dimensionNotPlanned && error?.expected == 64)
    var options = SessionOptions()
    options.maximums = [SymbolMaximum(name: "B", maximum: 65)]
    let larger = try Session(open, options: options)
    #expect(
      try larger.outputs(of: Self.tokens(65, 3), withMask: false)
        == Session(stated).outputs(of: Self.tokens(65, 3), withMask: false))
    // What the options name is meant.
    let refused = #expect(throws: RuntimeError.self) {
      _ = try larger.outputs(of: Self.tokens(66, 3), withMask: false)
    }
    #expect(refused?.code == .dimensionTooLarge)
  }

  @Test(arguments: [1, 2]) func whatIsPlannedForRunsWithTheSameBits(threads: Int) throws {
    let model = try Self.model()
    var options = SessionOptions()
    options.threadCount = threads
    let sizes = try PlanOutline(model.description.graph, options: options, allowsCopies: true).sizes
    let session = try Session(model, options: options)
    options.maximums = [SymbolMaximum(name: "B", maximum: Self.batch)]
    let whole = try Session(model, options: options)
    for combination in sizes.combinations + [[1, Self.positions], [7, 3]] {
      let tokens = Self.tokens(combination[0], combination[1])
      for withMask in [true, false] {
        let got = try session.outputs(of: tokens, withMask: withMask)
        #expect(try whole.outputs(of: tokens, withMask: withMask) == got, "\(combination)")
      }
    }
  }

  @Test func tooMuchTogetherIsAnErrorAndNoMore() throws {
    let model = try Self.model()
    let session = try Session(model)
    let sizes = try PlanOutline(model.description.graph, options: SessionOptions(), allowsCopies: true).sizes
    let few = sizes.combinations[0][0]
    for (batch, sequence) in [(Self.batch, Self.positions), (few + 1, Self.positions)] {
      let error = #expect(throws: RuntimeError.self) {
        _ = try session.outputs(of: Self.tokens(batch, sequence), withMask: false)
      }
      #expect(error?.code == .sizesTooLarge)
      #expect(error?.message.contains("B = \(batch), S = \(sequence)") == true)
    }
    _ = try session.outputs(of: Self.tokens(few, Self.positions))
  }

  /// A session runs what its values have room for, and refuses the rest, whatever the sizes.
  @Test func roomIsAskedForByEveryShape() throws {
    let model = try Self.model()
    let outline = try PlanOutline(model.description.graph, options: SessionOptions(), allowsCopies: true)
    let session = try Session(model)
    var generator = SeededGenerator(seed: 9405)
    for _ in 0..<40 {
      let sequence = Int.random(in: 1...Self.positions, using: &generator)
      let batch = Int.random(in: 1...Self.batch, using: &generator)
      let fits = try outline.schedule.slots.allSatisfy { slot in
        let rows = slot.space.reduce(1) { rows, dimension in
          switch dimension {
          case .fixed(let size): rows * size
          case .symbol(let symbol): rows * [batch, sequence][symbol]
          }
        }
        return rows <= (try outline.layout.rows(slot.space))
      }
      let tokens = Self.tokens(batch, sequence)
      if fits {
        #expect(throws: Never.self, "\(batch) x \(sequence)") { _ = try session.outputs(of: tokens) }
      } else {
        #expect(throws: RuntimeError.self, "\(batch) x \(sequence)") { _ = try session.outputs(of: tokens) }
      }
    }
  }

  @Test func oneEntryOfFullLengthIsAlwaysPlannedFor() throws {
    let graph = try Self.model().description.graph
    let outline = try PlanOutline(graph, options: SessionOptions(), allowsCopies: true)
    let (sizes, layout) = try SessionSizes.fitting(
      [Self.batch, Self.positions], of: graph, batches: [0], limit: 0
    ) { (sizes) throws(GraphError) in
      try WorkspaceLayout(outline.schedule, sizes, lanes: 1, cacheBytes: 1 << 18, scratchBytes: 64)
    }
    #expect(sizes.combinations[0] == [1, Self.positions])
    #expect(try layout.rows([.symbol(0), .symbol(1)]) >= Self.positions)
  }

  /// Combinations of sizes that no product can hold.
  @Test(arguments: [[Int.max, Int.max], [Int.max, 1], [1, Int.max], [1 << 62, 1 << 40]])
  func hugeMaximumsDoNotTrap(maximums: [Int]) {
    for entries in [1, 3, 1 << 40, Int.max] {
      let sizes = SessionSizes(maximums, batches: [0], entries: entries, Graph())
      #expect(sizes.combinations.allSatisfy { zip($0, maximums).allSatisfy { (1...$1).contains($0) } })
    }
  }

  @Test func whatIsMoreThanAFirstDimensionIsNoBatch() throws {
    var graph = try Self.model().description.graph
    #expect(SessionSizes.openBatches(graph, SessionOptions()) == [0])
    graph.values.append(Value(name: "x", elementType: .float32, shape: [.symbol(1), .symbol(0)]))
    #expect(SessionSizes.openBatches(graph, SessionOptions()).isEmpty)
  }
}
