package import SoniqCore

/// The one or two levels a model may use, as the user spells them; none keeps float32.
package struct Palette: Sendable, Hashable {
  /// How the user spelled it.
  package let text: String
  /// Coarse level first; empty for float32. Where there are groups, what all but linear layers get.
  package let levels: [Level]
  /// Linear layers have scales for groups of channels; nil: for outputs.
  package let groups: GroupForm?

  package var isFloat: Bool { levels.isEmpty }
  package var hasTwoLevels: Bool { levels.count == 2 }

  /// What the grammar looks like, for help and errors.
  package static let grammar =
    "one level or two joined by , or +; a level is P (weights of P bits, 1-8, activations of 8) or wPaA "
    + "(both sides, 1-8); or PgN: weights of P bits, 2-8, with scales for groups of N channels, 16, 32, 64 or 128; or f32 "
    + "alone. Examples: 8   4   4g32   4,8   2,8   w4a8   w1a1+w4a4   f32"

  /// Of a model whose importer has packed its weights: nothing is left to choose.
  package static func imported(_ text: String) -> Palette { Palette(imported: text) }

  private init(imported text: String) { (self.text, levels, groups) = (text, [], nil) }

  /// Reads a palette such as `8`, `4,8`, `w1a1+w4a4` or `f32`.
  ///
  /// Weights of 8 bits are affine codes with the zero in the middle, narrower ones bipolar. Activations of
  /// 8 bits are affine, narrower ones bipolar; all are scaled row by row.
  package init(_ text: String) throws(PackError) {
    self.text = text
    if text == "f32" {
      (levels, groups) = ([], nil)
      return
    }
    groups = try Self.groups(text)
    if let groups {
      levels = [try Self.level("\(groups.bits)", of: text)]
      return
    }
    let parts = text.split(omittingEmptySubsequences: false) { $0 == "," || $0 == "+" }
    guard (1...2).contains(parts.count) else {
      throw Self.error(text, "a palette has one or two levels, not \(parts.count)")
    }
    var levels: [Level] = []
    for part in parts { levels.append(try Self.level(String(part), of: text)) }
    levels.sort { ($0.weight.bits, $0.activation.bits) < ($1.weight.bits, $1.activation.bits) }
    if levels.count == 2, levels[0].weight.bits == levels[1].weight.bits {
      throw Self.error(text, "both levels have weights of \(levels[0].weight.bits) bits")
    }
    self.levels = levels
  }

  private static func error(_ text: String, _ message: String) -> PackError {
    PackError(.usage, place: "palette \"\(text)\"", message + " (" + grammar + ")")
  }

  /// Of a palette such as `4g32`.
  private static func groups(_ text: String) throws(PackError) -> GroupForm? {
    guard let mark = text.firstIndex(of: "g") else { return nil }
    guard let bits = bits(text[..<mark]), GroupForm.bitRange.contains(bits),
      let length = Int(text[text.index(after: mark)...]), isGroupLength(length), text.hasSuffix("g\(length)")
    else { throw error(text, "groups are spelled as in 4g32") }
    return GroupForm(bits: bits, length: length)
  }

  private static func level(_ part: String, of text: String) throws(PackError) -> Level {
    var weightText = Substring(part)
    var activationText: Substring = "8"
    if part.hasPrefix("w") {
      guard let mark = part.firstIndex(of: "a") else {
        throw error(text, "\"\(part)\" lacks the activation bits, as in \(part)a8")
      }
      weightText = part[part.index(after: part.startIndex)..<mark]
      activationText = part[part.index(after: mark)...]
    }
    guard let weight = bits(weightText) else {
      throw error(text, "\"\(part)\" is no level: the weight bits must be 1 to 8")
    }
    guard let activation = bits(activationText) else {
      throw error(text, "\"\(part)\" is no level: the activation bits must be 1 to 8")
    }
    return Level(
      weight: weight == 8 ? .symmetric(8) : .bipolar(weight),
      activation: ActivationCode(kind: activation == 8 ? .affine : .bipolar, bits: activation))
  }

  private static func bits(_ text: Substring) -> Int? {
    guard text.count == 1, let bits = Int(text), (1...8).contains(bits) else { return nil }
    return bits
  }
}

extension Level {
  /// "w4a8".
  package var spelling: String { "w\(weight.bits)a\(activation.bits)" }
}
