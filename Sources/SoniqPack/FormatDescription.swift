import SoniqFormat
import SoniqGraph

/// The operations that files may hold, with their attributes in the order of their bytes: what docs/format.md lists and
/// other readers read by.
package enum FormatDescription {
  package static var json: JSONValue {
    .object([JSONMember("operations", .array(OperationDescription.all.map(operation)))])
  }

  private static func operation(_ description: OperationDescription) -> JSONValue {
    let schema = description.schema
    var members = [
      JSONMember("name", .text(schema.name)), JSONMember("tag", .integer(Int(schema.tag))),
    ]
    if let tag = schema.tensorTag { members.append(JSONMember("tensor_tag", .integer(Int(tag)))) }
    members.append(JSONMember("since", .integer(schema.since)))
    members.append(JSONMember("fields", .array(description.fields.map { field($0, schema.since) })))
    return .object(members)
  }

  /// * since: the first version that has the operation; values of the field that came later say so.
  private static func field(_ field: AttributeField, _ since: Int) -> JSONValue {
    var members: [JSONMember] = []
    if !field.name.isEmpty { members.append(JSONMember("name", .text(field.name))) }
    members.append(JSONMember("type", .text(field.type)))
    if let count = field.count { members.append(JSONMember("count", .integer(count))) }
    if let range = field.range {
      members.append(
        JSONMember("range", .array([.integer(range.lowerBound), .integer(range.upperBound)])))
    }
    if !field.values.isEmpty {
      members.append(
        JSONMember("values", .object(field.values.map { JSONMember("\($0.value)", .text($0.name)) })))
      let later = field.values.filter { $0.since > since }
      if !later.isEmpty {
        members.append(
          JSONMember(
            "values_since", .object(later.map { JSONMember("\($0.value)", .integer($0.since)) })))
      }
    }
    if !field.flags.isEmpty { members.append(JSONMember("flags", .array(field.flags.map { .text($0) }))) }
    if field.since > 1 { members.append(JSONMember("since", .integer(field.since))) }
    if let counter = field.counter {
      members.append(JSONMember("of", .text(counter)))
      members.append(JSONMember("fields", .array(field.fields.map { self.field($0, since) })))
    }
    return .object(members)
  }
}
