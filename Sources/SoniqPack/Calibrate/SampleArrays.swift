import SoniqCore
package import SoniqGraph

/// Samples of every graph input; the first axis of each array counts them.
package struct SampleArrays: Sendable {
  package private(set) var arrays: [InputArray]
  package let source: String
  /// By array: its rows in each run, where the model fixes them.
  private let fixedLengths: [Int?]

  package var count: Int { arrays.first?.shape.first ?? 0 }

  /// * arrays: at least one, none of them empty.
  /// * fixedLengths: by array, the first size that the model fixes, if it does.
  /// - Returns: nil when the arrays hold neither as many samples each nor as many whole runs each.
  package init?(arrays: [InputArray], source: String, fixedLengths: [Int?]) {
    self.arrays = arrays
    self.source = source
    self.fixedLengths = fixedLengths
    guard hasCommonSamples || runCount != nil else { return nil }
  }

  /// Whether row i of every array belongs to sample i.
  private var hasCommonSamples: Bool {
    Set(arrays.map { $0.shape[0] }).count == 1 && Set(fixedLengths.compactMap { $0 }).count <= 1
  }

  /// The whole runs that every array holds; nil when they do not agree.
  private var runCount: Int? {
    var counts: Set<Int> = []
    for (array, length) in zip(arrays, fixedLengths) {
      guard let length else { continue }
      guard array.shape[0] % length == 0 else { return nil }
      counts.insert(array.shape[0] / length)
    }
    guard counts.count == 1, let runs = counts.first, arrays.allSatisfy({ $0.shape[0] % runs == 0 }) else {
      return nil
    }
    return runs
  }

  /// Rows of each array in a run.
  private func runLengths(maximumBatch: Int) -> [Int] {
    if !hasCommonSamples, let runs = runCount { return arrays.map { $0.shape[0] / runs } }
    let length = fixedLengths.lazy.compactMap { $0 }.first ?? min(max(1, maximumBatch), count)
    return [Int](repeating: length, count: arrays.count)
  }

  func runLength(of name: String, maximumBatch: Int) -> Int? {
    let lengths = runLengths(maximumBatch: maximumBatch)
    return arrays.firstIndex { $0.name == name }.map { lengths[$0] }
  }

  /// At most so many samples, or whole runs of them, spread evenly over all.
  func limited(to limit: Int) -> SampleArrays {
    guard count > limit, limit > 0 else { return self }
    var part = self
    if hasCommonSamples {
      let chosen = (0..<limit).map { $0 * count / limit }
      part.arrays = arrays.map { Self.rows(chosen, of: $0) }
    } else if let runs = runCount {
      let lengths = runLengths(maximumBatch: 1)
      let taken = min(runs, max(1, limit / (lengths.max() ?? 1)))
      part.arrays = zip(arrays, lengths).map { array, length in
        let chosen = (0..<taken).flatMap { run in (0..<length).map { run * runs / taken * length + $0 } }
        return Self.rows(chosen, of: array)
      }
    }
    return part
  }

  /// Where the model fixes the number of samples of a run, the last run is filled up with the first samples.
  func runs(maximumBatch: Int) -> [[InputArray]] {
    let lengths = runLengths(maximumBatch: maximumBatch)
    let isFixed = fixedLengths.contains { $0 != nil }
    return (0..<(count + lengths[0] - 1) / lengths[0]).map { run in
      zip(arrays, lengths).map { array, length in
        let begin = run * length
        let end = isFixed ? begin + length : min(count, begin + length)
        return Self.rows((begin..<end).map { $0 % array.shape[0] }, of: array)
      }
    }
  }

  private static func rows(_ samples: [Int], of array: InputArray) -> InputArray {
    let length = array.bytes.count / max(1, array.shape[0])
    var part = array
    part.shape[0] = samples.count
    part.bytes = samples.flatMap { array.bytes[$0 * length..<($0 + 1) * length] }
    return part
  }

  /// Reads one array a graph input from an .npz or .safetensors file, named as the inputs, or from an .npy file for a
  /// model of one input.
  ///
  /// * fullNames: names that the arrays of inputs may have in place of those of the graph.
  /// - Throws: `data` when an array is missing, or its shape or type does not fit the input.
  package static func read(
    path: String, graph: Graph, fullNames: [String: String] = [:]
  ) throws(PackError) -> SampleArrays {
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
    for input in inputs { arrays.append(try array(of: input, in: file, fullNames)) }
    let fixedLengths = inputs.map { input -> Int? in
      if case .fixed(let length) = input.shape[0] { length } else { nil }
    }
    guard let count = arrays.first?.shape.first, arrays.allSatisfy({ $0.shape[0] > 0 }),
      let samples = SampleArrays(arrays: arrays, source: "\(count) samples given", fixedLengths: fixedLengths)
    else {
      let counts = arrays.map { "\($0.name) has \($0.shape[0])" }.joined(separator: ", ")
      throw PackError(
        .data, file: path,
        "the arrays must have as many samples each, at least one: \(counts.isEmpty ? "there is none" : counts)"
      )
    }
    return samples
  }

  private static func array(
    of input: Value, in file: TensorFile, _ fullNames: [String: String]
  ) throws(PackError) -> InputArray {
    let place = "tensor \(input.name)"
    let stored = file.tensors[input.name] == nil ? fullNames[input.name] ?? input.name : input.name
    guard let tensor = file.tensors[stored] else {
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
    func array<Element: BitwiseCopyable>(_ elements: [Element]) -> InputArray {
      InputArray(name: input.name, input.elementType, elements, shape: tensor.shape)
    }
    func exact<Element: FixedWidthInteger & BitwiseCopyable>(
      _ type: Element.Type
    ) throws(PackError) -> InputArray {
      let values = try file.integers(stored).values
      let narrow = values.compactMap { Element(exactly: $0) }
      guard narrow.count == values.count else {
        throw PackError(.data, file: file.path, place: place, "a number does not fit \(input.elementType)")
      }
      return array(narrow)
    }
    switch input.elementType {
    case .float32: return array(try file.floats(stored, shape: tensor.shape))
    case .float16: return array(try file.floats(stored, shape: tensor.shape).map { Binary16.bits($0) })
    case .int32: return try exact(Int32.self)
    case .int8: return try exact(Int8.self)
    case .uint8: return try exact(UInt8.self)
    }
  }
}
