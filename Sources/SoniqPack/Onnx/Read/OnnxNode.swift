/// One operation of an ONNX graph.
struct OnnxNode {
  var name: String
  var type: String
  var domain: String
  /// Empty for an optional input that is not given.
  var inputs: [String]
  var outputs: [String]
  var attributes: [String: AttributeProto]
  /// Names around it that its branches or its body read.
  private(set) var captures: [String] = []
  /// What a converter asked for as another type than the file states: nothing is taken for its default silently.
  let misread = MisreadAttributes()

  init(_ proto: NodeProto) {
    type = proto.opType
    domain = OnnxFile.isOwnDomain(proto.domain) ? "" : proto.domain
    inputs = proto.input
    outputs = proto.output
    // Files may leave names out; the first output's is unique then.
    name = proto.name.isEmpty ? (proto.output.first ?? proto.opType) : proto.name
    attributes = [:]
    for attribute in proto.attribute { attributes[attribute.name] = attribute }
    captures = Set(bodies.flatMap(\.outerNames)).sorted()
  }

  /// Everything that must be made before it.
  var needs: [String] { inputs + captures }

  /// The graphs among its attributes, in the order of the attributes' names.
  var bodies: [GraphProto] {
    attributes.values.sorted { $0.name < $1.name }.flatMap { ($0.hasG ? [$0.g] : []) + $0.graphs }
  }

  /// A node of ONNX's own operators in the place of this one, which errors name.
  func standingFor(
    _ type: String, inputs: [String], outputs: [String], _ attributes: [AttributeProto]
  ) -> OnnxNode {
    var node = self
    (node.type, node.domain, node.inputs, node.outputs) = (type, "", inputs, outputs)
    node.attributes = [:]
    for attribute in attributes { node.attributes[attribute.name] = attribute }
    return node
  }

  /// "Conv" or, for other domains than ONNX's own, "com.microsoft.FusedConv".
  var typeName: String { domain.isEmpty ? type : "\(domain).\(type)" }

  func integer(_ key: String) -> Int? { attribute(key, .int).map { Int($0.i) } }
  func integer(_ key: String, default value: Int) -> Int { integer(key) ?? value }
  func flag(_ key: String, default value: Bool = false) -> Bool { integer(key).map { $0 != 0 } ?? value }
  func real(_ key: String) -> Float? { attribute(key, .float).map(\.f) }
  func real(_ key: String, default value: Float) -> Float { real(key) ?? value }
  func integers(_ key: String) -> [Int]? { attribute(key, .ints).map { $0.ints.map { Int($0) } } }
  func reals(_ key: String) -> [Float]? { attribute(key, .floats).map(\.floats) }
  func text(_ key: String) -> String? {
    attribute(key, .string).map { String(decoding: $0.s, as: UTF8.self) }
  }
  func texts(_ key: String) -> [String]? {
    attribute(key, .strings).map { $0.strings.map { String(decoding: $0, as: UTF8.self) } }
  }
  func tensor(_ key: String) -> TensorProto? { attribute(key, .tensor).map(\.t) }
  func graph(_ key: String) -> GraphProto? { attribute(key, .graph).map(\.g) }

  /// An attribute that is of this type. A value of 0 need not stand in the file, as proto3 writers leave it out, and
  /// the oldest files do not state types.
  private func attribute(_ key: String, _ type: AttributeType) -> AttributeProto? {
    guard let attribute = attributes[key] else { return nil }
    if attribute.hasRefAttrName {
      misread.add("attribute \(key) refers to one of a function")
      return nil
    }
    guard let stated = attribute.statedType, stated != type else { return attribute }
    misread.add("attribute \(key) is of type \(stated), not \(type)")
    return nil
  }
}

/// Attributes that could not be read as what their operator says they are, in the order in which they were asked for.
final class MisreadAttributes {
  private(set) var words: [String] = []

  func add(_ words: String) {
    if !self.words.contains(words) { self.words.append(words) }
  }
}

/// The types of attributes that operators of numbers have, by their numbers in the file.
private enum AttributeType: Int32 {
  case float = 1
  case int
  case string
  case tensor
  case graph
  case floats
  case ints
  case strings
}

extension AttributeProto {
  static func integer(_ name: String, _ number: Int) -> AttributeProto {
    var attribute = named(name, .int)
    attribute.i = Int64(number)
    return attribute
  }

  static func integers(_ name: String, _ numbers: [Int]) -> AttributeProto {
    var attribute = named(name, .ints)
    attribute.ints = numbers.map { Int64($0) }
    return attribute
  }

  static func real(_ name: String, _ number: Float) -> AttributeProto {
    var attribute = named(name, .float)
    attribute.f = number
    return attribute
  }

  private static func named(_ name: String, _ type: AttributeType) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.type = type.rawValue
    return attribute
  }

  /// Its type; nil where the file leaves it out and the value does not show it, as an empty list does not.
  fileprivate var statedType: AttributeType? {
    if let stated = AttributeType(rawValue: type) { return stated }
    if hasI { return .int }
    if hasF { return .float }
    if hasS { return .string }
    if hasT { return .tensor }
    if hasG { return .graph }
    if !ints.isEmpty { return .ints }
    if !strings.isEmpty { return .strings }
    return floats.isEmpty ? nil : .floats
  }
}

extension GraphProto {
  /// Names that it or a body in it reads and that it does not make. Messages are nested 32 deep at most.
  fileprivate var outerNames: [String] {
    var own = Set(input.map(\.name) + initializer.map(\.name))
    for node in node { own.formUnion(node.output) }
    let bodies = node.flatMap { $0.attribute.flatMap { ($0.hasG ? [$0.g] : []) + $0.graphs } }
    let read = node.flatMap(\.input) + output.map(\.name) + bodies.flatMap(\.outerNames)
    return Set(read).subtracting(own).filter { !$0.isEmpty }.sorted()
  }
}
