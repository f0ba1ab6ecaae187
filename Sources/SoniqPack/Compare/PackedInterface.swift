import SoniqFormat
package import SoniqGraph

/// What goes into a packed model and what comes out, and whether another model has the same.
package enum PackedInterface {
  /// Imports the float model that a file was packed from, with the sizes that packing fixed.
  ///
  /// * path: an ONNX file or a checkpoint folder.
  /// * options: of the ONNX importer, as for packing; sizes are those of the packed model.
  /// - Throws: the importer's errors; `data` when the interfaces differ, or the packed model has states.
  package static func importModel(
    _ path: String, of packed: ModelDescription, file: String, options: OnnxOptions = OnnxOptions(),
    progress: ProgressReport = .silent
  ) throws(PackError) -> ImportedModel {
    guard packed.graph.states.isEmpty else {
      let names = packed.graph.states.map(\.name).joined(separator: ", ")
      throw PackError(
        .data, file: file,
        "the model has states (\(names)), which runs change: pack it without --state and compare that file, with "
          + "samples of the states among its inputs")
    }
    let imported: ImportedModel
    if OnnxImporter.isOnnx(path) {
      var options = options
      options.keepsCodes = false
      try options.take(sizesOf: packed.graph, path: path, file: file)
      imported = try OnnxImporter.importModel(path: path, options: options, progress: progress)
    } else {
      imported = try FolderImporter.importModel(
        path: path, options: FolderOptions(packing: packed), progress: progress)
    }
    try require(imported.description.graph, path, packed.graph, file)
    return imported
  }

  /// - Throws: `data` unless both have inputs and outputs of the same names, types and shapes.
  static func require(_ model: Graph, _ path: String, _ packed: Graph, _ file: String) throws(PackError) {
    for (what, first, second) in [
      ("input", model.inputs.map(\.value), packed.inputs.map(\.value)),
      ("output", model.outputs, packed.outputs),
    ] {
      let (wanted, found) = (words(first, model), words(second, packed))
      for name in Set(wanted.keys).union(found.keys).sorted() {
        guard let value = wanted[name], let other = found[name] else {
          let (has, lacks) = wanted[name] == nil ? (file, path) : (path, file)
          throw PackError(
            .data, file: file, place: "\(what) \(name)", "\(has) has it and \(lacks) has not; \(advice)")
        }
        guard value == other else {
          throw PackError(
            .data, file: file, place: "\(what) \(name)", "\(other) there and \(value) in \(path); \(advice)")
        }
      }
    }
  }

  private static let advice = "was the file packed from this model?"

  /// Types and shapes by name; dynamic sizes have no name.
  private static func words(_ values: [ValueID], _ graph: Graph) -> [String: String] {
    var words: [String: String] = [:]
    for value in values.map({ graph.values[$0] }) {
      let sizes = value.shape.map { if case .fixed(let size) = $0 { "\(size)" } else { "any" } }
      words[value.name] = "\(value.elementType) [\(sizes.joined(separator: ", "))]"
    }
    return words
  }
}

extension FolderOptions {
  /// What a folder was packed with.
  fileprivate init(packing packed: ModelDescription) {
    let graph = packed.graph
    // The first output is that of the head, where the file has one.
    self.init(withoutHead: graph.outputs.first.map { graph.values[$0].name } == "last_hidden_state")
    for symbol in graph.symbols where symbol.definition == nil { maximums[symbol.name] = symbol.maximum }
    for case (MetadataKey.architecture, .text(let type)) in packed.metadata { packedType = type }
  }
}

extension OnnxOptions {
  /// Fixes the sizes of inputs that the packed model has fixed, and bounds the dynamic ones as it does.
  /// - Throws: `data` when the ONNX file fixes another size.
  fileprivate mutating func take(sizesOf packed: Graph, path: String, file: String) throws(PackError) {
    let stated = try OnnxGraph(OnnxFile(path: path)).inputs
    var names: Set<String> = []
    for input in packed.inputs {
      let value = packed.values[input.value]
      guard let info = stated.first(where: { $0.name == value.name }) else { continue }
      let dimensions = info.type.tensorType.shape.dim
      for (axis, dimension) in dimensions.enumerated() {
        names.insert(dimension.dimParam.isEmpty ? "\(info.name).\(axis)" : dimension.dimParam)
      }
      guard !info.type.tensorType.hasShape || dimensions.count == value.shape.count else { continue }
      for (dimension, size) in zip(dimensions, value.shape) where dimension.dimValue > 0 {
        guard dimension.dimValue == Int64(size.fixedSize) else {
          throw PackError(
            .data, file: file, place: "input \(value.name)",
            "size \(size.isDynamic ? "any" : "\(size.fixedSize)") there and \(dimension.dimValue) in \(path); "
              + "was the file packed from this model?")
        }
      }
      shapes[value.name] = value.shape.map { if case .fixed(let size) = $0 { size } else { nil } }
    }
    for symbol in packed.symbols
    where symbol.definition == nil && !symbol.isOpen && names.contains(symbol.name) {
      maximums[symbol.name] = symbol.maximum
    }
  }
}
