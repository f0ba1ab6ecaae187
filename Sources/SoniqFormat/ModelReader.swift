import CMemory
import SoniqCore
import SoniqGraph

/// Builds a model from the tables of a file. All that steers execution (graph, metadata, channel maps) is
/// copied out; only the numbers of constants stay where they are.
struct ModelReader {
  let file: UnsafeRawBufferPointer
  let directory: SectionDirectory
  private(set) var graph = Graph()
  private(set) var metadata: [(key: String, value: MetadataValue)] = []
  private(set) var places = RecordPlaces()
  /// Copies of all channel maps, in file order, each at a multiple of 64 bytes.
  let channelMaps: AlignedBuffer

  /// Reads everything and checks the rules of the graph.
  init(_ file: UnsafeRawBufferPointer, options: ReadOptions) throws(FormatError) {
    self.file = file
    directory = try SectionDirectory(file)
    try Self.requireMemory(for: directory)
    channelMaps = try Self.copyChannelMaps(file, directory)
    metadata = try table(.metadata, "metadata", Self.readMetadata)
    places.symbols = directory.sections[1].offset
    try readSymbols()
    try readValues()
    try readConstants()
    try readStates()
    try readNodes()
    try readInterface()
    do throws(GraphError) { try graph.validate() } catch { throw located(error) }
    try requireVersion()
    if options.verifyData { try verifyData() }
  }

  /// What came with version 3 and no tag says.
  private func requireVersion() throws(FormatError) {
    for (index, node) in graph.nodes.enumerated() where directory.version < 3 {
      if graph.readsRowsOfMatrix(node) {
        throw located(GraphError(.wrongKind, node: index, field: "table"))
      }
      if graph.hasSizesOfVersion3(node) {
        throw located(GraphError(.shapeMismatch, node: index, field: "inputs"))
      }
    }
  }

  /// Arrays end the process when they cannot grow: memory for the copies and for what is made of them is taken before.
  private static func requireMemory(for directory: SectionDirectory) throws(FormatError) {
    var byteCount = 1 << 18
    for section in directory.sections {
      switch section.kind {
      // A record of a few bytes becomes a value with a name and lists, in arrays that grow.
      case .values, .constants, .nodes: byteCount += 64 * section.length
      case .metadata, .symbols, .interface, .sizes, .states, .channelMap: byteCount += 8 * section.length
      default: break
      }
    }
    guard snq_reserve_grow(byteCount) else {
      throw FormatError(.outOfMemory, offset: 0, field: "file", got: .integer(byteCount))
    }
  }

  private func table<Result>(
    _ kind: SectionKind, _ name: String, _ body: (inout ByteCursor) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    // Every file has the six that are not optional: the directory was checked.
    guard let copy = try directory.table(kind, of: file) else {
      throw FormatError(.wrongSection, offset: FormatLimits.headerSize, field: "directory")
    }
    return try copy.read(name, body)
  }

  func bytes(of section: Section) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file[section.offset..<(section.offset + section.length)])
  }

  /// Left where it is: who wants a tokenizer reads it (`TokenizerCoding`).
  var tokenizer: TokenizerSection? {
    guard let section = directory.sections.first(where: { $0.kind == .tokenizer }),
      let start = bytes(of: section).baseAddress
    else { return nil }
    return TokenizerSection(
      bytes: ConstantBytes(start: start, count: section.length), offset: section.offset,
      checksum: section.checksum)
  }

  private func verifyData() throws(FormatError) {
    for (index, section) in directory.sections.enumerated()
    where section.kind.isData && section.kind != .channelMap || section.kind == .tokenizer {
      try directory.verifyChecksum(index, bytes(of: section))
    }
  }

  /// Channel maps are indices into memory: they must not change once they were checked.
  private static func copyChannelMaps(
    _ file: UnsafeRawBufferPointer, _ directory: SectionDirectory
  ) throws(FormatError) -> AlignedBuffer {
    var total = 0
    for (index, section) in directory.sections.enumerated() where section.kind == .channelMap {
      let padded = (section.length + 63) / 64 * 64
      guard padded <= FormatLimits.maximumChannelMapSize - total else {
        throw FormatError(
          .limitExceeded, offset: Section.entryOffset(index) + 16, field: "directory[\(index)].length",
          got: .integer(section.length), expected: .range(0...FormatLimits.maximumChannelMapSize))
      }
      total += padded
    }
    let copies = AlignedBuffer(byteCount: total)
    var position = 0
    for (index, section) in directory.sections.enumerated() where section.kind == .channelMap {
      let copy = UnsafeMutableRawBufferPointer(start: copies.start + position, count: section.length)
      copy.copyBytes(from: file[section.offset..<(section.offset + section.length)])
      try directory.verifyChecksum(index, UnsafeRawBufferPointer(copy))
      position += (section.length + 63) / 64 * 64
    }
    return copies
  }

  private mutating func readSymbols() throws(FormatError) {
    let version = directory.version
    let limit = FormatLimits.symbols(version: version)
    var symbols = try table(.symbols, "symbols") { (cursor) throws(FormatError) in
      try Self.readSymbols(&cursor, limit: limit, version: version)
    }
    if let copy = try directory.table(.sizes, of: file) {
      places.sizes = copy.offset
      symbols = try copy.read("sizes") { [symbols] (cursor) throws(FormatError) in
        try SizeCoding.read(&cursor, into: symbols)
      }
    }
    graph.symbols = symbols
  }

  private mutating func readValues() throws(FormatError) {
    let (symbolCount, version) = (graph.symbols.count, directory.version)
    (graph.values, places.values) = try table(.values, "values") { (cursor) throws(FormatError) in
      try Self.readValues(&cursor, symbolCount: symbolCount, version: version)
    }
  }

  private mutating func readConstants() throws(FormatError) {
    var reader = ConstantReader(file: file, directory: directory, channelMaps: channelMaps)
    reader = try table(.constants, "constants") { [reader] (cursor) throws(FormatError) in
      var reader = reader
      try reader.readAll(&cursor)
      return reader
    }
    graph.constants = reader.constants
    graph.constantNames = reader.names
    places.constants = reader.places
  }

  private mutating func readStates() throws(FormatError) {
    guard let copy = try directory.table(.states, of: file) else { return }
    let (valueCount, symbolCount) = (graph.values.count, graph.symbols.count)
    (graph.states, places.states) = try copy.read("states") { (cursor) throws(FormatError) in
      try StateCoding.read(&cursor, valueCount: valueCount, symbolCount: symbolCount)
    }
  }

  private mutating func readNodes() throws(FormatError) {
    let reader = NodeReader(
      version: directory.version, valueCount: graph.values.count,
      symbolCount: graph.symbols.count, constantCount: graph.constants.count)
    (graph.nodes, places.nodes) = try table(.nodes, "nodes") { (cursor) throws(FormatError) in
      try reader.readAll(&cursor)
    }
  }

  private mutating func readInterface() throws(FormatError) {
    let valueCount = graph.values.count
    places.interface = directory.sections[5].offset
    (graph.inputs, graph.outputs) = try table(.interface, "interface") { (cursor) throws(FormatError) in
      try Self.readInterface(&cursor, valueCount: valueCount)
    }
  }
}
