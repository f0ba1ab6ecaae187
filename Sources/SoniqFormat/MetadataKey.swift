/// The metadata keys whose meaning docs/format.md fixes. Other keys are allowed; readers keep them.
package enum MetadataKey {
  /// text: the model's name.
  package static let name = "general.name"
  /// text: what the model is for.
  package static let description = "general.description"
  /// text: who made the model.
  package static let author = "general.author"
  /// text: SPDX expression.
  package static let license = "general.license"
  /// text: program and version that wrote the file.
  package static let producer = "general.producer"
  /// text: the family of the graph, "bert".
  package static let architecture = "source.architecture"
  /// text: where the weights came from.
  package static let sourceName = "source.name"
  /// text: hash of the weights file, "xxh64:" and 16 hexadecimal digits.
  package static let sourceHash = "source.hash"
  /// text: parts of the checkpoint that the graph has not, by the names of their tensors.
  package static let leftOut = "source.left_out"
  /// text: palette as given to the packer, "8", "4,8", "w1a1+w4a4".
  package static let palette = "soniq.palette"
  /// real: bits of all weights with scales, maps and padding, over the count of weights.
  package static let averageBits = "soniq.average_bits"
  /// integer: number of weights that `averageBits` counts.
  package static let parameterCount = "soniq.parameter_count"
  /// text: how activation ranges were found: "none", "dynamic", "calibrated", "trained".
  package static let calibration = "soniq.calibration"
  /// integer: tokens the calibration saw.
  package static let calibrationTokens = "soniq.calibration_tokens"
  /// text: file name of the tokenizer that makes the ids.
  package static let tokenizer = "tokenizer.name"
  /// integer: tokens that texts are cut to, where the model takes more.
  package static let maximumTokens = "tokenizer.maximum_tokens"
  /// text: why the file has no tokenizer, where its source may have one.
  package static let tokenizerLeftOut = "tokenizer.left_out"
}
