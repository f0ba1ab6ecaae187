import SoniqGraph
import SoniqPack
import SoniqTestSupport
import Testing

/// Differences of numbers, by hand; and made-up samples.
@Suite struct ValueDifferenceTests {
  private func difference(_ reference: [Float], _ packed: [Float], order: [Int]? = nil) -> ValueDifference {
    var difference = ValueDifference()
    reference.withUnsafeBufferPointer { reference in
      packed.withUnsafeBufferPointer { difference.add(reference: reference, packed: $0, order: order) }
    }
    return difference
  }

  @Test func numbersAreThoseOfTheirDefinition() {
    let found = difference([3, -4, 0], [3, -1, 4])
    #expect(found.relativeError == 1)
    #expect(found.largest == 4)
    #expect(found.magnitude == 4)
    #expect(found.relativeLargest == 1)
    #expect(difference([0, 0], [0, 0]).relativeError == 0)
    #expect(difference([0, 0], [0, 1]).relativeError == .infinity)
    #expect(ValueDifference().relativeError == 0)
  }

  @Test func rowsInAnotherOrder() {
    #expect(difference([1, 2, 3, 4, 5, 6], [3, 1, 2, 6, 4, 5], order: [2, 0, 1]).relativeError == 0)
    #expect(difference([1, 2, 3, 4, 5, 6], [3, 1, 2, 6, 4, 5]).relativeError > 0.3)
  }

  @Test func whatIsNotFinite() {
    let masked = difference([-.infinity, .nan, 2], [1, 2, 2])
    #expect(masked.passedOver == 2)
    #expect(masked.relativeError == 0)
    for odd in [Float.nan, .infinity] {
      let broken = difference([1, 2], [1, odd])
      #expect(broken.largest == .infinity)
      #expect(broken.relativeError == .infinity)
    }
    var output = OutputDifference(name: "y")
    output.add(reference: [1, 2, 3, 4], packed: [1, 2, .nan, 4], shape: [2, 2], sampleCount: 2)
    #expect(output.minimumCosine == 0)
  }

  @Test func outputsBySampleAndRow() {
    var output = OutputDifference(name: "y")
    output.add(reference: [1, 0, 0, 1], packed: [1, 0, 1, 1], shape: [2, 2], sampleCount: 2)
    #expect(abs(output.minimumCosine - 0.5.squareRoot()) < 1e-12)
    #expect((output.samples, output.rows, output.equalRows) == (2, 2, 1))
    #expect(output.equalShare == 0.5)
    // An axis that does not count samples: one sample.
    output.add(reference: [1, 0, 0, 1], packed: [1, 0, 0, 1], shape: [2, 2], sampleCount: 3)
    #expect((output.samples, output.rows) == (3, 4))
    var one = OutputDifference(name: "y")
    one.add(reference: [1, 2], packed: [1, 2], shape: [2, 1], sampleCount: 2)
    #expect(one.equalShare == nil)
  }

  @Test func madeUpSamplesFollowTheSeedAndTheTables() throws {
    let checkpoint = try TinyCheckpoint()
    let graph = try FolderImporter.importModel(path: checkpoint.path).description.graph
    let arrays = try [UInt64(5), 5, 6].map { seed -> [InputArray] in
      var random = RandomSamples(graph, count: 9, seed: seed)
      return try random.arrays().arrays
    }
    #expect(arrays[0].map(\.bytes) == arrays[1].map(\.bytes))
    #expect(arrays[0].map(\.bytes) != arrays[2].map(\.bytes))
    #expect(arrays[0].map(\.name) == ["input_ids"])
    #expect(arrays[0][0].shape == [9, 1, TinyCheckpoint.positions])
    let ids = arrays[0][0].bytes.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
    #expect(ids.allSatisfy { (0..<Int32(TinyCheckpoint.vocabulary)).contains($0) })
    #expect(Set(ids).count > 20)
  }

  @Test func normalNumbersAreNormal() throws {
    var graph = Graph()
    graph.values = [Value(name: "x", elementType: .float32, shape: [.fixed(10_000)])]
    graph.inputs = [GraphInput(value: 0)]
    var random = RandomSamples(graph, count: 1, seed: 1)
    let numbers = try random.arrays().arrays[0].bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let mean = numbers.reduce(0, +) / 10_000
    let square = numbers.reduce(0) { $0 + $1 * $1 } / 10_000
    #expect(abs(mean) < 0.05)
    #expect(abs(square - 1) < 0.05)
    graph.values[0].shape = [.fixed(1 << 30), .fixed(1 << 30)]
    var huge = RandomSamples(graph, count: 8, seed: 1)
    #expect(throws: PackError.self) { try huge.arrays() }
    graph.inputs = []
    var none = RandomSamples(graph, count: 8, seed: 1)
    #expect(throws: PackError.self) { try none.arrays() }
  }
}
