/// The characters that stand for bytes in the vocabularies of byte merges: printable ones for themselves, the others for
/// U+0100 and up.
package enum ByteAlphabet {
  private static let bytes: [UInt32: UInt8] = {
    var bytes: [UInt32: UInt8] = [:]
    var next: UInt32 = 0x100
    for byte in UInt32(0)..<256 {
      switch byte {
      case 33...126, 161...172, 174...255: bytes[byte] = UInt8(byte)
      default:
        bytes[next] = UInt8(byte)
        next += 1
      }
    }
    return bytes
  }()

  /// nil where a character stands for no byte.
  package static func bytes(_ text: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      let scalar = TextScalar(text, at: index, end: text.count)
      guard let byte = bytes[scalar.value] else { return nil }
      result.append(byte)
      index += scalar.length
    }
    return result
  }
}
