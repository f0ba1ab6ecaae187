import SoniqCore
import SoniqGraph

/// Channels of a weight with one precision.
struct InspectedLevel {
  let words: String
  /// 32 for floats.
  let weightBits: Int
  /// nil where activations are no codes.
  let activationBits: Int?
  let channels: Int

  init(_ level: MatrixLevel) {
    words = Self.words(level)
    weightBits = level.level.weight.bits
    activationBits = level.level.activation.bits
    channels = level.channels
  }

  init(_ level: TableLevel) {
    words = Self.words(level)
    (weightBits, activationBits, channels) = (level.code.bits, nil, level.channels)
  }

  init(_ level: Level, channels: Int) {
    words = level.spelling
    (weightBits, activationBits, self.channels) = (level.weight.bits, level.activation.bits, channels)
  }

  init(floatsOf channels: Int) {
    (words, weightBits, activationBits, self.channels) = ("f32", 32, nil, channels)
  }

  var json: JSONValue {
    .object([
      JSONMember("weight_bits", .integer(weightBits)),
      JSONMember("activation_bits", activationBits.map(JSONValue.integer) ?? .null),
      JSONMember("channels", .integer(channels)),
    ])
  }

  /// A level of a matrix in words.
  private static func words(_ level: MatrixLevel) -> String {
    let activation = level.level.activation
    let scaling: String
    switch activation.scaling {
    case .dynamicPerRow: scaling = "per row"
    case .dynamicPerGroup(let channels): scaling = "per \(channels) channels"
    case .fixed(let scale, _): scaling = "fixed \(scale)"
    }
    var parts = [
      "\(level.level.spelling) x \(level.channels) channels", words(level.level.weight),
      "activations \(activation.kind) \(scaling)",
    ]
    if let scales = level.scales {
      parts.append((level.groups == nil ? "scales " : "units ") + range(scales.bound(to: Float.self)))
    }
    if let groups = level.groups {
      parts.append("\(groups.numbers) scales" + (groups.offsets == nil ? "" : " and offsets"))
      parts[parts.count - 1] += " of \(groups.length) channels"
    } else if level.offsets != nil {
      parts.append("offsets")
    }
    return parts.joined(separator: ", ")
  }

  /// A level of a table in words.
  private static func words(_ level: TableLevel) -> String {
    let block =
      level.blockLength == level.channels ? "one scale a row" : "a scale every \(level.blockLength) channels"
    return "w\(level.code.bits) x \(level.channels) channels, \(words(level.code)), \(block)"
  }

  private static func words(_ code: WeightCode) -> String {
    let layout = code.isPlain || code.layout == WeightLayout(bits: code.bits) ? "" : " as \(code.layout)"
    switch code.kind {
    case .affine: return "affine zero \(code.zero)\(layout)"
    case .codebook:
      let entries = (0..<code.codeCount).map { String(code.codebook[$0]) }
      return "codebook \(entries.joined(separator: " "))\(layout)"
    case .bipolar, .symmetric: return "\(code.kind)\(layout)"
    }
  }

  /// The smallest positive number and the largest.
  private static func range(_ scales: UnsafeBufferPointer<Float>) -> String {
    "\(scales.filter { $0 > 0 }.min() ?? 0)...\(scales.max() ?? 0)"
  }
}
