/// Element types of values and dense constants.
package enum ElementType: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case float32 = 1
  case int32 = 2
  /// IEEE binary16.
  case float16 = 3
  case int8 = 4
  case uint8 = 5

  package var byteCount: Int {
    switch self {
    case .float32, .int32: 4
    case .float16: 2
    case .int8, .uint8: 1
    }
  }

  /// Reads as a real number, rather than as a whole one.
  package var isReal: Bool { self == .float32 || self == .float16 }

  /// Operations compute with it; values of the other types are only moved and cast.
  package var isComputed: Bool { self == .float32 || self == .int32 }

  package var since: Int { isComputed ? 1 : 3 }
}
