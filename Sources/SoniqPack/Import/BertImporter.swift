import SoniqFormat
import SoniqGraph

/// BERT encoders: `BertModel`, or any model that holds one under the prefix "bert.", with the heads in `BertHead`.
package enum BertImporter: ModelImporter {
  package static let modelType = "bert"

  package static func importModel(_ folder: CheckpointFolder) throws(PackError) -> ImportedModel {
    var encoder = try BertEncoder(folder)
    return try encoder.build()
  }
}

/// The sizes that config.json states.
struct BertSizes {
  let hidden: Int
  let layers: Int
  let heads: Int
  let intermediate: Int
  let vocabulary: Int
  let positions: Int
  let tokenTypes: Int
  let epsilon: Float
  let activation: ActivationFunction

  init(_ folder: CheckpointFolder) throws(PackError) {
    hidden = try folder.size("hidden_size", in: 1...65536)
    layers = try folder.size("num_hidden_layers", in: 1...1024)
    heads = try folder.size("num_attention_heads", in: 1...1024)
    intermediate = try folder.size("intermediate_size", in: 1...262_144)
    vocabulary = try folder.size("vocab_size", in: 1...16_777_216)
    positions = try folder.size("max_position_embeddings", in: 1...1_048_576)
    tokenTypes = try folder.size("type_vocab_size", in: 1...65536)
    guard hidden % heads == 0 else {
      throw folder.fieldError("num_attention_heads", "\(heads) does not divide hidden_size \(hidden)")
    }
    let epsilon = folder.config["layer_norm_eps"]?.real ?? 1e-12
    guard Float(epsilon) > 0, epsilon < 1 else {
      throw folder.fieldError("layer_norm_eps", "must be above 0, as float32 too, and below 1")
    }
    self.epsilon = Float(epsilon)
    let activations: [String: ActivationFunction] = [
      "gelu": .geluErf, "gelu_python": .geluErf, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh,
      "gelu_fast": .geluTanh, "relu": .relu, "silu": .silu, "swish": .silu,
    ]
    let name = folder.config["hidden_act"]?.text ?? "gelu"
    guard let activation = activations[name] else {
      let known = activations.keys.sorted().joined(separator: ", ")
      throw folder.fieldError("hidden_act", "unknown function \"\(name)\"; known: \(known)")
    }
    self.activation = activation
    let positionType = folder.config["position_embedding_type"]?.text ?? "absolute"
    guard positionType == "absolute" else {
      throw folder.fieldError("position_embedding_type", "\"\(positionType)\"; known: absolute")
    }
    guard folder.config["is_decoder"]?.boolean != true else {
      throw folder.fieldError("is_decoder", "true; only encoders are known")
    }
  }
}

/// Builds the graph of one checkpoint.
struct BertEncoder {
  let folder: CheckpointFolder
  let sizes: BertSizes
  /// "" or "bert.".
  let prefix: String
  let pooling: SentencePooling?
  var builder = GraphBuilder()
  /// The tensors that the graph was made of.
  var used: Set<String> = []

  init(_ folder: CheckpointFolder) throws(PackError) {
    self.folder = folder
    sizes = try BertSizes(folder)
    let marker = "embeddings.word_embeddings.weight"
    prefix = folder.tensors.tensors["bert." + marker] != nil ? "bert." : ""
    pooling = try SentencePooling.read(folder)
  }

  mutating func build() throws(PackError) -> ImportedModel {
    let rows = [
      builder.symbol("batch", maximum: 64), builder.symbol("sequence", maximum: sizes.positions),
    ]
    let ids = builder.input("input_ids", .int32, rows)
    let mask = builder.input("attention_mask", .int32, rows, fill: 1)
    let types = builder.input("token_type_ids", .int32, rows, fill: 0)
    let shape = rows + [.fixed(sizes.hidden)]
    var hidden = try embeddings(ids, types, rows, shape)
    for layer in 0..<sizes.layers { hidden = try encoderLayer(layer, hidden, mask, rows) }
    if let pooling {
      let pooledShape: [Dimension] = [rows[0], .fixed(sizes.hidden)]
      var pooled = builder.node("pooling", .meanPool, [hidden, mask], pooledShape)
      if pooling.normalizes {
        pooled = builder.node("normalize", .l2Normalize(epsilon: 1e-12), [pooled], pooledShape)
      }
      builder.output(pooled, name: "sentence_embedding")
      builder.output(hidden, name: "last_hidden_state")
    } else {
      try addHead(hidden, rows)
    }
    return imported()
  }

  private func imported() -> ImportedModel {
    var metadata: [(key: String, value: MetadataValue)] = [
      (MetadataKey.name, .text(folder.name)), (MetadataKey.architecture, .text(BertImporter.modelType)),
    ]
    let leftOut = self.leftOut
    if !leftOut.isEmpty { metadata.append((MetadataKey.leftOut, .text(leftOut.joined(separator: ", ")))) }
    return ImportedModel(
      description: ModelDescription(graph: builder.graph, metadata: metadata, owner: [builder.store]),
      framing: TokenFraming(bertVocabulary: sizes.vocabulary, maximumLength: sizes.positions),
      leftOut: leftOut)
  }

