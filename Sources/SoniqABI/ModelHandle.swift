import CSoniq
import SoniqCore
import SoniqFormat
import SoniqGraph
import SoniqMemory
import SoniqRuntime

/// Where a model comes from.
enum ModelSource {
  case file(path: String)
  case memory(UnsafeRawBufferPointer)
}

/// Behind a soniq_model: immutable, and so shared by threads.
final class ModelHandle: Handle {
  override class var tag: UInt64 { 0x016c_6564_6f6d_0000 }  // "\0\0model\1"
  override class var name: String { "model" }

  let model: Model
  /// The whole file: mapped, copied, or the host's memory.
  private let bytes: UnsafeRawBufferPointer
  private let isCopied: Bool
  private let isMapped: Bool
  /// Text and small tables; sessions of this model add theirs.
  var arena: MemoryArena { model.arena }
  private let texts: TextStore
  let inputs: [soniq_tensor_info]
  let outputs: [soniq_tensor_info]
  let metadata: [soniq_metadata]
  let metadataKeys: [String]

  init(source: ModelSource, options: soniq_model_options, _ host: HostFloatState) throws(Failure) {
    isCopied = options.flags & UInt32(SONIQ_MODEL_COPY) != 0
    let log = Log(function: options.log, context: options.log_context, host: host)
    let read = ReadOptions(copiesFile: isCopied)
    let description: ModelDescription
    do throws(FormatError) {
      switch source {
      case .file(let path): description = try ModelFile.open(path: path, options: read)
      case .memory(let bytes): description = try ModelFile.read(bytes: bytes, options: read)
      }
    } catch { throw Failure(error) }
    bytes = Self.storage(description) ?? source.bytes
    isMapped = source.bytes.baseAddress == nil && !isCopied
    if options.flags & UInt32(SONIQ_MODEL_VERIFY) != 0 {
      try Self.verify(
        bytes, Progress(function: options.progress, context: options.progress_context, host: host))
    }
    let allowsCopies = options.flags & UInt32(SONIQ_MODEL_NO_COPIES) == 0
    do throws(RuntimeError) {
      model = try Model(description, allowsCopies: allowsCopies)
    } catch { throw Failure(error) }
    texts = TextStore(model.arena)
    inputs = try Self.infos(model.inputs, model, texts)
    outputs = try Self.infos(model.outputs, model, texts)
    var metadata: [soniq_metadata] = []
    for entry in description.metadata {
      metadata.append(try soniq_metadata(key: entry.key, value: entry.value, texts: texts))
    }
    self.metadata = metadata
    metadataKeys = description.metadata.map { $0.key }
    super.init()
    log.write(
      SONIQ_LOG_INFO,
      "opened a model of \(description.graph.nodes.count) nodes and \(bytes.count) bytes, "
        + (isCopied ? "copied" : isMapped ? "mapped" : "in the host's memory"))
  }

  private static func infos(
    _ tensors: [TensorInfo], _ model: Model, _ texts: TextStore
  ) throws(Failure) -> [soniq_tensor_info] {
    var infos: [soniq_tensor_info] = []
    let usualSizes = model.usualSizes
    for tensor in tensors {
      infos.append(
        try soniq_tensor_info(tensor, symbols: model.symbols, usualSizes: usualSizes, texts: texts))
    }
    return infos
  }

  /// The bytes that the format layer keeps for the model; nil when they are the host's.
  private static func storage(_ description: ModelDescription) -> UnsafeRawBufferPointer? {
    for owner in description.owner {
      if let storage = owner as? FileStorage { return storage.bytes }
    }
    return nil
  }

  private static func verify(_ bytes: UnsafeRawBufferPointer, _ progress: Progress) throws(Failure) {
    guard progress.report(0, of: bytes.count) else { throw Self.cancelled }
    do throws(FormatError) { try ModelFile.verify(bytes: bytes) } catch { throw Failure(error) }
    guard progress.report(bytes.count, of: bytes.count) else { throw Self.cancelled }
  }

  private static var cancelled: Failure {
    Failure(.cancelled, "the host's progress function asked to stop")
  }

  /// Checks every byte.
  func verify(_ progress: Progress) throws(Failure) { try Self.verify(bytes, progress) }

  /// The name of a node of the graph.
  func nodeName(_ index: Int) -> String? {
    let nodes = model.description.graph.nodes
    return nodes.indices.contains(index) ? nodes[index].name : nil
  }

  /// For the objects of a session of this model.
  func reserveForSession() throws(Failure) {
    let graph = model.description.graph
    try reserve(
      Reserve.session(nodes: graph.nodes.count, values: graph.values.count, lanes: Session.maximumThreadCount)
    )
  }

  var statistics: soniq_model_statistics {
    let memory = arena.statistics
    let maps = model.description.owner.reduce(0) { $0 + (($1 as? AlignedBuffer)?.count ?? 0) }
    let copied = (isCopied ? bytes.count : 0) + maps
    var values = soniq_model_statistics()
    values.node_count = UInt32(clamping: model.description.graph.nodes.count)
    values.file_bytes = UInt64(clamping: bytes.count)
    values.mapped_bytes = isMapped ? UInt64(clamping: bytes.count) : 0
    values.heap_bytes = UInt64(clamping: memory.allocated + copied)
    values.heap_resident_bytes = UInt64(clamping: memory.resident + copied)
    values.copied_weight_bytes = UInt64(clamping: model.preparedWeights.copiedByteCount)
    return values
  }
}

extension ModelSource {
  /// The host's memory; empty for a file.
  fileprivate var bytes: UnsafeRawBufferPointer {
    switch self {
    case .file: UnsafeRawBufferPointer(start: nil, count: 0)
    case .memory(let bytes): bytes
    }
  }
}
