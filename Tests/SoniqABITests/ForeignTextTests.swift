import CSoniq
import Glibc
import SoniqFormat
import SoniqGraph
import Testing

@testable import SoniqABI

/// What stands for `\n`, ESC, a C1 control, a line separator and a mark of direction.
private let nasty = "a\nb\r\u{1b}[2J\u{85}\u{2028}\u{202e}z"
private let escaped = #"a\nb\r\u{1b}[2J\u{85}\u{2028}\u{202e}z"#

/// Names that a model file or a host brings along, in every message that repeats them.
@Suite struct ForeignTextTests {
  /// A model whose symbol, values, node and metadata have the name.
  private func model(_ name: String) throws -> Model {
    var graph = Graph()
    graph.symbols = [Symbol(name: name, maximum: 4)]
    graph.values = [
      Value(name: name, elementType: .float32, shape: [.symbol(0), .fixed(3)]),
      Value(name: name + "2", elementType: .float32, shape: [.symbol(0), .fixed(3)]),
    ]
    graph.nodes = [Node(name: name, operation: .activation(.tanh), inputs: [0], output: 1)]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1]
    return try Model(
      ModelWriter.serialize(ModelDescription(graph: graph, metadata: [(name, .integer(1))], owner: [])))
  }

  private final class Lines {
    var texts: [String] = []
  }

  private static let log: soniq_log_function = { context, _, message, length in
    guard let context, let message else { return }
    let lines = Unmanaged<Lines>.fromOpaque(context).takeUnretainedValue()
    lines.texts.append(String(cString: message))
    if strlen(message) != length { lines.texts.append("a wrong length") }
  }

  @Test func namesOfAFile() throws {
    let model = try model(nasty)
    let lines = Lines()
    var options = soniq_session_options.fresh
    options.log = Self.log
    options.log_context = Unmanaged.passUnretained(lines).toOpaque()
    options.thread_count = 1
    var session: OpaquePointer?
    #expect(call { soniq_session_create(&session, model.pointer, &options, $0) }.status == SONIQ_OK)
    defer { soniq_session_destroy(session) }
    #expect(lines.texts.contains { $0.contains(escaped) } && !lines.texts.contains { $0.contains("\n") })
    var error: OpaquePointer?
    #expect(Int(soniq_session_run(session, &error)) == SONIQ_ERROR_STATE)
    #expect(String(cString: soniq_error_message(error)).contains(escaped))
    #expect(String(cString: try #require(soniq_error_node(error))) == nasty)
    soniq_error_destroy(error)
    let shape: [Int64] = [5, 3]
    let tooLarge = call {
      soniq_session_set_input(
        session, 0, UInt32(SONIQ_FLOAT32), 2, shape, [Float](repeating: 0, count: 15), $0)
    }
    #expect(tooLarge.status == SONIQ_ERROR_SHAPE && tooLarge.message.contains(escaped))
  }

  @Test func namesOfTheHost() throws {
    let model = try model("x")
    var index: UInt32 = 0
    var entry = soniq_metadata()
    var opened: OpaquePointer?
    var session: OpaquePointer?
    let name = nasty
    let results = name.withCString { text in
      var limit = soniq_size_limit(name: text, maximum: 1)
      var options = soniq_session_options.fresh
      options.size_limit_count = 1
      return withUnsafePointer(to: &limit) { limits in
        options.size_limits = limits
        return [
          call { soniq_model_open(&opened, text, nil, $0) },
          call { soniq_model_input_index(model.pointer, text, &index, $0) },
          call { soniq_model_output_index(model.pointer, text, &index, $0) },
          call { soniq_model_metadata_find(model.pointer, text, &entry, $0) },
          call { soniq_session_create(&session, model.pointer, &options, $0) },
        ]
      }
    }
    #expect(results.map { $0.status } == [SONIQ_ERROR_IO] + [Int](repeating: SONIQ_ERROR_NOT_FOUND, count: 4))
    for result in results.dropFirst() { #expect(result.message.contains(escaped)) }
    #expect(!results[0].message.contains("\n"))
  }
}

/// An open model in memory, closed with its last reference.
private final class Model {
  let pointer: OpaquePointer
  private let bytes: UnsafeMutableRawPointer

  init(_ file: [UInt8]) throws {
    bytes = UnsafeMutableRawPointer.allocate(byteCount: file.count, alignment: 64)
    bytes.copyMemory(from: file, byteCount: file.count)
    var made: OpaquePointer?
    let memory = bytes
    let result = call { soniq_model_open_memory(&made, memory, file.count, nil, $0) }
    #expect(result.status == SONIQ_OK, "\(result.message)")
    pointer = try #require(made)
  }

  deinit {
    soniq_model_destroy(pointer)
    bytes.deallocate()
  }
}

extension soniq_session_options {
  /// What SONIQ_SESSION_OPTIONS_INIT gives in C.
  fileprivate static var fresh: soniq_session_options {
    var options = soniq_session_options()
    options.struct_size = UInt32(MemoryLayout<soniq_session_options>.size)
    options.abi_version = UInt32(SONIQ_ABI_VERSION)
    return options
  }
}
