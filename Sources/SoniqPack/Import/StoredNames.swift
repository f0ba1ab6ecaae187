import SoniqCore
import SoniqFormat

/// Names as a packed file holds them: given once, of at most 256 bytes, without the character 0. A name that is too
/// long keeps its beginning and ends in a hash of the whole, so that the same name is always shortened alike.
struct StoredNames {
  private var taken: Set<String> = []
  private var numbers: [String: Int] = [:]

  mutating func unique(_ name: String) -> String {
    let name = name.isEmpty ? "unnamed" : name
    var result = Self.fitted(name)
    while !taken.insert(result).inserted {
      numbers[name, default: 1] += 1
      result = Self.fitted("\(name).\(numbers[name, default: 1])")
    }
    return result
  }

  private static func fitted(_ name: String) -> String {
    var whole = name
    if whole.utf8.contains(0) {
      whole = String(String.UnicodeScalarView(whole.unicodeScalars.map { $0.value == 0 ? "?" : $0 }))
    }
    guard whole.utf8.count > FormatLimits.maximumNameLength else { return whole }
    let hash = Array(whole.utf8).withUnsafeBytes { XXHash64.hash($0) }
    let digits = String(hash, radix: 16)
    let ending = "~" + String(repeating: "0", count: 16 - digits.count) + digits
    var beginning = ""
    var room = FormatLimits.maximumNameLength - ending.utf8.count
    for scalar in whole.unicodeScalars {
      room -= UTF8.width(scalar)
      guard room >= 0 else { break }
      beginning.unicodeScalars.append(scalar)
    }
    return beginning + ending
  }
}
