import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Casts between all types against a plain reference that has the machine's own binary16.
@Suite struct CastTests {
  /// The pattern of one element cast to a type.
  static func reference(_ bits: UInt32, _ source: ElementType, _ target: ElementType) -> UInt32 {
    switch (source.isReal, target.isReal) {
    case (false, false):
      let whole = Int64(source.number(bits))
      return UInt32(truncatingIfNeeded: whole) & UInt32(truncatingIfNeeded: 1 << (8 * target.byteCount) - 1)
    case (_, true):
      let number =
        source == .float16
        ? Float(Float16(bitPattern: UInt16(truncatingIfNeeded: bits)))
        : source == .float32 ? Float(bitPattern: bits) : Float(source.number(bits))
      return target == .float32 ? number.bitPattern : UInt32(Float16(number).bitPattern)
    case (true, false):
      let number = source.number(bits)
      if number.isNaN { return 0 }
      let limits: ClosedRange<Double> =
        target == .int32 ? -0x1p31...0x1p31 - 1 : target == .int8 ? -128...127 : 0...255
      return target.bits(min(max(number, limits.lowerBound), limits.upperBound).rounded(.towardZero))
    }
  }

  /// Every pattern of 8 and 16 bits; of 32 bits those around everything that a narrow type rounds or cuts at, and more.
  private static func patterns(_ type: ElementType, _ generator: inout SeededGenerator) -> [UInt32] {
    if type.byteCount < 4 { return Array(0...UInt32(truncatingIfNeeded: 1 << (8 * type.byteCount) - 1)) }
    var bits = (0..<3000).map { _ in UInt32.random(in: 0...UInt32.max, using: &generator) }
    guard type == .float32 else {
      for edge in [0, 127, 128, 255, 256, 32767, 65503, 65504, 65519, 65520, 65536, 1 << 24, 1 << 31 - 1] {
        for near in -2...2 {
          bits.append(UInt32(truncatingIfNeeded: edge + near))
          bits.append(UInt32(truncatingIfNeeded: -edge + near))
        }
      }
      return bits
    }
    // Each binary16, half way to the next one, and the floats beside that.
    for half in UInt16(0)...0x7c00 {
      let number = Float(Float16(bitPattern: half))
      let next = Float(Float16(bitPattern: half + 1))
      let middle = half < 0x7bff ? (number + next) / 2 : 65520
      for near in [number, middle.nextDown, middle, middle.nextUp] {
        bits += [near.bitPattern, (-near).bitPattern]
      }
    }
    for edge: Float in [0.5, 0.99999, 1, 127, 128, 255, 256, 0x1p31, 0x1p-149, 0x1p-126, .infinity] {
      for near in [edge.nextDown, edge, edge.nextUp] { bits += [near.bitPattern, (-near).bitPattern] }
    }
    return bits + [0x7fc0_0000, 0xffc0_1234, 0x7f80_0001, 0xff80_0001]
  }

  private static func isNaN(_ bits: UInt32, _ type: ElementType) -> Bool {
    type.isReal && type.number(bits).isNaN
  }

  @Test(arguments: ElementType.allCases, ElementType.allCases)
  func castsEveryNumber(source: ElementType, target: ElementType) throws {
    let seed: UInt64 = 4200
    var generator = SeededGenerator(seed: seed)
    let patterns = Self.patterns(source, &generator)
    let bytes = patterns.flatMap { element in
      withUnsafeBytes(of: element.littleEndian) { Array($0.prefix(source.byteCount)) }
    }
    let count = patterns.count
    // Rows of one element, one row, and an unknown last dimension.
    let shapes: [[Dimension]] = [[.fixed(count), .fixed(1)], [.fixed(count)], [.fixed(1), .symbol(0)]]
    for (shape, lanes) in zip(shapes, [1, 2, 3]) {
      var graph = Graph()
      graph.symbols = [Symbol(name: "count", maximum: count)]
      graph.values = [Value(name: "x", elementType: source, shape: shape)]
      graph.inputs = [GraphInput(value: 0)]
      graph.outputs = [graph.add(.cast(target), [0])]
      var options = SessionOptions()
      options.threadCount = lanes
      let session = try Session(
        Model(ModelDescription(graph: graph, metadata: [], owner: [])), options: options)
      let sizes = shape.map { $0 == .fixed(1) ? Int64(1) : Int64(count) }
      // Borrowed, at any address that the type allows.
      let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: bytes.count + source.byteCount, alignment: 64)
      defer { memory.deallocate() }
      let place = try #require(memory.baseAddress) + source.byteCount
      UnsafeMutableRawBufferPointer(start: place, count: bytes.count).copyBytes(from: bytes)
      try session.setInput(
        0, data: place, elementType: HostElementType(source), shape: sizes, rank: sizes.count, borrowing: true
      )
      try session.run()
      let result = target.patterns(try session.output(0).data, count)
      for (bits, actual) in zip(patterns, result) {
        let expected = Self.reference(bits, source, target)
        if actual == expected || Self.isNaN(expected, target) && Self.isNaN(actual, target) { continue }
        Issue.record(
          "\(source) \(String(bits, radix: 16)) to \(target): \(actual), not \(expected), seed \(seed)")
        return
      }
    }
  }

  /// NaN keeps its sign; as float16 it is the quiet one.
  @Test func notANumberIsQuiet() throws {
    let x = TensorArray([2], [.nan, -.nan])
    let result = try TensorRun(.cast(.float16), [x]).run()
    #expect(result.bits == [0x7e00, 0xfe00])
  }
}
