import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

@Suite struct WorkspaceLayoutTests {
  private static func layout(
    _ schedule: Schedule, maximums: [Int] = [], lanes: Int = 2, cacheBytes: Int = 1 << 18,
    scratchBytes: Int = 1000
  ) throws -> WorkspaceLayout {
    try WorkspaceLayout(
      schedule, SessionSizes(maximums), lanes: lanes, cacheBytes: cacheBytes, scratchBytes: scratchBytes)
  }

  private static func checkSizes(_ layout: WorkspaceLayout, _ schedule: Schedule, lanes: Int, _ note: String)
  {
    #expect(layout.places.count == schedule.slots.count)
    #expect(layout.blockRows % 16 == 0 && (16...64).contains(layout.blockRows), "\(note)")
    let offsets = [layout.blockOffset, layout.blockStride, layout.scratchOffset, layout.scratchStride]
    #expect(offsets.allSatisfy { $0 >= 0 && $0 % MemoryPlan.alignment == 0 }, "\(note): \(offsets)")
    #expect(layout.scratchOffset >= layout.blockOffset + lanes * layout.blockStride, "\(note)")
    #expect(layout.byteCount >= layout.scratchOffset + lanes * layout.scratchStride, "\(note)")
    for (slot, place) in layout.places.enumerated() {
      let rowBytes = schedule.slots[slot].rowBytes
      switch place {
      case .arena(let offset), .input(_, let offset):
        #expect(offset % MemoryPlan.alignment == 0 && offset <= layout.blockOffset, "\(note): slot \(slot)")
      case .block(let offset):
        #expect(offset % MemoryPlan.alignment == 0, "\(note): slot \(slot)")
        #expect(offset + layout.blockRows * rowBytes <= layout.blockStride, "\(note): slot \(slot)")
      }
    }
  }

  private static func simulate(
    _ schedule: Schedule, _ layout: WorkspaceLayout, lanes: Int, _ note: String,
    using generator: inout SeededGenerator
  ) {
    for sharing in WorkspaceSimulation.Sharing.allCases {
      var simulation = WorkspaceSimulation(schedule, layout, lanes: lanes, sharing)
      simulation.run(using: &generator)
      #expect(simulation.faults.isEmpty, "\(note), \(sharing): \(simulation.faults.prefix(3))")
    }
  }

  /// No step finds another slot's bytes where its own should be, in whatever order lanes come.
  @Test(arguments: UInt64(8100)..<8160) func nobodyOverwritesWhatIsStillRead(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let random = RandomGraph(nodes: Int.random(in: 1...20, using: &generator), using: &generator)
    let schedule = ScheduleTests.schedule(
      random.graph, keptValues: random.keptValues, areEndsExternal: seed % 4 == 0,
      writesCodes: Bool.random(using: &generator))
    let lanes = Int.random(in: 1...3, using: &generator)
    let cache = [0, 4096, 1 << 15, 1 << 20].randomElement(using: &generator) ?? 0
    let layout = try Self.layout(schedule, lanes: lanes, cacheBytes: cache)
    let note = "seed \(seed), \(lanes) lanes, cache \(cache)"
    Self.checkSizes(layout, schedule, lanes: lanes, note)
    Self.simulate(schedule, layout, lanes: lanes, note, using: &generator)
  }

  @Test(arguments: [1, 3]) func convolutionsKeepTheirImages(lanes: Int) throws {
    var generator = SeededGenerator(seed: UInt64(8200 + lanes))
    let convolution = SyntheticConvolution(
      Window(height: 3, width: 3, padding: (1, 1, 1, 1)), batch: 2, height: 6, width: 9, groupOutputs: 20,
      levels: [(Level.affine(8, 8).fixed(0.03, zero: 100), 12)], using: &generator)
    let schedule = ScheduleTests.schedule(convolution.description.graph)
    let layout = try Self.layout(schedule, lanes: lanes)
    Self.checkSizes(layout, schedule, lanes: lanes, "\(lanes) lanes")
    Self.simulate(schedule, layout, lanes: lanes, "\(lanes) lanes", using: &generator)
  }

