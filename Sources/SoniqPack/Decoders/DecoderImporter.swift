/// Decoders, whatever holds them: a GGUF file or a folder.
package enum DecoderImporter {
  /// Whether a path is that of a decoder, as far as its first bytes or its `model_type` tell.
  package static func isDecoder(_ path: String) -> Bool {
    GGUFImporter.isGGUF(path) || DecoderFolders.isDecoder(path)
  }

  /// The palette of a user who states none: codes that the file has stay, weights of floats are rounded.
  /// - Throws: as importing does.
  package static func standardPalette(path: String) throws(PackError) -> String {
    guard GGUFImporter.isGGUF(path) else {
      return try DecoderFolders.hasCodes(path)
        ? DecoderImportOptions.keepAndRound : DecoderImportOptions.standard
    }
    return try GGUFImporter.hasCodes(path: path) ? DecoderImportOptions.keep : DecoderImportOptions.standard
  }

  /// - Throws: `noInput` or `data` with the file, and the key, field or tensor to blame; `usage` for options that do
  ///   not fit.
  package static func importModel(
    path: String, options: DecoderImportOptions, progress: ProgressReport = .silent
  ) throws(PackError) -> ImportedModel {
    guard GGUFImporter.isGGUF(path) else {
      return try DecoderFolders.importModel(path: path, options: options, progress: progress)
    }
    return try GGUFImporter.importModel(path: path, options: options, progress: progress)
  }
}
