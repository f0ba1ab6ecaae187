import SoniqCore
package import SoniqGraph

/// What one graph input is given in one run.
package struct InputArray: Sendable {
  package var name: String
  package var elementType: ElementType
  package var shape: [Int]
  /// Row-major float32 or int32.
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

/// What a model is calibrated on: token sequences, or samples of every graph input.
package enum CalibrationData: Sendable {
  case tokens(TokenSequences)
  case samples(SampleArrays)

  /// Where they come from, for the report and the metadata.
  package var source: String {
    switch self {
    case .tokens(let tokens): tokens.source
    case .samples(let samples): samples.source
    }
  }

  /// Tokens, or samples.
  package var count: Int {
    switch self {
    case .tokens(let tokens): tokens.tokenCount
    case .samples(let samples): samples.count
    }
  }

  package var unit: String {
    switch self {
    case .tokens: "tokens"
    case .samples: "samples"
    }
  }

  /// At most so many tokens or samples, spread evenly over all of them.
  package func limited(tokens tokenLimit: Int, samples sampleLimit: Int) -> CalibrationData {
    switch self {
    case .tokens(let tokens): .tokens(tokens.limited(to: tokenLimit))
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
    case .samples(let samples): samples.runs(maximumBatch: maximumBatch)
    }
  }

  /// The sizes that one dimension of an input has in all samples, the first dimension of a run left out.
  func largest(input name: String, dimension: Int) -> Int? {
    switch self {
    case .tokens(let tokens): dimension == 1 ? tokens.sequences.map(\.count).max() : nil
    case .samples(let samples):
      samples.arrays.first { $0.name == name }.flatMap { array in
        (1..<array.shape.count).contains(dimension) ? array.shape[dimension] : nil
      }
    }
  }
}

/// Samples of every graph input; the first axis of each array counts them.
package struct SampleArrays: Sendable {
  package var arrays: [InputArray]
  package var source: String

  package var count: Int { arrays.first?.shape.first ?? 0 }

  /// * arrays: at least one; all have as many samples.
  package init(arrays: [InputArray], source: String) {
    self.arrays = arrays
    self.source = source
  }

  func limited(to limit: Int) -> SampleArrays {
    guard count > limit, limit > 0 else { return self }
    let chosen = (0..<limit).map { $0 * count / limit }
    return SampleArrays(arrays: arrays.map { Self.rows(chosen, of: $0, of: count) }, source: source)
  }

  func runs(maximumBatch: Int) -> [[InputArray]] {
    stride(from: 0, to: count, by: max(1, maximumBatch)).map { begin in
      let samples = Array(begin..<min(count, begin + max(1, maximumBatch)))
      return arrays.map { Self.rows(samples, of: $0, of: count) }
    }
  }

  private static func rows(_ samples: [Int], of array: InputArray, of count: Int) -> InputArray {
    let length = array.bytes.count / max(1, count)
    var part = array
    part.shape[0] = samples.count
    part.bytes = samples.flatMap { array.bytes[$0 * length..<($0 + 1) * length] }
    return part
  }

  /// Reads one array a graph input from an .npz or .safetensors file, named as the inputs, or from an .npy file for a
  /// model of one input.
  ///
  /// - Throws: `data` when an array is missing, or its shape or type does not fit the input.
  package static func read(path: String, graph: Graph) throws(PackError) -> SampleArrays {
    let inputs = graph.inputs.filter { $0.fill == nil }.map { graph.values[$0.value] }
    let file: TensorFile
    if path.hasSuffix(".npy") {
      guard inputs.count == 1 else {
        let names = inputs.map(\.name).joined(separator: ", ")
        throw PackError(
          .data, file: path,
          "the model has \(inputs.count) inputs (\(names)): give an .npz file with one array each")
      }
      file = try TensorFile.numpyArray(path: path, name: inputs[0].name)
    } else {
      file = path.hasSuffix(".npz") ? try .numpyArchive(path: path) : try .safetensors(path: path)
    }
    var arrays: [InputArray] = []
    for input in inputs { arrays.append(try array(of: input, in: file)) }
    guard let count = arrays.first?.shape.first, count > 0, arrays.allSatisfy({ $0.shape[0] == count }) else {
      throw PackError(.data, file: path, "the arrays must have as many samples each, at least one")
    }
    return SampleArrays(arrays: arrays, source: "\(count) samples given")
  }

  private static func array(of input: Value, in file: TensorFile) throws(PackError) -> InputArray {
    let place = "tensor \(input.name)"
    guard let tensor = file.tensors[input.name] else {
      let names = file.tensors.keys.sorted().joined(separator: ", ")
      throw PackError(
        .data, file: file.path, place: place, "missing; the file has \(names.isEmpty ? "no arrays" : names)")
    }
    let fits =
      tensor.shape.count == input.shape.count
      && zip(tensor.shape, input.shape).dropFirst().allSatisfy { size, dimension in
        if case .fixed(let wanted) = dimension { size == wanted } else { size > 0 }
      }
    guard fits else {
      let wanted = input.shape.enumerated().map { position, dimension in
        if position == 0 { return "samples" }
        if case .fixed(let size) = dimension { return "\(size)" }
        return "any"
      }
      throw PackError(
        .data, file: file.path, place: place,
        "shape \(tensor.shape), the model's input is [\(wanted.joined(separator: ", "))]")
    }
    if input.elementType == .float32 {
      return InputArray(
        name: input.name, floats: try file.floats(input.name, shape: tensor.shape), shape: tensor.shape)
    }
    let integers = try file.integers(input.name).values
    guard let narrow = exact(integers) else {
      throw PackError(.data, file: file.path, place: place, "a number does not fit 32 bits")
    }
    return InputArray(name: input.name, integers: narrow, shape: tensor.shape)
  }

  private static func exact(_ values: [Int64]) -> [Int32]? {
    let narrow = values.compactMap { Int32(exactly: $0) }
    return narrow.count == values.count ? narrow : nil
  }
}
