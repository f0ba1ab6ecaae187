import SoniqGraph

/// What a family of encoders is made of: names of tensors and fields, and which of the shared parts it has. Paths are
/// within the encoder's prefix; those of heads are whole.
struct EncoderFamily: Sendable {
  /// The `model_type`s in config.json.
  var modelTypes: [String]
  /// What `position_embedding_type` is, where it is stated.
  var positionTypes = ["absolute"]
  /// A tensor, behind any prefix, by which a checkpoint is told from those of the same type.
  var marker: String?
  /// Fields that must be what they say, or missing.
  var required: [String: JSONValue] = [:]
  /// What names of the encoder's tensors begin with where a head is in the same file.
  var prefixes: [String] = []
  var fields = FieldNames()
  /// Sizes that config.json leaves out where they are these.
  var standards: [String: Int] = [:]
  var input: InputLayout
  var block: BlockLayout
  var finalNorm: String?
  /// What makes one row of all; the tensors are within the prefix.
  var pooler: Pooler?
  var heads: [HeadLayout] = []
  /// Classes with a decoder, which is no head: their encoder is what is packed.
  var decoderClasses = ["ForConditionalGeneration"]
  /// Tensors that are others again, or no weights.
  var ignored: Set<String> = []
}

/// Steps to one row of a sequence. A checkpoint without the marker has none.
struct Pooler: Sendable {
  var marker: String
  var steps: [HeadStep]

  /// A linear layer of the first position, and tanh.
  static func tanh(_ dense: String) -> Pooler {
    Pooler(marker: dense + ".weight", steps: [.row(0), .dense(dense), .function(.tanh)])
  }
}

/// The names of sizes in config.json; the first that is there counts.
struct FieldNames: Sendable {
  var hidden = ["hidden_size"]
  var layers = ["num_hidden_layers"]
  var heads = ["num_attention_heads"]
  /// Heads of keys and values, of which there must be as many.
  var keyValueHeads: [String] = []
  var headLength = ["head_dim"]
  var intermediate = ["intermediate_size"]
  var positions = ["max_position_embeddings"]
  /// The most positions where nothing limits them; nil where config.json must say it.
  var standardPositions: Int?
  var activation = ["hidden_act"]
  var standardActivation = "gelu"
  var epsilon = ["layer_norm_eps"]
  var standardEpsilon = 1e-12
}

/// What the host gives, and how it becomes rows.
enum InputLayout: Sendable {
  case tokens(TokenLayout)
  case patches(PatchLayout)
  case frames(FrameLayout)
  case samples(SampleLayout)
}

/// Samples of sound, through convolutions without margins, the first of which a norm over all follows.
struct SampleLayout: Sendable {
  var convolutions: [SampleConvolution]
  var norm: String
}

struct SampleConvolution: Sendable {
  var name: String
  var taps: Int
  var stride: Int
  /// By how much it widens the hidden size.
  var factor = 1
  var hasBias = true
  /// nil for that of the layers.
  var function: ElementFunction?
}

/// Features of sound, one row a frame, through convolutions over three frames each, to which positions are added.
struct FrameLayout: Sendable {
  var convolutions: [(name: String, stride: Int)]
  var positions: String
  /// The fields of the features of a frame, and of the rows behind the convolutions.
  var features: String
  var rows: String
}

/// Squares of an image, in rows from the top, behind the rows of tokens that belong to no square.
struct PatchLayout: Sendable {
  var projection: String
  /// Tensors of one row.
  var tokens: [String] = []
  var positions: String
  var norm: String?
}

/// Embeddings that are added to each other.
struct TokenLayout: Sendable {
  enum Positions: Sendable {
    /// 0, 1, 2, ...
    case counted
    /// Counted from behind the padding's id on, over what is no padding.
    case behindPadding
  }
  var words: String
  var positions: String?
  var counting = Positions.counted
  var types: String?
  var norm: String?
  /// A linear layer from the embedding's size to the hidden one, where they differ.
  var projection: String?
  /// The norm is of the hidden size, behind the projection.
  var projectsFirst = false
  /// A flag in config.json without which there is no table of positions.
  var positionsField: String?
  /// Ids around a sequence are those of BERT's vocabulary, rather than what config.json says.
  var hasBertVocabulary = false
}

