import SoniqGraph

/// The sizes and functions that config.json states.
struct EncoderSizes {
  let hidden: Int
  let layers: Int
  let heads: Int
  let headLength: Int
  let intermediate: Int
  let epsilon: Float
  let activation: ElementFunction
  /// x * sigmoid(1.702 * x): its factor; `activation` is silu then.
  let activationFactor: Float?

  private static let activations: [String: ElementFunction] = [
    "gelu": .geluErf, "gelu_python": .geluErf, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh,
    "gelu_fast": .geluTanh, "relu": .relu, "silu": .silu, "swish": .silu, "swiglu": .silu, "geglu": .geluErf,
    "quick_gelu": .silu, "gated-gelu": .geluTanh, "gated-silu": .silu, "tanh": .tanh,
    "reglu": .relu,
  ]

  init(_ folder: CheckpointFolder, _ fields: FieldNames) throws(PackError) {
    hidden = try folder.size(fields.hidden, in: 1...65536)
    layers = try folder.size(fields.layers, in: 1...1024)
    heads = try folder.size(fields.heads, in: 1...1024)
    headLength = try folder.size(fields.headLength, in: 1...65536, default: hidden / heads)
    guard headLength * heads == hidden || fields.headLength.contains(where: { folder.config[$0] != nil })
    else {
      throw folder.fieldError(fields.heads[0], "\(heads) does not divide \(fields.hidden[0]) \(hidden)")
    }
    guard headLength % 4 == 0, headLength <= 256 else {
      throw folder.fieldError(
        fields.heads[0], "heads of \(headLength) numbers; attention takes a multiple of 4, 256 at most")
    }
    guard try folder.size(fields.keyValueHeads, in: 1...1024, default: heads) == heads else {
      throw folder.fieldError(fields.keyValueHeads[0], "known: \(heads), as there are heads of queries")
    }
    intermediate = try folder.size(fields.intermediate, in: 1...262_144)
    let epsilon = try folder.real(fields.epsilon, default: fields.standardEpsilon)
    guard Float(epsilon) > 0, epsilon < 1 else {
      throw folder.fieldError(
        fields.epsilon.first ?? "epsilon", "must be above 0, as float32 too, and below 1")
    }
    self.epsilon = Float(epsilon)
    let name = try folder.text(fields.activation) ?? fields.standardActivation
    activation = try Self.function(name, folder, fields.activation[0])
    activationFactor = name == "quick_gelu" ? 1.702 : nil
    guard try !folder.flag("is_decoder", default: false) else {
      throw folder.fieldError("is_decoder", "true; only encoders are known")
    }
  }

  static func function(
    _ name: String, _ folder: CheckpointFolder, _ field: String
  ) throws(PackError) -> ElementFunction {
    guard let function = activations[name] else {
      let known = activations.keys.sorted().joined(separator: ", ")
      throw folder.fieldError(field, "unknown function \"\(name)\"; known: \(known)")
    }
    return function
  }
}
