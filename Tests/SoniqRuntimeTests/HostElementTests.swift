import SoniqCore
import SoniqGraph
import SoniqRuntime
import Testing

/// Inputs in element types that models do not have.
@Suite struct HostElementTests {
  /// One input of a type, straight to the output.
  private static func session(_ type: ElementType) throws -> Session {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 4)]
    graph.values = [Value(name: "x", elementType: type, shape: [.symbol(0), .fixed(3)])]
    graph.inputs = [GraphInput(value: 0)]
    // What a model reads first: the input itself.
    let operation: SoniqGraph.Operation = type == .float32 ? .unary(.negative) : .binary(.add)
    graph.outputs = [graph.add(operation, type == .float32 ? [0] : [0, 0])]
    return try Session(Model(ModelDescription(graph: graph, metadata: [], owner: [])))
  }

  private static func set<Element: BitwiseCopyable>(
    _ session: Session, _ elements: [Element], _ type: HostElementType, offset: Int = 0,
    borrowing: Bool = true
  ) throws {
    // At an odd address too.
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: elements.count * MemoryLayout<Element>.size + 8, alignment: 64)
    defer { bytes.deallocate() }
    guard let start = bytes.baseAddress else { return }
    elements.withUnsafeBytes { source in
      UnsafeMutableRawBufferPointer(start: start + offset, count: source.count).copyMemory(from: source)
    }
    try session.setInput(
      0, data: start + offset, elementType: type, shape: [Int64(elements.count / 3), 3], rank: 2,
      borrowing: borrowing)
    // Converted elements are the session's own by now.
    bytes.initializeMemory(as: UInt8.self, repeating: 0xa5)
  }

  private static func floats(_ session: Session) throws -> [Float] {
    try session.run()
    let output = try session.output(0)
    let count = output.shape.reduce(1, *)
    return Array(UnsafeBufferPointer(start: output.data.assumingMemoryBound(to: Float.self), count: count))
  }

  private static func integers(_ session: Session) throws -> [Int32] {
    try session.run()
    let output = try session.output(0)
    let count = output.shape.reduce(1, *)
    return Array(UnsafeBufferPointer(start: output.data.assumingMemoryBound(to: Int32.self), count: count))
  }

  @Test(arguments: [0, 1])
  func smallNumbersBecomeFloats(offset: Int) throws {
    let session = try Self.session(.float32)
    try Self.set(session, [UInt8(0), 1, 128, 200, 254, 255], .uint8, offset: offset)
    #expect(try Self.floats(session) == [-0, -1, -128, -200, -254, -255])
    try Self.set(session, [Int8(-128), -1, 127], .int8, offset: offset)
    #expect(try Self.floats(session) == [128, 1, -127])
    let halves: [Float] = [0.5, -65504, 0x1p-24]
    try Self.set(session, halves.map { Binary16.bits($0) }, .float16, offset: offset)
    #expect(try Self.floats(session) == halves.map { -$0 })
    try Self.set(session, [UInt16(0x7c00), 0xfc00, 0x7e00], .float16, offset: offset)
    let special = try Self.floats(session)
    #expect(special[0] == -.infinity && special[1] == .infinity && special[2].isNaN)
  }

  @Test(arguments: [0, 1])
  func wholeNumbersBecomeThirtyTwoBits(offset: Int) throws {
    let session = try Self.session(.int32)
    try Self.set(session, [Int64(-1 << 30), 7, 1 << 29], .int64, offset: offset)
    #expect(try Self.integers(session) == [.min, 14, 1 << 30])
    try Self.set(session, [UInt8(0), 200, 255], .uint8, offset: offset)
    #expect(try Self.integers(session) == [0, 400, 510])
    try Self.set(session, [Int8(-128), 0, 127], .int8, offset: offset)
    #expect(try Self.integers(session) == [-256, 0, 254])
  }

  /// The input before stays when one is refused.
  @Test func whatThirtyTwoBitsDoNotHoldIsRefused() throws {
    let session = try Self.session(.int32)
    try Self.set(session, [Int64(1), 2, 3], .int64)
    for (position, value) in [(0, Int64.max), (1, -1 << 31 - 1), (2, 1 << 31)] {
      var elements: [Int64] = [4, 5, 6]
      elements[position] = value
      let error = #expect(throws: RuntimeError.self) { try Self.set(session, elements, .int64) }
      #expect(error?.code == .numberOutOfRange && error?.position == position)
      #expect(error?.actual == Int(value) && error?.subject == "x")
    }
    #expect(try Self.integers(session) == [2, 4, 6])
  }

  @Test func typesThatDoNotFitAreRefused() throws {
    for (type, refused) in [
      (ElementType.float32, [HostElementType.int32, .int64]), (.int32, [.float32, .float16]),
    ] {
      let session = try Self.session(type)
      for host in refused {
        let error = #expect(throws: RuntimeError.self) { try Self.set(session, [Int64(0), 0, 0], host) }
        #expect(error?.code == .wrongElementType)
      }
    }
  }
}
