package import SoniqGraph

/// How a model is read.
package struct ReadOptions: Sendable, Hashable {
  /// Also verify the checksums of all data sections, which reads every byte. The tables and channel maps
  /// are always verified.
  package var verifyData: Bool
  /// Take a private copy of the bytes instead of using them in place. A mapped file that shrinks under
  /// its reader kills the process with SIGBUS, and one that is overwritten changes the results: hosts
  /// that cannot trust the file to stay as it is copy it.
  package var copiesFile: Bool

  package init(verifyData: Bool = false, copiesFile: Bool = false) {
    self.verifyData = verifyData
    self.copiesFile = copiesFile
  }
}

/// Reads models. Any bytes give a valid model or an error with field and offset; never a trap. All
/// functions may be called from any thread.
package enum ModelFile {
  /// Maps a file and reads it in place: no weight is copied.
  ///
  /// - Parameters:
  ///   - path: a regular file, or a link to one.
  ///   - options: how to read it.
  /// - Returns: a model whose graph passed `Graph.validate`; its `owner` holds the mapping.
  /// - Throws: what is wrong with the file, and where.
  package static func open(
    path: String, options: ReadOptions = ReadOptions()
  ) throws(FormatError) -> ModelDescription {
    let storage = try FileStorage.file(path: path, copies: options.copiesFile)
    return try description(storage.bytes, owner: storage, options: options)
  }

  /// Reads a model from memory, in place where `bytes` begins at a multiple of 64 and `options` asks for
  /// no copy, else from a copy.
  ///
  /// - Parameters:
  ///   - bytes: must not change, and must stay as long as the result unless `owner` holds them.
  ///   - owner: kept alive by the result.
  ///   - options: how to read it.
  /// - Returns: a model whose graph passed `Graph.validate`.
  /// - Throws: what is wrong with the bytes, and where.
  package static func read(
    bytes: UnsafeRawBufferPointer, owner: AnyObject? = nil, options: ReadOptions = ReadOptions()
  ) throws(FormatError) -> ModelDescription {
    let isAligned = Int(bitPattern: bytes.baseAddress) % FormatLimits.alignment == 0
    if isAligned && !options.copiesFile { return try description(bytes, owner: owner, options: options) }
    let storage = try copy(bytes)
    return try description(storage.bytes, owner: storage, options: options)
  }

  /// Everything that `open` checks, the checksums of all sections, and that the numbers of the constants
  /// agree with each other: padding is 0, stored sums are sums of the weights, numbers are finite.
  package static func verify(path: String) throws(FormatError) {
    let storage = try FileStorage.file(path: path, copies: false)
    try verify(storage)
  }

  /// As `verify(path:)`, on bytes in memory.
  package static func verify(bytes: UnsafeRawBufferPointer) throws(FormatError) {
    let isAligned = Int(bitPattern: bytes.baseAddress) % FormatLimits.alignment == 0
    if isAligned { return try verifyInPlace(bytes) }
    try verify(try copy(bytes))
  }

  private static func verify(_ storage: FileStorage) throws(FormatError) {
    try withExtendedLifetime(storage) { () throws(FormatError) in try verifyInPlace(storage.bytes) }
  }

  private static func verifyInPlace(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    let reader = try ModelReader(bytes, options: ReadOptions(verifyData: true))
    try DeepVerification(reader).run()
    var description = ModelDescription(graph: reader.graph, metadata: [], owner: [])
    description.tokenizer = reader.tokenizer
    _ = try TokenizerCoding.tokenizer(of: description)
  }

  private static func copy(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> FileStorage {
    _ = try FileHeader(bytes, fileSize: bytes.count)
    let storage = try FileStorage.anonymous(byteCount: bytes.count)
    storage.mutableBytes.copyMemory(from: bytes)
    return storage
  }

  private static func description(
    _ bytes: UnsafeRawBufferPointer, owner: AnyObject?, options: ReadOptions
  ) throws(FormatError) -> ModelDescription {
    let reader = try ModelReader(bytes, options: options)
    var owners: [AnyObject] = [reader.channelMaps]
    if let owner { owners.append(owner) }
    var description = ModelDescription(graph: reader.graph, metadata: reader.metadata, owner: owners)
    description.identity = reader.directory.checksum
    description.tokenizer = reader.tokenizer
    return description
  }
}
