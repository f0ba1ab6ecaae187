import SoniqCore
import SoniqGraph

/// Rows of codes in a file, with numbers for groups of channels.
protocol StoredCodes: StoredRows {
  var layout: GroupedLayout { get }
  /// Writes the codes of a row, each below the code's count, and the numbers of its groups.
  func decode(_ row: Int, _ codes: UnsafeMutablePointer<UInt8>, _ numbers: GroupNumbers) throws(PackError)
}

extension StoredCodes {
  private var groups: Int { (length + layout.groupLength - 1) / layout.groupLength }

  /// The numbers that codes stand for.
  func read(_ row: Int, into target: UnsafeMutableBufferPointer<Float>) throws(PackError) {
    let codes = AlignedBuffer(byteCount: length)
    let numbers = AlignedBuffer(byteCount: groups * 8)
    defer { withExtendedLifetime((codes, numbers)) {} }
    let bytes = codes.start.assumingMemoryBound(to: UInt8.self)
    let scales = numbers.start.assumingMemoryBound(to: Float.self)
    let offsets = scales + groups
    try decodeFinite(row, bytes, GroupNumbers(scales: scales, offsets: offsets))
    for channel in 0..<length {
      let group = channel / layout.groupLength
      let product = scales[group] * Float(layout.code.integer(Int(bytes[channel])))
      target[channel] = layout.hasOffsets ? product + offsets[group] : product
    }
  }

  /// - Throws: `data` for numbers that are not finite.
  func decodeFinite(
    _ row: Int, _ codes: UnsafeMutablePointer<UInt8>, _ numbers: GroupNumbers
  ) throws(PackError) {
    try decode(row, codes, numbers)
    for group in 0..<groups {
      guard numbers.scales[group].isFinite, !layout.hasOffsets || numbers.offsets[group].isFinite else {
        throw fault("a scale of row \(row), channel \(group * layout.groupLength), is not finite")
      }
    }
  }
}