  /// Memory is used again: an encoder of many layers needs no more than one of two.
  @Test func layersShareTheirMemory() throws {
    let sizes = try [2, 6].map { layers -> Int in
      var shape = SyntheticEncoder.Shape()
      shape.layers = layers
      let encoder = SyntheticEncoder(seed: 8300, shape: shape, precision: .quantized)
      return try Self.layout(ScheduleTests.schedule(encoder.graph), maximums: [4, 24]).byteCount
    }
    #expect(sizes[0] == sizes[1])
  }

  @Test func workspacesFollowTheMaximums() throws {
    let encoder = SyntheticEncoder(seed: 8301, precision: .quantized)
    let schedule = ScheduleTests.schedule(encoder.graph)
    let sizes = try [[1, 1], [1, 24], [4, 24], [64, 24]].map {
      try Self.layout(schedule, maximums: $0).byteCount
    }
    #expect(zip(sizes, sizes.dropFirst()).allSatisfy { $0 < $1 }, "\(sizes)")
    let wide = try Self.layout(schedule, maximums: [64, 24], lanes: 1)
    let most = try Self.layout(schedule, maximums: [64, 24], lanes: 4)
    #expect(most.byteCount - wide.byteCount == 3 * (wide.blockStride + wide.scratchStride))
  }

  /// Blocks fit the cache where 16 rows do.
  @Test(arguments: [0, 1 << 14, 1 << 15, 1 << 16, 1 << 20]) func blocksFitTheCache(cacheBytes: Int) throws {
    let encoder = SyntheticEncoder(seed: 8302, precision: .quantized)
    let layout = try Self.layout(
      ScheduleTests.schedule(encoder.graph), maximums: [4, 24], cacheBytes: cacheBytes)
    #expect(layout.blockRows == 16 || layout.blockStride <= cacheBytes, "\(layout.blockStride) bytes")
    #expect(cacheBytes < 1 << 20 || layout.blockRows == 64)
    #expect(cacheBytes > 0 || layout.blockRows == 16)
  }

  /// An input that only a sum is made of needs no memory, but a size that can be computed.
  @Test func lentInputsTakeNothingAndAreAddressable() throws {
    var graph = Graph()
    graph.symbols = [Symbol(name: "a", maximum: 1 << 20), Symbol(name: "b", maximum: 1 << 20)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [.symbol(0), .symbol(1)]),
      Value(name: "sum", elementType: .float32, shape: [.fixed(1), .fixed(1)]),
    ]
    graph.nodes = [
      Node(
        name: "sum", operation: .reduce(.sum, axes: [0, 1], keepsDimensions: true), inputs: [0],
        output: 1)
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1]
    let schedule = ScheduleTests.schedule(graph)
    #expect(try Self.layout(schedule, maximums: [1 << 20, 1 << 20]).valueBytes <= 128)
    #expect(throws: GraphError.self) { _ = try Self.layout(schedule, maximums: [1 << 40, 1 << 40]) }
  }

  /// Sizes that no memory has are an error, not a trap.
  @Test(arguments: [[Int.max, 24], [Int.max, Int.max], [1 << 40, 1 << 22], [1 << 58, 1]])
  func whatCannotBeAddressedIsAnError(maximums: [Int]) throws {
    let encoder = SyntheticEncoder(seed: 8303, precision: .quantized)
    let schedule = ScheduleTests.schedule(encoder.graph)
    #expect { _ = try Self.layout(schedule, maximums: maximums) } throws: { error in
      (error as? GraphError)?.code == .tooLarge
    }
    #expect(throws: GraphError.self) {
      _ = try Self.layout(schedule, maximums: [1, 1], lanes: 1 << 40, scratchBytes: 1 << 40)
    }
    #expect(throws: GraphError.self) {
      _ = try Self.layout(schedule, maximums: [1, 1], scratchBytes: .max)
    }
  }
}
