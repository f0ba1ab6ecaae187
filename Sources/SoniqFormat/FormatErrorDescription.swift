import Glibc
import SoniqGraph

extension FormatError: CustomStringConvertible {
  package var description: String { message }

  /// One sentence in plain words, without a final stop: the field, its place and what is wrong.
  package var message: String {
    if let cause { return "byte \(offset): \(cause.message)" }
    var text = (code.isOfBytes ? "byte \(offset): " : "") + "\(field.isEmpty ? "\"\"" : field): \(reason)"
    if systemError != 0 { text += ": \(Self.systemText(systemError))" }
    if got != .none { text += ", got \(got)" }
    if expected != .none { text += ", expected \(expected)" }
    return text
  }

  private var reason: String {
    switch code {
    case .cannotRead: "the file cannot be read"
    case .notARegularFile: "not a regular file"
    case .outOfMemory: "no memory for the file or what is made of it"
    case .truncated: "the file ends too early"
    case .wrongMagic: "not a soniq model file"
    case .unsupportedVersion: "the format version is not supported"
    case .wrongSize: "the size is wrong"
    case .wrongOffset: "the offset is wrong"
    case .wrongSection: "the section is missing or of the wrong kind"
    case .reservedNotZero: "a reserved field is not 0"
    case .paddingNotZero: "padding is not 0"
    case .checksumMismatch: "the checksum does not match, the file is damaged"
    case .limitExceeded: "the limit of the format is exceeded"
    case .unknownTag: "the tag is unknown"
    case .outOfRange: "the number is out of its range"
    case .invalidText: "the text is not valid"
    case .duplicate: "the name is used twice"
    case .indexOutOfRange: "the index is out of range"
    case .trailingBytes: "there are bytes after the last record"
    case .invalidModel: "the model is not valid"
    case .inconsistentData: "the numbers contradict each other"
    case .cannotWrite: "the file cannot be written"
    }
  }

  private static func systemText(_ number: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return "error \(number)" }
      guard strerror_r(number, base, buffer.count) == 0 else { return "error \(number)" }
      return String(cString: base)
    }
  }
}

extension FormatError.Quantity: CustomStringConvertible {
  package var description: String {
    switch self {
    case .none: "nothing"
    case .integer(let value): "\(value)"
    case .range(let range): "\(range.lowerBound) to \(range.upperBound)"
    case .bits(let bits): "0x" + String(bits, radix: 16)
    case .real(let value): "\(value)"
    case .text(let text): "'\(text)'"
    }
  }
}
