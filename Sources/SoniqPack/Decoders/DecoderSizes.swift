import SoniqGraph

/// The sizes and numbers of a decoder.
struct DecoderSizes: Sendable {
  var vocabulary: Int
  var hidden: Int
  var heads: Int
  var keyValueHeads: Int
  var headLength: Int
  var epsilon: Float
  /// The most positions that the model was made for.
  var context: Int
  var layers: [Layer]
  /// What scores are multiplied with.
  var attentionScale: Float
  /// 0 where scores, or logits, are not bent.
  var scoreCap: Float = 0
  var logitCap: Float = 0
  /// What embeddings, what is added to the rows, and logits are multiplied with.
  var embeddingScale: Float = 1
  var residualScale: Float = 1
  var logitScale: Float = 1

  struct Layer: Sendable {
    /// Of the gated product.
    var intermediate: Int
    /// How many positions up to its own a position sees; 0: all.
    var window = 0
    /// nil for layers without positions.
    var angles: RotaryAngles?
  }
}

/// Where a decoder's weights come from. Names are those of GGUF files, without ".weight" and ".bias".
protocol DecoderWeights {
  /// nil when there is no such weight; the last dimension is that of inputs.
  func shape(_ name: String) -> [Int]?
  func hasBias(_ name: String) -> Bool
  /// Rows of a matrix as the outputs of a layer, with their bias where there is one.
  mutating func matrix(_ name: String, rows: Range<Int>) throws(PackError) -> Constant
  /// What a matrix's products are multiplied with; nil where there is no such number.
  mutating func factor(_ name: String) throws(PackError) -> Float?
  /// A matrix as the rows of a lookup; one that a layer can use too is a matrix.
  mutating func table(_ name: String) throws(PackError) -> Constant
  /// A row of numbers.
  mutating func vector(_ name: String, count: Int) throws(PackError) -> [Float]
  /// What stops an import at a weight.
  func fault(_ name: String, _ message: String) -> PackError
}

/// Parts that importers must know by name.
enum DecoderPart {
  static let words = "token_embd"
  static let head = "output"

  /// The words' table, or the output matrix.
  static func isOfWords(_ name: String) -> Bool { name == words || name == head }
}
