import SoniqCore
package import SoniqGraph

/// What one graph input is given in one run.
package struct InputArray: Sendable {
  package var name: String
  package var elementType: ElementType
  package var shape: [Int]
  /// Row-major elements of the type.
  package var bytes: [UInt8]

  package init(name: String, floats: [Float], shape: [Int]) {
    self.name = name
    elementType = .float32
    self.shape = shape
    bytes = floats.withUnsafeBytes { Array($0) }
  }

  package init(name: String, integers: [Int32], shape: [Int]) {
    self.name = name
    elementType = .int32
    self.shape = shape
    bytes = integers.withUnsafeBytes { Array($0) }
  }
}

extension InputArray {
  /// Elements of the type's width.
  package init<Element: BitwiseCopyable>(
    name: String, _ type: ElementType, _ elements: [Element], shape: [Int]
  ) {
    self.name = name
    elementType = type
    self.shape = shape
    bytes = elements.withUnsafeBytes { Array($0) }
  }
}

/// What a model is calibrated on: token sequences, or samples of every graph input.
package enum CalibrationData: Sendable {
  case tokens(TokenSequences)
  /// Token sequences that a decoder reads, each in a run of its own, with the logits of all positions.
  case passages(TokenSequences)
  case samples(SampleArrays)

  /// Where they come from, for the report and the metadata.
  package var source: String {
    switch self {
    case .tokens(let tokens), .passages(let tokens): tokens.source
    case .samples(let samples): samples.source
    }
  }

  /// Tokens, or samples.
  package var count: Int {
    switch self {
    case .tokens(let tokens), .passages(let tokens): tokens.tokenCount
    case .samples(let samples): samples.count
    }
  }

  package var unit: String {
    switch self {
    case .tokens, .passages: "tokens"
    case .samples: "samples"
    }
  }

  /// At most so many tokens or samples, spread evenly over all of them.
  package func limited(tokens tokenLimit: Int, samples sampleLimit: Int) -> CalibrationData {
    switch self {
    case .tokens(let tokens): .tokens(tokens.limited(to: tokenLimit))
    case .passages(let tokens): .passages(tokens.limited(to: tokenLimit))
    case .samples(let samples): .samples(samples.limited(to: sampleLimit))
    }
  }

  /// The runs: what each input is given in each.
  /// * maximumRows: tokens of a run.
  /// * maximumBatch: sequences or samples of a run.
  package func runs(maximumRows: Int, maximumBatch: Int) -> [[InputArray]] {
    switch self {
    case .tokens(let tokens):
      tokens.batches(maximumRows: maximumRows, maximumBatch: maximumBatch).map { batch in
        [
          InputArray(
            name: "input_ids", integers: batch.flatMap { $0 }, shape: [batch.count, batch.first?.count ?? 0])
        ]
      }
    case .passages(let passages):
      passages.sequences.map { tokens in
        [
          InputArray(name: "input_ids", integers: tokens, shape: [1, tokens.count]),
          InputArray(
            name: "logit_positions", integers: (0..<Int32(tokens.count)).map { $0 }, shape: [tokens.count]),
        ]
      }
    case .samples(let samples): samples.runs(maximumBatch: maximumBatch)
    }
  }

  /// The most rows of an input in a run.
  func largestRun(input name: String, maximumBatch: Int) -> Int? {
    switch self {
    case .tokens: maximumBatch
    case .passages: 1
    case .samples(let samples): samples.runLength(of: name, maximumBatch: maximumBatch)
    }
  }

  /// The sizes that one dimension of an input has in all samples, the first dimension of a run left out.
  func largest(input name: String, dimension: Int) -> Int? {
    switch self {
    case .tokens(let tokens), .passages(let tokens):
      dimension == 1 ? tokens.sequences.map(\.count).max() : nil
    case .samples(let samples): samples.size(of: name, dimension: dimension)
    }
  }
}
