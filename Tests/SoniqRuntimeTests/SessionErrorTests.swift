import SoniqGraph
import SoniqMemory
import SoniqRuntime
import SoniqTestSupport
import Synchronization
import Testing

@Suite struct SessionErrorTests {
  let model: Model

  init() throws {
    model = try Model(SyntheticEncoder(seed: 31, precision: .quantized).description)
  }

  func code(_ body: () throws -> Void) -> RuntimeError.Code? {
    let error = #expect(throws: RuntimeError.self) { try body() }
    #expect(error?.message.isEmpty == false)
    return error?.code
  }

  @Test func inputsAreChecked() throws {
    let session = try Session(model)
    let ids = [Int32](repeating: 1, count: 200)
    func set(_ index: Int, _ type: HostElementType, _ shape: [Int64]) throws {
      try session.setInput(index, data: ids, elementType: type, shape: shape, rank: shape.count)
    }
    #expect(code { try set(2, .int32, [1, 4]) } == .noSuchInput)
    #expect(code { try set(-1, .int32, [1, 4]) } == .noSuchInput)
    #expect(code { try set(0, .float32, [1, 4]) } == .wrongElementType)
    #expect(code { try set(0, .int32, [4]) } == .wrongRank)
    #expect(code { try set(0, .int32, [1, 0]) } == .wrongDimension)
    #expect(code { try set(0, .int32, [-3, 4]) } == .wrongDimension)
    #expect(code { try set(0, .int32, [1, 25]) } == .dimensionTooLarge)
    #expect(code { try set(0, .int32, [Int64.max, 1]) } == .dimensionTooLarge)
    #expect(
      code { try session.setInput(0, data: nil, elementType: .int32, shape: [1, 1], rank: 2) } == .nullPointer
    )
    #expect(code { try session.run() } == .inputMissing)
    try set(0, .int32, [1, 4])
    try set(1, .int32, [1, 5])
    #expect(code { try session.run() } == .dimensionConflict)
    try set(1, .int32, [1, 4])
    try session.run()
  }

  /// Of the rows that a gather takes, which the host may name.
  @Test func aSizeOfOptionalInputsAloneIsOneWhereNoneIsSet() throws {
    var graph = Graph()
    graph.symbols = [Symbol(name: "rows", maximum: 4), Symbol(name: "chosen", maximum: 3)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [.symbol(0), .fixed(2)]),
      Value(name: "places", elementType: .int32, shape: [.symbol(1)]),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1, fill: -1)]
    graph.outputs = [graph.add(.gather(axis: 0), [0, 1])]
    let session = try Session(Model(ModelDescription(graph: graph, metadata: [], owner: [])))
    let numbers: [Float] = [1, 2, 3, 4, 5, 6]
    func run() throws -> [Float] {
      try session.setInput(0, data: numbers, elementType: .float32, shape: [3, 2], rank: 2)
      try session.run()
      return try session.floats(session.output(0))
    }
    #expect(try run() == [5, 6])
    try session.set(1, [0, 2], [2])
    #expect(try run() == [1, 2, 5, 6])
    try session.clearInput(1)
    #expect(try run() == [5, 6])
  }

  @Test func idsOutOfRangeNameNodeAndPosition() throws {
    let session = try Session(model)
    for bad in [Int32(50), -1, Int32.max, Int32.min] {
      try session.set(0, [1, 2, bad, 4], [2, 2])
      let error = #expect(throws: RuntimeError.self) { try session.run() }
      #expect(error?.code == .idOutOfRange)
      #expect(error?.node == 0)
      #expect(error?.position == 2)
      #expect(error?.actual == Int(bad))
    }
    try session.set(0, [49, 0], [1, 2])
    try session.run()
  }

  @Test func outputsAreReadableOnlyAfterARun() throws {
    let session = try Session(model)
    #expect(code { _ = try session.output(0) } == .outputNotReady)
    try session.set(0, [1, 2], [1, 2])
    #expect(code { _ = try session.output(0) } == .outputNotReady)
    try session.run()
    _ = try session.output(1)
    #expect(code { _ = try session.output(2) } == .noSuchOutput)
    #expect(code { _ = try session.output(-1) } == .noSuchOutput)
    #expect(code { _ = try session.keptValue(0) } == .noSuchOutput)
    try session.clearInput(1)
    #expect(code { _ = try session.output(0) } == .outputNotReady)
  }

  @Test func optionsAreChecked() throws {
    func refused(_ change: (inout SessionOptions) -> Void) -> RuntimeError.Code? {
      var options = SessionOptions()
      change(&options)
      return code { _ = try Session(model, options: options) }
    }
    #expect(refused { $0.threadCount = -1 } == .invalidOption)
    #expect(refused { $0.threadCount = 257 } == .invalidOption)
    #expect(refused { $0.maximumInstructionSet = "sse9" } == .unknownInstructionSet)
    #expect(refused { $0.maximums = [SymbolMaximum(name: "S", maximum: 25)] } == .invalidOption)
    #expect(refused { $0.maximums = [SymbolMaximum(name: "S", maximum: 0)] } == .invalidOption)
    #expect(refused { $0.maximums = [SymbolMaximum(name: "T", maximum: 1)] } == .invalidOption)
    #expect(refused { $0.keptValues = [10_000] } == .invalidOption)
    #expect(refused { $0.keptValues = [-1] } == .invalidOption)
    // The graph's own inputs may be kept, as what its nodes make.
    var keeping = SessionOptions()
    keeping.keptValues = [0]
    #expect(throws: Never.self) { _ = try Session(model, options: keeping) }
    let refusing = AllocatorHooks(context: nil, allocate: { _, _, _ in nil }, free: { _, _, _ in })
    #expect(refused { $0.allocator = refusing } == .outOfMemory)
  }

  @Test func hostWorkspaceIsUsedAndChecked() throws {
    var options = SessionOptions()
    options.threadCount = 2
    options.maximums = [SymbolMaximum(name: "S", maximum: 8)]
    let size = try Session.workspaceSize(model, options: options)
    #expect(size < (try Session.workspaceSize(model, options: SessionOptions())))
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size + 128, alignment: 64)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0x5a)
    options.workspace = UnsafeMutableRawBufferPointer(rebasing: memory[..<(size - 1)])
    #expect(code { _ = try Session(model, options: options) } == .workspaceTooSmall)
    options.workspace = UnsafeMutableRawBufferPointer(rebasing: memory[8...])
    #expect(code { _ = try Session(model, options: options) } == .workspaceMisaligned)
    options.workspace = UnsafeMutableRawBufferPointer(rebasing: memory[..<size])
    let session = try Session(model, options: options)
    // The plan is not in it, the tensors are.
    #expect(session.memory.allocated < size)
    #expect(session.memory.allocated > 0)
    var generator = SeededGenerator(seed: 32)
    let tokens = TokenBatch(batch: 4, sequence: 8, vocabulary: 50, masksTails: true, using: &generator)
    #expect(try session.outputs(of: tokens) == Session(model).outputs(of: tokens))
    #expect(memory[size...].allSatisfy { $0 == 0x5a })
  }

  /// Bytes that the host's allocator has given and not got back.
  final class Balance: Sendable {
    let bytes = Atomic<Int>(0)
  }

  @Test func closingGivesTheMemoryBack() throws {
    let balance = Balance()
    var options = SessionOptions()
    options.allocator = AllocatorHooks(
      context: Unmanaged.passUnretained(balance).toOpaque(),
      allocate: { context, size, alignment in
        guard let context else { return nil }
        Unmanaged<Balance>.fromOpaque(context).takeUnretainedValue().bytes.add(size, ordering: .relaxed)
        return .allocate(byteCount: size, alignment: alignment)
      },
      free: { context, pointer, size in
        guard let context, let pointer else { return }
        Unmanaged<Balance>.fromOpaque(context).takeUnretainedValue().bytes.subtract(size, ordering: .relaxed)
        pointer.deallocate()
      })
    var session: Session? = try Session(model, options: options)
    let allocated = balance.bytes.load(ordering: .relaxed)
    #expect(session?.memory.allocated == allocated)
    #expect(allocated > session?.workspaceByteCount ?? .max)
    session = nil
    #expect(balance.bytes.load(ordering: .relaxed) == 0)
  }

  @Test func invalidGraphIsRefused() throws {
    var description = model.description
    description.graph.outputs = [9999]
    #expect(code { _ = try Model(description) } == .invalidGraph)
  }
}
