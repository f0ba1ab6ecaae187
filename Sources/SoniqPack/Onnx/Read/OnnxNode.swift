/// One operation of an ONNX graph.
struct OnnxNode {
  var name: String
  var type: String
  var domain: String
  /// Empty for an optional input that is not given.
  var inputs: [String]
  var outputs: [String]
  var attributes: [String: AttributeProto]

  init(_ proto: NodeProto) {
    type = proto.opType
    domain = OnnxFile.isOwnDomain(proto.domain) ? "" : proto.domain
    inputs = proto.input
    outputs = proto.output
    // Files may leave names out; the first output's is unique then.
    name = proto.name.isEmpty ? (proto.output.first ?? proto.opType) : proto.name
    attributes = [:]
    for attribute in proto.attribute { attributes[attribute.name] = attribute }
  }

  /// "Conv" or, for other domains than ONNX's own, "com.microsoft.FusedConv".
  var typeName: String { domain.isEmpty ? type : "\(domain).\(type)" }

  func integer(_ key: String) -> Int? { attributes[key].flatMap { $0.hasI ? Int($0.i) : nil } }
  func integer(_ key: String, default value: Int) -> Int { integer(key) ?? value }
  func flag(_ key: String, default value: Bool = false) -> Bool { integer(key).map { $0 != 0 } ?? value }
  func real(_ key: String) -> Float? { attributes[key].flatMap { $0.hasF ? $0.f : nil } }
  func real(_ key: String, default value: Float) -> Float { real(key) ?? value }
  func integers(_ key: String) -> [Int]? { attributes[key].map { $0.ints.map { Int($0) } } }
  func reals(_ key: String) -> [Float]? { attributes[key].map { $0.floats } }
  func text(_ key: String) -> String? {
    attributes[key].flatMap { $0.hasS ? String(decoding: $0.s, as: UTF8.self) : nil }
  }
}
