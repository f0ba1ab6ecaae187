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

/// How much a packed decoder takes at a time, and what it keeps.
package struct DecoderOptions: Sendable {
  /// Whether codes and scales of the file stay as they are; else everything becomes float32.
  package var keepsCodes = true
  /// The largest sizes, by name: batch, sequence, capacity and logits.
  package var maximums: [String: Int] = [:]

  package init() {}

  /// Keys and values of the positions before are float16, of a float32 model float32.
  var stateType: ElementType { keepsCodes ? .float16 : .float32 }

  static let standardMaximums = ["batch": 16, "sequence": 2048, "capacity": 8192, "logits": 128]

  /// - Throws: `usage` for a name that a decoder has not, or a size that it cannot have.
  func maximum(_ name: String, most: Int) throws(PackError) -> Int {
    guard let stated = maximums[name] else {
      return min(most, Self.standardMaximums[name] ?? most)
    }
    guard stated <= most else {
      throw PackError(.usage, place: "--maximum \(name)=\(stated)", "the model has at most \(most)")
    }
    return stated
  }

  /// What the user should know of a model of so many positions.
  func remarks(context: Int) -> [String] {
    guard maximums["capacity"] == nil, let standard = Self.standardMaximums["capacity"], context > standard
    else {
      return []
    }
    return [
      "room for \(standard) of the model's \(context) positions; --maximum capacity=\(context) makes room for all"
    ]
  }

  func checkNames() throws(PackError) {
    let known = Self.standardMaximums.keys.sorted()
    guard let odd = maximums.keys.sorted().first(where: { !known.contains($0) }) else { return }
    throw PackError(
      .usage, place: "--maximum \(odd)", "a decoder has no such size; it has \(known.joined(separator: ", "))"
    )
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
