import SoniqGraph

/// What a decoder's states hold of the positions before.
struct CacheForm: Sendable, Hashable {
  let elementType: ElementType
  let keyBits: Int
  let valueBits: Int

  /// - Parameter text: bits of both, or of keys and of values with a comma between: 16 or 32 (floats), or codes of 8 or 4
  ///   bits, of keys also 6.
  /// - Throws: `usage` for anything else.
  init(_ text: String) throws(PackError) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard let keys = parts.first, let values = parts.last, parts.count <= 2 else { throw Self.refusal(text) }
    (keyBits, valueBits) = (keys, values)
    switch (keys, values) {
    case (16, 16): elementType = .float16
    case (32, 32): elementType = .float32
    case (8, 8), (8, 4), (6, 8), (6, 4), (4, 8), (4, 4): elementType = .int8
    default: throw Self.refusal(text)
    }
  }

  private static func refusal(_ text: String) -> PackError {
    PackError(
      .usage, place: "cache \"\(text)\"",
      "keys and values have one of 32 and 16 (floats), 8 and 4 (codes, with a scale for each position and head), or keys "
        + "and values bits of their own, keys 8, 6 or 4 and values 8 or 4: 6,4")
  }
}
