/// The types that a key of a GGUF file may have; raw values are those of the file.
enum GGUFType: UInt32, Sendable, Hashable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case boolean = 7
  case text = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// nil for texts and arrays, which say their length themselves.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .boolean: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .text, .array: nil
    }
  }
}

/// What a GGUF file says of a key.
enum GGUFValue: Sendable, Hashable {
  case integer(Int64)
  /// Above the numbers of Int64.
  case largeInteger(UInt64)
  case real(Double)
  case boolean(Bool)
  case text(String)
  case array(GGUFArray)
}

/// A list in a GGUF file: its bytes were walked through, but nothing was made of them.
struct GGUFArray: Sendable, Hashable {
  var element: GGUFType
  var count: Int
  /// Of the file's bytes.
  var range: Range<Int>
}
