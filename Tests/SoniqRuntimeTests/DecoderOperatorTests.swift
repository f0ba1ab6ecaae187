import Glibc
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// The operations of decoders: alone between the host's inputs and the output, or against graphs that say the same.
@Suite struct DecoderOperatorTests {
  /// The bits of a graph that reads these inputs, whose first dimension is a symbol.
  private static func bits(
    _ inputs: [TensorArray], lanes: Int, _ make: (inout Graph) -> ValueID
  ) throws -> [UInt32] {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 4)]
    for (index, input) in inputs.enumerated() {
      let shape = [.symbol(0)] + input.shape.dropFirst().map(Dimension.fixed)
      graph.values.append(Value(name: "input\(index)", elementType: input.type, shape: shape))
      graph.inputs.append(GraphInput(value: index))
    }
    graph.outputs = [make(&graph)]
    try graph.validate()
    return try graph.run(inputs, lanes: lanes).bits
  }

  /// Keys and values of a head are those that attention with as many of them as queries reads.
  @Test(
    arguments: [AttentionPrecision.float32, .int8],
    [[4, 4], [4, 2], [6, 2], [5, 1]])
  func sharedKeysAreRepeatedKeys(precision: AttentionPrecision, heads: [Int]) throws {
    var generator = SeededGenerator(seed: 9200)
    let (batch, sequence, length) = (3, 7, 12)
    for (isCausal, hasMask) in [(false, false), (true, false), (false, true), (true, true)] {
      let parts = [heads[0], heads[1], heads[1]].map {
        TensorArray.random([batch, sequence, $0 * length], using: &generator)
      }
      let mask = TensorArray([batch, sequence], .int32) { ($0[0] + $0[1]) % 3 == 0 ? 0 : 1 }
      let extra = hasMask ? [mask] : []
      let group = heads[0] / heads[1]
      // [q, k, v] side by side with every head of k and v as often as it serves.
      let width = heads[0] * length
      let joined = TensorArray([batch, sequence, 3 * width]) { index in
        let (part, channel) = (index[2] / width, index[2] % width)
        if part == 0 { return parts[0][[index[0], index[1], channel]] }
        let shared = channel / length / group * length + channel % length
        return parts[part][[index[0], index[1], shared]]
      }
      let whole = Attention(heads: heads[0], scale: 0.3, precision: precision, isCausal: isCausal)
      let grouped = GroupedAttention(
        heads: heads[0], keyValueHeads: heads[1], scale: 0.3, precision: precision, isCausal: isCausal)
      let expected = try Self.bits([joined] + extra, lanes: 1) { graph in
        graph.add(.attention(whole), Array(0...extra.count))
      }
      for lanes in 1...3 {
        let actual = try Self.bits(parts + extra, lanes: lanes) { graph in
          graph.add(.groupedAttention(grouped), Array(0..<3 + extra.count))
        }
        #expect(actual == expected, "\(lanes) lanes, causal \(isCausal), mask \(hasMask)")
      }
    }
  }

  @Test(arguments: [false, true], [(8, 4), (8, 3), (6, 1)])
  func rotation(isInterleaved: Bool, sizes: (length: Int, pairs: Int)) throws {
    var generator = SeededGenerator(seed: 9201)
    let (heads, length, pairs) = (3, sizes.length, sizes.pairs)
    let x = TensorArray.random([2, 5, heads * length], using: &generator)
    let places = TensorArray.integers([2, 5], 0...8, using: &generator)
    let tables = (0..<2).map { _ in TensorArray.random([9, pairs], -1...1, using: &generator) }
    let expected = TensorArray(x.shape) { index in
      let (head, channel) = (index[2] / length, index[2] % length)
      guard channel < 2 * pairs else { return x[index] }
      let pair = isInterleaved ? channel / 2 : channel % pairs
      let isSecond = isInterleaved ? channel % 2 == 1 : channel >= pairs
      let places2 = isInterleaved ? (2 * pair, 2 * pair + 1) : (pair, pair + pairs)
      let (a, b) = (
        x[[index[0], index[1], head * length + places2.0]],
        x[[index[0], index[1], head * length + places2.1]]
      )
      let place = Int(places[[index[0], index[1]]])
      let (cosine, sine) = (tables[0][[place, pair]], tables[1][[place, pair]])
      return isSecond ? b * cosine + a * sine : a * cosine - b * sine
    }
    try TensorRun(
      .rotary(Rotary(heads: heads, isInterleaved: isInterleaved, cosine: 0, sine: 1)), [x, places],
      batched: [0, 1], constants: tables
    ).expect(expected, absolute: 1e-5)
  }

  @Test(arguments: [-1, 9])
  func aPositionWithoutAngleIsAnError(position: Int) throws {
    let x = TensorArray([1, 2, 4]) { _ in 1 }
    let places = TensorArray([1, 2], [0, Double(position)], .int32)
    let tables = (0..<2).map { _ in TensorArray([9, 2]) { _ in 0.5 } }
    let run = TensorRun(
      .rotary(Rotary(heads: 1, isInterleaved: false, cosine: 0, sine: 1)), [x, places], constants: tables)
    let error = #expect(throws: RuntimeError.self) { try run.run(lanes: 1) }
    #expect(error?.code == .idOutOfRange && error?.actual == position && error?.expected == 9)
  }

  @Test(arguments: [ElementFunction.silu, .geluTanh, .relu], [[3, 5], [2, 11, 40]])
  func gatedProductIsTheProductOfTheFunction(function: ElementFunction, shape: [Int]) throws {
    var generator = SeededGenerator(seed: 9202)
    let inputs = (0..<2).map { _ in TensorArray.random(shape, using: &generator) }
    let expected = try Self.bits(inputs, lanes: 1) { graph in
      graph.add(.binary(.multiply), [graph.add(.activation(function), [0]), 1])
    }
    for lanes in 1...3 {
      let actual = try Self.bits(inputs, lanes: lanes) { graph in
        graph.add(.gatedProduct(GatedProduct(function)), [0, 1])
      }
      #expect(actual == expected, "\(lanes) lanes")
    }
  }

  @Test(arguments: [Float(1), 30], [[3, 5], [2, 11, 40]])
  func softcapBoundsRows(cap: Float, shape: [Int]) throws {
    var generator = SeededGenerator(seed: 9203)
    let rows = TensorArray.random(shape, -90...90, using: &generator)
    let expected = TensorArray(shape) { Double(cap) * tanh(rows[$0] / Double(cap)) }
    try TensorRun(.softcap(Softcap(cap)), [rows], batched: [0]).expect(expected, absolute: 1e-4)
    // In the middle of a graph it takes over the memory of what it bounds.
    let direct = try Self.bits([rows], lanes: 2) { $0.add(.softcap(Softcap(cap)), [0]) }
    let behind = try Self.bits([rows], lanes: 2) { graph in
      let same = graph.add(.unary(.negative), [graph.add(.unary(.negative), [0])])
      return graph.add(.softcap(Softcap(cap)), [same])
    }
    #expect(behind == direct)
  }
}
