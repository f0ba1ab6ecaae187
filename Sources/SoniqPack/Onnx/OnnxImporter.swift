import SoniqFormat
import SoniqGraph

/// Models as ONNX files.
package enum OnnxImporter {
  /// Whether the path is an ONNX file rather than a folder.
  package static func isOnnx(_ path: String) -> Bool { OnnxFile.isOnnx(path) }

  /// Reads, checks and converts a model; every constant is float32 or int32 then.
  /// - Throws: `noInput` or `data` with the file and the node to blame; `usage` when options name what the model
  ///   does not have.
  package static func importModel(
    path: String, options: OnnxOptions = OnnxOptions(), progress: ProgressReport = .silent
  ) throws(PackError) -> ImportedModel {
    do throws(PackError) {
      let file = try OnnxFile(path: path)
      let graph = try OnnxGraph(file)
      guard OpenSizes.exist(graph, options) else { return try imported(graph, file, path, options, progress) }
      // What cannot be done with sizes of any length may be with sizes of a few hundred.
      var reason = ""
      for sizes in OpenSizes.tried {
        var trial = options
        trial.openSizes = sizes
        do throws(PackError) {
          return try imported(graph, file, path, trial, progress)
        } catch {
          guard error.kind == .data else { throw error }
          reason = error.message
        }
      }
      var model = try imported(graph, file, path, options, progress)
      let least = OpenSizes.least
      model.remarks.append(
        "sizes without --maximum are at most \(least.other), \(least.first) as a first dimension; with larger ones: "
          + oneLine(reason))
      return model
    } catch {
      var named = error
      named.file = error.file ?? (error.kind == .usage ? nil : path)
      // Names come from the file and may hold anything.
      named.place = error.place.map(oneLine)
      named.message = oneLine(error.message)
      throw named
    }
  }

  private static func imported(
    _ source: OnnxGraph, _ file: OnnxFile, _ path: String, _ options: OnnxOptions, _ progress: ProgressReport
  ) throws(PackError) -> ImportedModel {
    let conversion = try converted(source, file, options)
    var draft = conversion.draft
    try OnnxPasses.run(&draft, progress)
    if options.keepsCodes { try NarrowImages.run(&draft) }
    try OpenSizes.fit(&draft)
    let result = try DraftLowering.lower(draft, keepsCodes: options.keepsCodes)
    let graph = try StatedStates.apply(options.states, to: result.graph, fullNames: result.fullNames)
    let fileName = path.split(separator: "/").last.map(String.init) ?? path
    let name = fileName.hasSuffix(".onnx") ? String(fileName.dropLast(5)) : fileName
    var imported = ImportedModel(
      description: ModelDescription(
        graph: graph,
        metadata: StatedMetadata.entries(file.model, fileName: name),
        owner: [result.store]),
      framing: framing(graph))
    imported.dataFiles = file.externalData.paths(of: file.tensors)
    imported.fullNames = result.fullNames
    imported.decoded = draft.decoded
    imported.remarks += draft.remarks
    try imported.requirePackable(causes: conversion.notFinite)
    return imported
  }

  /// Converts the graph; again whenever sizes of different names turn out to be one.
  private static func converted(
    _ graph: OnnxGraph, _ file: OnnxFile, _ options: OnnxOptions
  ) throws(PackError) -> OnnxConversion {
    var equal = EqualSizes()
    while true {
      var conversion = try OnnxConversion(graph, file, options: options, equal: equal)
      try conversion.convert(graph)
      let draft = conversion.draft
      guard draft.needsSizes else { return conversion }
      var isNew = false
      for (kept, other) in draft.neededEqual where equal.join(kept, other) { isNew = true }
      for (name, number) in draft.neededNumbers where equal.set(name, to: number) { isNew = true }
      // Then it is what it was, and so is its fault.
      guard isNew else { throw conversion.refusal }
    }
  }

  private static func oneLine(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
  }

  /// How to make token sequences for the model; nil when it takes no tokens.
  private static func framing(_ graph: Graph) -> TokenFraming? {
    for node in graph.nodes {
      guard case .embedding(let embedding) = node.operation,
        graph.inputs.contains(where: {
          $0.value == node.inputs[0] && graph.values[$0.value].name == "input_ids"
        }),
        let vocabulary = rows(of: graph.constants[embedding.table])
      else { continue }
      let longest = graph.values[node.inputs[0]].shape.last.map { graph.maximum($0) } ?? 1
      return TokenFraming(bertVocabulary: vocabulary, maximumLength: longest)
    }
    return nil
  }

  private static func rows(of constant: Constant) -> Int? {
    switch constant {
    case .dense(let dense): dense.shape[0]
    case .table(let table): table.rows
    default: nil
    }
  }
}
