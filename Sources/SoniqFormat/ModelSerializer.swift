import SoniqCore
import SoniqGraph

/// The sections of a model in file order. Bytes of constants are borrowed, not copied.
struct SerializedSection {
  enum Payload {
    case table([UInt8])
    case data(ConstantBytes)
  }
  var kind: SectionKind
  var payload: Payload

  func withBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    switch payload {
    case .table(let bytes): try bytes.withRawBytes(body)
    case .data(let bytes): try body(bytes.raw)
    }
  }
}

/// Lays a model out: the same model always gives the same bytes.
struct ModelSerializer {
  /// The lowest that has everything of the model.
  let version: Int
  let sections: [SerializedSection]
  /// Header, directory and the padding up to the first section.
  private(set) var head = ByteSink()
  private(set) var fileSize: Int

  /// - Throws: `invalidModel` for a graph that is not valid.
  init(_ description: ModelDescription) throws(FormatError) {
    let graph = description.graph
    do throws(GraphError) { try graph.validate() } catch {
      throw FormatError(.invalidModel, offset: 0, field: error.field, cause: error)
    }
    version = try max(Self.version(graph), description.tokenizer == nil ? 1 : 3)
    var sections = try Self.tables(description)
    for constant in graph.constants {
      sections += constant.fields.map { SerializedSection(kind: $0.kind, payload: .data($0.bytes)) }
    }
    guard sections.count <= FormatLimits.maximumSections else {
      throw FormatError(
        .limitExceeded, offset: 24, field: "header.sectionCount", got: .integer(sections.count),
        expected: .range(SectionKind.tables.count...FormatLimits.maximumSections))
    }
    self.sections = sections
    fileSize = 0
    try layOut()
  }

  private static func version(_ graph: Graph) throws(FormatError) -> Int {
    var version = 1
    if graph.symbols.contains(where: { $0.isOpen || $0.definition != nil || !$0.equals.isEmpty }) {
      version = 3
    }
    if graph.symbols.count > FormatLimits.symbols(version: 1) || !graph.states.isEmpty { version = 3 }
    for value in graph.values { version = max(version, value.elementType.since) }
    for constant in graph.constants {
      version = max(version, constant.tag.version)
      if case .dense(let dense) = constant { version = max(version, dense.elementType.since) }
    }
    for node in graph.nodes {
      version = max(version, try node.operation.formatVersion())
      if node.inputs.count > FormatLimits.nodeInputs(version: 1) { version = max(version, 2) }
      if graph.readsRowsOfMatrix(node) || graph.hasSizesOfVersion3(node) || node.outputs.count > 1 {
        version = max(version, 3)
      }
    }
    return version
  }

  private mutating func layOut() throws(FormatError) {
    var directory = ByteSink()
    let entries = sections.count * FormatLimits.directoryEntrySize
    var offset = Self.padded(FormatLimits.headerSize + entries)
    for section in sections {
      try section.withBytes { (bytes) throws(FormatError) in
        directory.word(Int(section.kind.rawValue))
        directory.zeros(4)
        directory.bits64(UInt64(offset))
        directory.bits64(UInt64(bytes.count))
        directory.bits64(XXHash64.hash(bytes))
        offset = Self.padded(offset + bytes.count)
      }
    }
    fileSize = offset
    let checksum = directory.bytes.withUnsafeBytes { XXHash64.hash($0) }
    let header = FileHeader(
      version: version, fileSize: fileSize, sectionCount: sections.count, directoryChecksum: checksum)
    header.write(to: &head)
    head.bytes += directory.bytes
    head.zeros(Self.padded(head.bytes.count) - head.bytes.count)
  }

  /// Up to the next section. Sizes were validated: their sum fits.
  private static func padded(_ size: Int) -> Int { (size + 63) / 64 * 64 }

  /// Hands out all bytes of the file in order.
  func forEachPiece(_ body: (UnsafeRawBufferPointer) throws(FormatError) -> Void) throws(FormatError) {
    let zeros = [UInt8](repeating: 0, count: FormatLimits.alignment)
    try head.bytes.withRawBytes(body)
    for section in sections {
      let count = try section.withBytes { (bytes) throws(FormatError) in
        try body(bytes)
        return bytes.count
      }
      try zeros.withRawBytes { (padding) throws(FormatError) in
        try body(UnsafeRawBufferPointer(rebasing: padding[..<(Self.padded(count) - count)]))
      }
    }
  }
}
