import SoniqFormat
import SoniqGraph

/// What an ONNX file says of itself (`metadata_props`), as metadata of the packed model.
enum StatedMetadata {
  /// A model card, not a store of weights.
  private static let maximumCount = 256
  private static let maximumLength = 1 << 16
  private static let maximumTotal = FormatLimits.maximumMetadataSize / 2

  /// Entries with keys and texts that a packed file can hold. The packer's own keys are left out, but for the two
  /// that only a training knows: `soniq.palette` and `soniq.calibration`.
  static func entries(_ model: ModelProto, fileName: String) -> [(key: String, value: MetadataValue)] {
    var entries: [(key: String, value: MetadataValue)] = []
    var seen: Set<String> = []
    var total = 0
    for property in model.metadataProps.prefix(maximumCount)
    where isKept(property.key, property.value) && seen.insert(property.key).inserted {
      total += property.key.utf8.count + property.value.utf8.count
      guard total <= maximumTotal else { break }
      entries.append((property.key, .text(property.value)))
    }
    if !seen.contains(MetadataKey.name) { entries.insert((MetadataKey.name, .text(fileName)), at: 0) }
    return entries + [(MetadataKey.architecture, .text("onnx"))]
  }

  private static func isKept(_ key: String, _ value: String) -> Bool {
    let isOwn = key.hasPrefix("soniq.") && key != MetadataKey.palette && key != MetadataKey.calibration
    return !isOwn && key != MetadataKey.producer && key != MetadataKey.architecture
      && (1...FormatLimits.maximumKeyLength).contains(key.utf8.count) && value.utf8.count <= maximumLength
      && !value.utf8.contains(0)
      && !key.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }
}
