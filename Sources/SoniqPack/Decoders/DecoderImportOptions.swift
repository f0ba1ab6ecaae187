import SoniqGraph

/// How much a packed decoder takes at a time, and what it keeps.
package struct DecoderImportOptions: Sendable {
  /// What becomes of the weights, as the user spelled it.
  package let palette: String
  let treatment: WeightTreatment
  /// What keys and values of the positions before are.
  let cache: CacheForm
  /// The largest sizes, by name: batch, sequence, capacity and logits.
  package var maximums: [String: Int] = [:]

  package static let keep = "keep"
  /// Codes of the file stay, weights that are floats in it are rounded.
  package static let keepAndRound = "keep,8"
  /// What becomes of weights that are floats in the file, unless the user says.
  package static let standard = "8"
  /// The bits of the words' table and of the output matrix, which lose most by few.
  private static let wordBits = 8

  /// * palette: `keep`, `f32`, or the bits of codes, 2 to 8.
  /// * cache: bits of the keys and values that a sequence holds, as `CacheForm` reads them; else 8, with `f32` 32.
  /// * words: bits of the words' table and of the output matrix, 2 to 8; nil: those of the file, or 8.
  /// * calibrates: whether weights that are rounded will be, by texts, once the model is imported.
  /// - Throws: `usage` for anything else.
  package init(
    palette: String = DecoderImportOptions.keep, cache: String? = nil, words: Int? = nil,
    calibrates: Bool = false
  ) throws(PackError) {
    if let words, !GroupRounding.bitRange.contains(words) {
      throw PackError(.usage, place: "--words", "must be 2 to 8 (bits)")
    }
    self.cache = try CacheForm(cache ?? (palette == "f32" ? "32" : "8"))
    self.palette = palette
    switch palette {
    case Self.keep: treatment = .kept
    case Self.keepAndRound: treatment = .keptOrRounded(GroupRounding(bits: Self.wordBits))
    case "f32": treatment = .float
    default:
      guard palette.utf8.count == 1, let bits = Int(palette), GroupRounding.bitRange.contains(bits) else {
        throw PackError(
          .usage, place: "palette \"\(palette)\"",
          "language models have one of keep (the weights of the file), keep,8 (its codes; floats get 8 bits), f32, and 2 to 8 (bits of a weight, in groups of "
            + "\(GroupRounding(bits: Self.wordBits).form.length) channels)")
      }
      let rounding = GroupRounding(bits: bits)
      let ofWords = WordRounding(
        rounding: GroupRounding(bits: words ?? Self.wordBits), isStated: words != nil)
      treatment = calibrates ? .calibrated(rounding, words: ofWords) : .rounded(rounding, words: ofWords)
      return
    }
    guard words == nil else {
      throw PackError(.usage, place: "--words", "palette \(palette) decides what becomes of words")
    }
    guard !calibrates else {
      throw PackError(
        .usage, place: "--calibrate",
        "palette \(palette) rounds nothing by what it multiplies; take one of \(GroupRounding.bitRange.lowerBound) to "
          + "\(GroupRounding.bitRange.upperBound) bits")
    }
  }

  /// How weights are rounded by texts; nil where they are not.
  var calibratedRounding: (matrices: GroupRounding, words: GroupRounding)? {
    guard case .calibrated(let rounding, let words) = treatment else { return nil }
    return (rounding, words.rounding)
  }

  static let standardMaximums = ["batch": 16, "sequence": 2048, "capacity": 8192, "logits": 128]

  /// - Throws: `usage` for a name that a decoder has not, or a size that it cannot have.
  func maximum(_ name: String, most: Int) throws(PackError) -> Int {
    guard let stated = maximums[name] else {
      return min(most, Self.standardMaximums[name] ?? most)
    }
    guard stated <= most else {
      throw PackError(.usage, place: "--maximum \(name)=\(stated)", "the model has at most \(most)")
    }
    return stated
  }

  /// What the user should know of a model of so many positions.
  func remarks(context: Int) -> [String] {
    var remarks: [String] = []
    if case .keptOrRounded(let rounding) = treatment {
      remarks.append("codes stay as they are; weights that are floats in the file get \(rounding.bits) bits")
    }
    switch treatment {
    case .rounded(let rounding, let words), .calibrated(let rounding, let words):
      guard rounding != words.rounding, !words.isStated else { break }
      remarks.append(
        "the words' table and the output matrix have \(words.rounding.bits) bits, or the codes that the file has for "
          + "them; --words says otherwise")
    case .kept, .float, .keptOrRounded: break
    }
    if maximums["capacity"] == nil, let standard = Self.standardMaximums["capacity"], context > standard {
      remarks.append(
        "room for \(standard) of the model's \(context) positions; --maximum capacity=\(context) makes room for all"
      )
    }
    return remarks
  }

  func checkNames() throws(PackError) {
    let known = Self.standardMaximums.keys.sorted()
    guard let odd = maximums.keys.sorted().first(where: { !known.contains($0) }) else { return }
    throw PackError(
      .usage, place: "--maximum \(odd)", "a decoder has no such size; it has \(known.joined(separator: ", "))"
    )
  }
}
