import Glibc
import SoniqGraph

/// The angles of a decoder from config.json: `rope_parameters`, or `rope_theta` and `rope_scaling` of older files.
struct FolderAngles {
  let folder: CheckpointFolder
  let sizes: DecoderSizes
  let type: String
  /// The most positions of the packed model.
  let capacity: Int

  private static let bases = ["smollm3": 2_000_000.0, "bitnet": 500_000.0, "gemma3_text": 1_000_000.0]
  private static let known: Set<String> = [
    "rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor",
    "high_freq_factor",
    "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "short_factor",
    "long_factor", "truncate",
  ]

  /// * isNear: of layers that see near positions only.
  /// - Throws: `data` with the field to blame.
  func angles(isNear: Bool) throws(PackError) -> RotaryAngles {
    let parameters = try parameters(isNear: isNear)
    var angles = try unscaled(parameters, isNear: isNear)
    let original = try parameters.number(
      "original_max_position_embeddings",
      default: folder.real(["original_max_position_embeddings"], default: Double(sizes.context)))
    switch try parameters.type() {
    case "default": break
    case "linear": angles.slow(by: try parameters.number("factor"))
    case "llama3":
      angles.bend(
        by: try parameters.number("factor"), low: try parameters.number("low_freq_factor"),
        high: try parameters.number("high_freq_factor"), from: original)
    case "yarn":
      let factor = try parameters.number("factor")
      angles.stretch(
        by: factor, from: original, fast: try parameters.number("beta_fast", default: 32),
        slow: try parameters.number("beta_slow", default: 1),
        magnitude: try parameters.number("attention_factor", default: factor > 1 ? 1 + 0.1 * log(factor) : 1))
    case "longrope": try addLongFactors(&angles, parameters, original)
    // What Phi-3's first files call the same.
    case "su" where type == "phi3": try addLongFactors(&angles, parameters, original)
    case let other:
      throw parameters.fault("rope_type \"\(other)\"; known: default, linear, llama3, yarn, longrope")
    }
    return angles
  }

  private func unscaled(_ parameters: RotaryParameters, isNear: Bool) throws(PackError) -> RotaryAngles {
    let stated = try folder.real(
      isNear ? ["rope_local_base_freq"] : ["rope_theta"],
      default: isNear ? 10000 : Self.bases[type] ?? 10000)
    let base = try parameters.number("rope_theta", default: stated)
    guard base > 1, base.isFinite else { throw parameters.fault("rope_theta must be above 1") }
    let part = try parameters.number(
      "partial_rotary_factor", default: folder.real(["partial_rotary_factor"], default: 1))
    guard part > 0, part <= 1, Int(Double(sizes.headLength) * part) >= 2,
      Int(Double(sizes.headLength) * part) % 2 == 0
    else {
      throw folder.fieldError(
        "partial_rotary_factor", "\(part) of heads of \(sizes.headLength) channels are no pairs")
    }
    return RotaryAngles(pairs: Int(Double(sizes.headLength) * part) / 2, base: base)
  }

  /// Factors of short contexts and of long ones: which are used follows from the most positions of the packed model.
  private func addLongFactors(
    _ angles: inout RotaryAngles, _ parameters: RotaryParameters, _ original: Double
  ) throws(PackError) {
    let name = Double(capacity) > original ? "long_factor" : "short_factor"
    angles.multipliers = try parameters.numbers(name, count: angles.pairs).map { 1 / $0 }
    let longer = try parameters.number("factor", default: Double(sizes.context) / original)
    angles.magnitude = try parameters.number(
      "attention_factor", default: longer > 1 ? (1 + log(longer) / log(original)).squareRoot() : 1)
  }

  private func parameters(isNear: Bool) throws(PackError) -> RotaryParameters {
    let key = isNear ? "sliding_attention" : "full_attention"
    for field in ["rope_parameters", "rope_scaling"] {
      guard let stated = folder.config[field], stated != .null else { continue }
      // Older files scale the angles of far layers only.
      if isNear, field == "rope_scaling" { break }
      let value = stated[key] ?? stated
      for member in value.object ?? [] where !Self.known.contains(member.key) {
        throw folder.fieldError(field, "\(member.key) is not known; it may change what the model computes")
      }
      guard value.object != nil, value["truncate"] ?? .boolean(true) == .boolean(true) else {
        throw folder.fieldError(field, "must be an object, in which truncate is true or missing")
      }
      return RotaryParameters(folder: folder, field: field, value: value)
    }
    return RotaryParameters(folder: folder, field: "rope_theta", value: .object([]))
  }
}

/// What config.json says of angles.
private struct RotaryParameters {
  let folder: CheckpointFolder
  let field: String
  let value: JSONValue

  func fault(_ message: String) -> PackError { folder.fieldError(field, message) }

  func type() throws(PackError) -> String {
    let stated = value["rope_type"] ?? value["type"] ?? .null
    guard stated == .null || stated.text != nil else { throw fault("rope_type must be a text") }
    return stated.text ?? "default"
  }

  /// Above 0.
  func number(_ key: String, default standard: Double? = nil) throws(PackError) -> Double {
    guard let stated = value[key], stated != .null else {
      guard let standard else { throw fault("\(key) is missing") }
      return standard
    }
    guard let number = stated.real, number > 0, number.isFinite else {
      throw fault("\(key) must be a number above 0")
    }
    return number
  }

  func numbers(_ key: String, count: Int) throws(PackError) -> [Double] {
    let numbers = value[key]?.array?.compactMap(\.real) ?? []
    guard numbers.count == count, value[key]?.array?.count == count,
      numbers.allSatisfy({ $0 > 0 && $0.isFinite })
    else { throw fault("\(key) must be \(count) numbers above 0") }
    return numbers
  }
}
