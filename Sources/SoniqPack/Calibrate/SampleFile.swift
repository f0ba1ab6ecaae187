import SoniqCore
package import SoniqGraph

// Samples in files: one array an input.

extension SampleArrays {
  /// Reads one array a graph input from an .npz or .safetensors file, named as the inputs, or from an .npy file for a
  /// model of one input.
  ///
  /// * fullNames: names that the arrays of inputs may have in place of those of the graph.
  /// * takesOptional: also arrays of inputs that need none, where the file has them.
  /// - Throws: `data` when an array is missing, or its shape or type does not fit the input.
  package static func read(
    path: String, graph: Graph, fullNames: [String: String] = [:], takesOptional: Bool = false
  ) throws(PackError) -> SampleArrays {
    let required = graph.inputs.filter { $0.fill == nil }.map { graph.values[$0.value] }
    let file = try openFile(path, required)
    func stored(_ input: Value) -> String {
      file.tensors[input.name] == nil ? fullNames[input.name] ?? input.name : input.name
    }
    let optional = graph.inputs.filter { takesOptional && $0.fill != nil }.map { graph.values[$0.value] }
    let inputs = required + optional.filter { file.tensors[stored($0)] != nil }
    let areWholeRuns = inputs.contains {
      file.tensors[stored($0)].map(\.shape.count) == $0.shape.count + 1
    }
    var arrays: [InputArray] = []
    for input in inputs {
      arrays.append(try array(of: input, stored(input), in: file, areWholeRuns: areWholeRuns))
    }
    let fixedLengths = inputs.map { input -> Int? in
      if case .fixed(let length) = input.shape[0] { length } else { nil }
    }
    guard let count = arrays.first?.shape.first, arrays.allSatisfy({ $0.shape[0] > 0 }),
      let samples = SampleArrays(
        arrays: arrays, source: "\(count) \(areWholeRuns ? "runs" : "samples") given",
        fixedLengths: fixedLengths, areWholeRuns: areWholeRuns)
    else {
      let counts = arrays.map { "\($0.name) has \($0.shape[0])" }.joined(separator: ", ")
      let unit = areWholeRuns ? "runs" : "samples"
      throw PackError(
        .data, file: path,
        "the arrays must have as many \(unit) each, at least one: \(counts.isEmpty ? "there is none" : counts)"
      )
    }
    return samples
  }

  private static func openFile(_ path: String, _ inputs: [Value]) throws(PackError) -> TensorFile {
    guard path.hasSuffix(".npy") else {
      return path.hasSuffix(".npz") ? try .numpyArchive(path: path) : try .safetensors(path: path)
    }
    guard inputs.count == 1 else {
      let names = inputs.map(\.name).joined(separator: ", ")
      throw PackError(
        .data, file: path,
        "the model has \(inputs.count) inputs (\(names)): give an .npz file with one array each")
    }
    return try TensorFile.numpyArray(path: path, name: inputs[0].name)
  }

  /// The shape of an array that fits its input, and nil for one that does not. A run of a single number may lack the axis
  /// of that number.
  private static func shape(of array: [Int], for input: Value, areWholeRuns: Bool) -> [Int]? {
    guard areWholeRuns else {
      return fits(array.dropFirst(), input.shape.dropFirst()) && !array.isEmpty ? array : nil
    }
    if array.count == 1, input.shape == [.fixed(1)] { return array + [1] }
    return fits(array.dropFirst(), input.shape[...]) ? array : nil
  }

  private static func fits(_ sizes: ArraySlice<Int>, _ dimensions: ArraySlice<Dimension>) -> Bool {
    sizes.count == dimensions.count
      && zip(sizes, dimensions).allSatisfy { size, dimension in
        if case .fixed(let wanted) = dimension { size == wanted } else { size > 0 }
      }
  }

  private static func array(
    of input: Value, _ stored: String, in file: TensorFile, areWholeRuns: Bool
  ) throws(PackError) -> InputArray {
    let place = "tensor \(input.name)"
    guard let tensor = file.tensors[stored] else {
      let names = file.tensors.keys.sorted().joined(separator: ", ")
      throw PackError(
        .data, file: file.path, place: place, "missing; the file has \(names.isEmpty ? "no arrays" : names)")
    }
    guard let shape = shape(of: tensor.shape, for: input, areWholeRuns: areWholeRuns) else {
      let sizes = input.shape.map { dimension in
        if case .fixed(let size) = dimension { "\(size)" } else { "any" }
      }
      let wanted = areWholeRuns ? ["runs"] + sizes : ["samples"] + sizes.dropFirst()
      throw PackError(
        .data, file: file.path, place: place,
        "shape \(tensor.shape), the model's input is [\(wanted.joined(separator: ", "))]")
    }
    func array<Element: BitwiseCopyable>(_ elements: [Element]) -> InputArray {
      InputArray(name: input.name, input.elementType, elements, shape: shape)
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
