/// A JSON document. Objects keep their order; their keys are unique.
package indirect enum JSONValue: Sendable, Hashable {
  case null
  case boolean(Bool)
  /// A number written without fraction and exponent that fits Int.
  case integer(Int)
  case real(Double)
  case text(String)
  case array([JSONValue])
  case object([JSONMember])

  package subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }
  package var text: String? {
    guard case .text(let text) = self else { return nil }
    return text
  }
  package var integer: Int? {
    guard case .integer(let integer) = self else { return nil }
    return integer
  }
  package var real: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .real(let real): real
    default: nil
    }
  }
  package var boolean: Bool? {
    guard case .boolean(let boolean) = self else { return nil }
    return boolean
  }
  package var array: [JSONValue]? {
    guard case .array(let array) = self else { return nil }
    return array
  }
  package var object: [JSONMember]? {
    guard case .object(let members) = self else { return nil }
    return members
  }
}

/// One member of a JSON object.
package struct JSONMember: Sendable, Hashable {
  package var key: String
  package var value: JSONValue
  package init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

extension JSONValue {
  /// The document, indented by two spaces a level; arrays of plain values stay on one line.
  package func written(indent: String = "") -> String {
    let inner = indent + "  "
    switch self {
    case .null: return "null"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return String(value)
    case .real(let value): return value.isFinite ? "\(value)" : "null"
    case .text(let value): return Self.quoted(value)
    case .array(let values):
      let isPlain = values.allSatisfy { $0.array == nil && $0.object == nil }
      let parts = values.map { $0.written(indent: inner) }
      if isPlain { return "[" + parts.joined(separator: ", ") + "]" }
      return "[\n" + parts.map { inner + $0 }.joined(separator: ",\n") + "\n" + indent + "]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      let parts = members.map { inner + Self.quoted($0.key) + ": " + $0.value.written(indent: inner) }
      return "{\n" + parts.joined(separator: ",\n") + "\n" + indent + "}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case let control where control.value < 0x20:
        let digits = String(control.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