/// One layer of an encoder: attention and two or three linear layers.
struct BlockLayout: Sendable {
  enum Projection: Sendable {
    case separate(query: String, key: String, value: String)
    /// Query, key and value one after the other.
    case packed(String)
    /// Packed where the checkpoint has that.
    case either(packed: String, query: String, key: String, value: String)
  }
  enum FeedForward: Sendable {
    case plain(up: String, down: String)
    case gated(gate: String, up: String, down: String)
    /// Gate and up in one.
    case gatedPacked(String, down: String, isGateFirst: Bool = true)
    /// Gated where the checkpoint has the gate.
    case either(plain: String, gate: String, up: String, down: String)
  }
  enum NormPlace: Sendable {
    /// norm(x + f(x))
    case behind
    /// x + f(norm(x))
    case before
  }
  enum NormKind: Sendable { case layer, rootMeanSquare }

  /// The layer of a number: "#" stands for it.
  var path: String
  var projection: Projection
  var output: String
  var attentionNorm: String
  var feedForward: FeedForward
  var outputNorm: String
  var normPlace = NormPlace.behind
  var normKind = NormKind.layer
  /// Whether each linear layer and norm must have a bias; else those that are stored count.
  var hasBiases = true
  var places = AttentionPlaces.none
  /// Norms of all heads' queries and keys.
  var queryKeyNorms: (query: String, key: String)?
  /// A norm behind the attention's own, of the sum of what that gives and the layer's input.
  var secondNorm: String?
  /// Scores are not divided by the root of a head's length.
  var isUnscaled = false
  var isCausal = false
  /// The first layer has no norm before its attention.
  var firstIsUnnormed = false
  /// Layers share their weights in groups.
  var sharing: SharedLayers?
  /// A convolution and a norm beside the first layer, where config.json has them.
  var convolution: SideConvolution?
}

/// What is added to the first layer's output: a function of a convolution of its input. A norm follows.
struct SideConvolution: Sendable {
  var convolution: String
  var norm: String
  /// Fields of its taps, without which there is none, its groups and its function.
  var taps: String
  var groups: String
  var function: String
  var standardFunction: String
}

/// Fields that say which layers have the same weights; their path has "@" for the place within a group.
struct SharedLayers: Sendable {
  var groups: String
  var layersOfGroup: String
}

/// What stands behind an encoder by its class, which ends in one of these names.
struct HeadLayout: Sendable {
  var classes: [String]
  /// A tensor without which a checkpoint has no such head: whoever saves the bare encoder keeps the class's name.
  var marker: String
  var outputs: [HeadOutput]
}

struct HeadOutput: Sendable {
  var name: String
  var steps: [HeadStep]

  init(_ name: String, _ steps: [HeadStep]) { (self.name, self.steps) = (name, steps) }
  init(_ steps: [HeadStep]) { self.init("logits", steps) }
}

enum HeadStep: Sendable {
  /// The row of a position; -1 for the last.
  case row(Int)
  case pooler
  /// The row of the first id that ends a text.
  case endOfText
  /// The first row, or the mean, as a field of config.json says.
  case rowOrMean(String)
  /// The mean of all rows from one on.
  case meanOfRows(from: Int)
  /// One row by attention of a stored query.
  case attended(String)
  /// The mean of what several steps make of the same.
  case meanOf([[HeadStep]])
  /// A linear layer of as many outputs as its weights have rows.
  case dense(String)
  case function(ElementFunction)
  /// The function of the encoder's layers.
  case ownFunction
  /// The function that a field of config.json names.
  case stated(String, standard: String)
  case norm(String)
  /// One number of each row.
  case column(Int)
  /// A score for each word: the words' table again, unless there is a matrix of this name.
  case words(matrix: String, bias: String?)
}