  private mutating func embeddings(
    _ ids: ValueID, _ types: ValueID, _ rows: [Dimension], _ shape: [Dimension]
  ) throws(PackError) -> ValueID {
    let words = try lookup("word", ids, rows: sizes.vocabulary, shape)
    let typeRows = try lookup("token_type", types, rows: sizes.tokenTypes, shape)
    let positions = builder.node("embeddings.positions", .positions, [ids], rows, type: .int32)
    let positionRows = try lookup("position", positions, rows: sizes.positions, shape)
    let sum = builder.node("embeddings.add_token_type", .add, [words, typeRows], shape)
    let all = builder.node("embeddings.add_position", .add, [sum, positionRows], shape)
    return try layerNorm("embeddings.LayerNorm", all, shape)
  }

  private mutating func lookup(
    _ kind: String, _ ids: ValueID, rows: Int, _ shape: [Dimension]
  ) throws(PackError) -> ValueID {
    let name = "embeddings.\(kind)_embeddings"
    let weights = try tensor(name + ".weight", [rows, sizes.hidden])
    let table = builder.constant(name + ".weight", weights, shape: [rows, sizes.hidden])
    return builder.node(name, .embedding(table: table), [ids], shape)
  }

  private mutating func encoderLayer(
    _ layer: Int, _ input: ValueID, _ mask: ValueID, _ rows: [Dimension]
  ) throws(PackError) -> ValueID {
    let name = "encoder.layer.\(layer)"
    let shape = rows + [.fixed(sizes.hidden)]
    let qkv = try mergedLinear(
      name + ".attention.self", ["query", "key", "value"], input, rows + [.fixed(3 * sizes.hidden)])
    let scale = 1 / Float(sizes.hidden / sizes.heads).squareRoot()
    let context = builder.node(
      name + ".attention", .attention(Attention(heads: sizes.heads, scale: scale)),
      [qkv, mask], shape)
    let attended = try linear(name + ".attention.output.dense", context, (sizes.hidden, sizes.hidden), shape)
    let attendedSum = builder.node(name + ".attention.output.add", .add, [attended, input], shape)
    let middle = try layerNorm(name + ".attention.output.LayerNorm", attendedSum, shape)
    let wide = rows + [.fixed(sizes.intermediate)]
    let up = try linear(name + ".intermediate.dense", middle, (sizes.intermediate, sizes.hidden), wide)
    let active = builder.node(name + ".intermediate.activation", .activation(sizes.activation), [up], wide)
    let down = try linear(name + ".output.dense", active, (sizes.hidden, sizes.intermediate), shape)
    let sum = builder.node(name + ".output.add", .add, [down, middle], shape)
    return try layerNorm(name + ".output.LayerNorm", sum, shape)
  }

  /// Linear layers of one input, merged into one whose outputs follow each other.
  private mutating func mergedLinear(
    _ name: String, _ parts: [String], _ input: ValueID, _ shape: [Dimension]
  ) throws(PackError) -> ValueID {
    var weights: [Float] = []
    var bias: [Float] = []
    for part in parts {
      weights += try tensor("\(name).\(part).weight", [sizes.hidden, sizes.hidden])
      bias += try tensor("\(name).\(part).bias", [sizes.hidden])
    }
    let merged = name + ".qkv"
    let matrix = try builder.matrix(
      merged + ".weight", weights: weights, outputs: parts.count * sizes.hidden, inputs: sizes.hidden,
      bias: bias)
    return builder.node(merged, .linear(matrix: matrix), [input], shape)
  }

  /// * prefix: in place of the encoder's own.
  mutating func linear(
    _ name: String, _ input: ValueID, _ size: (outputs: Int, inputs: Int), _ shape: [Dimension],
    prefix: String? = nil
  ) throws(PackError) -> ValueID {
    let weights = try tensor(name + ".weight", [size.outputs, size.inputs], prefix: prefix)
    let bias = try tensor(name + ".bias", [size.outputs], prefix: prefix)
    let matrix = try builder.matrix(
      name + ".weight", weights: weights, outputs: size.outputs, inputs: size.inputs, bias: bias)
    return builder.node(name, .linear(matrix: matrix), [input], shape)
  }

  mutating func layerNorm(
    _ name: String, _ input: ValueID, _ shape: [Dimension], prefix: String? = nil
  ) throws(PackError) -> ValueID {
    let scale = try tensor(name + ".weight", [sizes.hidden], prefix: prefix)
    let offset = try tensor(name + ".bias", [sizes.hidden], prefix: prefix)
    let gamma = builder.constant(name + ".weight", scale, shape: [sizes.hidden])
    let beta = builder.constant(name + ".bias", offset, shape: [sizes.hidden])
    return builder.node(
      name, .layerNorm(gamma: gamma, beta: beta, epsilon: sizes.epsilon), [input], shape)
  }

  mutating func tensor(_ name: String, _ shape: [Int], prefix: String? = nil) throws(PackError) -> [Float] {
    let full = (prefix ?? self.prefix) + name
    used.insert(full)
    return try folder.tensors.floats(full, shape: shape)
  }
}
