/// Where and why a text is no kernel profile.
package struct KernelProfileError: Error, Sendable, Hashable {
  /// Byte of the text.
  package let offset: Int
  /// What is wrong, in plain words.
  package let reason: String

  package init(offset: Int, reason: String) {
    self.offset = offset
    self.reason = reason
  }
}

extension KernelProfile {
  /// The profile that a JSON text describes, as `soniq-pack calibrate-cost` writes it:
  ///
  ///     {"version": 1, "machine": "...", "sizes": [[384, 1536], ...],
  ///      "costs": [{"kernel": "...", "weightBits": 1, "activationBits": 1, "picoseconds": [...]}, ...]}
  ///
  /// Strict: these members in this order and no others, strings without escapes, whole numbers. Kernels that this
  /// library does not have are kept and never asked for, so that a profile outlives a version.
  ///
  /// - Parameter text: UTF-8, at most 1 MiB.
  /// - Throws: for anything else; no text traps.
  package init(parsing text: UnsafeRawBufferPointer) throws(KernelProfileError) {
    guard text.count <= 1 << 20 else {
      throw KernelProfileError(offset: 0, reason: "the profile is longer than 1 MiB")
    }
    var parser = KernelProfileParser(text)
    self = try parser.profile()
  }
}

/// One walk over the bytes.
private struct KernelProfileParser {
  private let text: UnsafeRawBufferPointer
  private var position = 0

  init(_ text: UnsafeRawBufferPointer) { self.text = text }

  private func failure(_ reason: String) -> KernelProfileError {
    KernelProfileError(offset: position, reason: reason)
  }

  private mutating func skipSpace() {
    while position < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[position]) { position += 1 }
  }

  private mutating func takes(_ byte: Character) -> Bool {
    skipSpace()
    guard position < text.count, text[position] == byte.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: Character) throws(KernelProfileError) {
    guard takes(byte) else { throw failure("expected '\(byte)'") }
  }

  private mutating func string() throws(KernelProfileError) -> String {
    try expect("\"")
    let start = position
    while position < text.count, text[position] != 0x22 {
      guard text[position] >= 0x20, text[position] != 0x5c, position - start < 256 else {
        throw failure("a string has a control character, an escape, or more than 256 bytes")
      }
      position += 1
    }
    let bytes = text[start..<position]
    guard position < text.count, let value = String(validating: bytes, as: UTF8.self) else {
      throw failure("a string does not end, or is not UTF-8")
    }
    position += 1
    return value
  }

  private mutating func number(_ range: ClosedRange<Int>, _ name: String) throws(KernelProfileError) -> Int {
    skipSpace()
    var value = 0
    var digits = 0
    while position < text.count, (0x30...0x39).contains(text[position]), digits < 12 {
      value = value * 10 + Int(text[position] - 0x30)
      digits += 1
      position += 1
    }
    guard digits > 0, range.contains(value) else {
      throw failure("\(name) is not a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  private mutating func member(_ name: String) throws(KernelProfileError) {
    skipSpace()
    let start = position
    guard try string() == name else {
      position = start
      throw failure("expected the member \"\(name)\"")
    }
    try expect(":")
  }

  mutating func profile() throws(KernelProfileError) -> KernelProfile {
    try expect("{")
    try member("version")
    _ = try number(KernelProfile.version...KernelProfile.version, "version")
    try expect(",")
    try member("machine")
    let machine = try string()
    try expect(",")
    try member("sizes")
    var profile = KernelProfile(machine: machine, sizes: try sizes(), costs: [:])
    try expect(",")
    try member("costs")
    try expect("[")
    if !takes("]") {
      repeat { try entry(&profile) } while takes(",")
      try expect("]")
    }
    try expect("}")
    skipSpace()
    guard position == text.count else { throw failure("something follows the profile") }
    return profile
  }

  private mutating func sizes() throws(KernelProfileError) -> [KernelProfile.Size] {
    var sizes: [KernelProfile.Size] = []
    try expect("[")
    repeat {
      guard sizes.count < 64 else { throw failure("there are more than 64 sizes") }
      try expect("[")
      let channels = try number(1...1 << 24, "a number of channels")
      try expect(",")
      sizes.append(
        KernelProfile.Size(channels: channels, outputs: try number(1...1 << 24, "a number of outputs")))
      try expect("]")
    } while takes(",")
    try expect("]")
    return sizes
  }

  private mutating func entry(_ profile: inout KernelProfile) throws(KernelProfileError) {
    try expect("{")
    try member("kernel")
    let kernel = try string()
    try expect(",")
    try member("weightBits")
    let weightBits = try number(1...8, "weightBits")
    try expect(",")
    try member("activationBits")
    let activationBits = try number(1...8, "activationBits")
    try expect(",")
    try member("picoseconds")
    let count = RowClass.allCases.count * profile.sizes.count
    var costs: [UInt32] = []
    try expect("[")
    repeat {
      guard costs.count < count else { throw failure("an entry has more than \(count) costs") }
      costs.append(UInt32(try number(1...1_000_000_000, "a cost")))
    } while takes(",")
    guard costs.count == count else { throw failure("an entry has \(costs.count) costs instead of \(count)") }
    try expect("]")
    try expect("}")
    let key = KernelProfile.Key(kernel: kernel, weightBits: weightBits, activationBits: activationBits)
    guard profile.costs.updateValue(costs, forKey: key) == nil else {
      throw failure("\(kernel) with \(weightBits) and \(activationBits) bits has two entries")
    }
  }
}
