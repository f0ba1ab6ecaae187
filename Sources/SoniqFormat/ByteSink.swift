/// Appends packed little-endian fields. Numbers were validated before they come here: those that do not
/// fit are cut, not trapped.
struct ByteSink {
  var bytes: [UInt8] = []

  private mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
  mutating func byte(_ value: Int) { bytes.append(UInt8(truncatingIfNeeded: value)) }
  mutating func word(_ value: Int) { append(UInt32(truncatingIfNeeded: value)) }
  mutating func int32(_ value: Int32) { append(value) }
  mutating func bits64(_ value: UInt64) { append(value) }
  mutating func float(_ value: Float) { append(value.bitPattern) }
  mutating func double(_ value: Double) { append(value.bitPattern) }
  mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }
  /// 32-bit length, then the bytes.
  mutating func text(_ text: String) {
    word(text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }
}

extension [UInt8] {
  /// `withUnsafeBytes` with a typed error.
  func withRawBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    try withUnsafeBufferPointer { (bytes) throws(FormatError) in try body(UnsafeRawBufferPointer(bytes)) }
  }
}
