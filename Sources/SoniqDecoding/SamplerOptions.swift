/// How a sampler chooses. The default value is the most likely token.
package struct SamplerOptions: Sendable {
  /// Divides the scores; 0: no chance, the most likely token.
  package var temperature: Float = 0
  /// Only so many of the most likely tokens; 0: all.
  package var topK = 0
  /// Only the most likely tokens that together have this probability; 1: all.
  package var topP: Float = 1
  /// Only tokens with at least this part of the greatest probability.
  package var minP: Float = 0
  /// Divides positive scores of recent tokens, and multiplies the others.
  package var repetitionPenalty: Float = 1
  /// Taken from the score of a recent token for each time that it occurs.
  package var frequencyPenalty: Float = 0
  /// Taken from the score of a recent token.
  package var presencePenalty: Float = 0
  /// How many tokens are recent.
  package var penaltyWindow = 64
  package var seed: UInt64 = 0
  /// Added to scores; of entries for one token the sum.
  package var biases: [TokenBias] = []

  package init() {}

  static let maximumPenaltyWindow = 1 << 20

  var hasPenalties: Bool { repetitionPenalty != 1 || frequencyPenalty != 0 || presencePenalty != 0 }

  /// - Throws: `invalidOption`.
  func check(vocabulary: Int) throws(SamplerError) {
    func require(_ condition: Bool, _ field: String, _ reason: String) throws(SamplerError) {
      guard condition else { throw .invalidOption(field: field, reason: reason) }
    }
    try require(temperature.isFinite && temperature >= 0, "temperature", "is not a number of 0 or more")
    try require(topK >= 0, "top_k", "is negative")
    try require(topP > 0 && topP <= 1, "top_p", "is not above 0 and at most 1")
    try require(minP >= 0 && minP <= 1, "min_p", "is outside 0...1")
    try require(
      repetitionPenalty.isFinite && repetitionPenalty > 0, "repetition_penalty", "is not a number above 0")
    try require(frequencyPenalty.isFinite, "frequency_penalty", "is not a finite number")
    try require(presencePenalty.isFinite, "presence_penalty", "is not a finite number")
    try require(
      (1...Self.maximumPenaltyWindow).contains(penaltyWindow), "penalty_window",
      "is \(penaltyWindow), outside 1...\(Self.maximumPenaltyWindow)")
    try require(biases.count <= vocabulary, "bias_count", "is \(biases.count), more than there are tokens")
    for (index, entry) in biases.enumerated() {
      try require(
        entry.token >= 0 && Int(entry.token) < vocabulary, "biases[\(index)].token",
        "is \(entry.token), outside 0...\(vocabulary - 1)")
      try require(entry.bias.isFinite, "biases[\(index)].bias", "is not a finite number")
    }
  }
}

/// What is added to the score of a token.
package struct TokenBias: BitwiseCopyable, Sendable {
  package var token: Int32
  package var bias: Float
  package init(token: Int32, bias: Float) {
    self.token = token
    self.bias = bias
  }
}

/// Why a sampler refused.
package enum SamplerError: Error, Sendable, Equatable {
  /// There are this many tokens, outside 1...`Sampler.maximumVocabulary`.
  case vocabularyOutOfRange(Int)
  case invalidOption(field: String, reason: String)
  case wrongCount(actual: Int, expected: Int)
  /// The logit of this token is NaN or infinite.
  case notFinite(token: Int)
  /// No token may be chosen.
  case nothingAllowed
  /// Token `position` of a list is none of the vocabulary.
  case unknownToken(Int32, position: Int)
  /// So many bytes could not be had.
  case outOfMemory(Int)
  /// The host's allocator gave memory that is not aligned to so many bytes.
  case misaligned(Int)
}
