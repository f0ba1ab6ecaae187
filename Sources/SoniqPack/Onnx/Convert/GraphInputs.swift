import SoniqGraph

extension OnnxConversion {
  /// What exporters write in place of a name; two such sizes need not be equal.
  private static let placeholders: Set<String> = ["", "?", "-1", "*", "None"]

  /// * equal: names of sizes that operations of the graph need to be one size.
  mutating func addInputs(
    _ inputs: [ValueInfoProto], _ options: OnnxOptions, equal: EqualSizes
  ) throws(PackError) {
    var symbols: [String: Int] = [:]
    let fixed = fixedNames(inputs, options)
    for info in inputs {
      func fail(_ message: String) -> PackError {
        PackError(.data, file: file.path, place: "input \(info.name)", message)
      }
      guard info.type.hasTensorType, let type = OnnxType(rawValue: info.type.tensorType.elemType) else {
        throw fail("elements of type \(OnnxType.name(info.type.tensorType.elemType)) are not supported")
      }
      let given = options.shapes[info.name]
      if let numbers = options.values[info.name] {
        try fixInput(info, type, to: numbers, shape: given)
        continue
      }
      guard info.type.tensorType.hasShape || given != nil else {
        throw fail("it has no shape; give one with --shape \(info.name)=...")
      }
      let dimensions = info.type.tensorType.shape.dim
      if let given, info.type.tensorType.hasShape, given.count != dimensions.count {
        throw fail("--shape gives \(given.count) dimensions, the model has \(dimensions.count)")
      }
      var shape: [Dimension] = []
      for axis in 0..<(given?.count ?? dimensions.count) {
        let stated = axis < dimensions.count ? dimensions[axis] : DimensionProto()
        if let size = given?[axis] {
          guard !stated.hasDimValue || stated.dimValue == Int64(size) || stated.dimValue <= 0 else {
            throw fail("--shape gives size \(size) for axis \(axis), the model has \(stated.dimValue)")
          }
          shape.append(.fixed(size))
        } else if stated.hasDimValue, stated.dimValue > 0 {
          guard stated.dimValue <= Int64(maximumDimension) else {
            throw fail("size \(stated.dimValue) is not possible")
          }
          shape.append(.fixed(Int(stated.dimValue)))
        } else {
          let name = Self.name(of: stated, axis, info.name)
          let size =
            fixed[name].map { .fixed($0) }
            ?? dynamic(name, isFirst: axis == 0, options, equal, &symbols)
          shape.append(size)
        }
      }
      guard shape.count <= maximumRank else {
        throw fail("\(shape.count) dimensions; \(maximumRank) are the most")
      }
      try addInput(info.name, type, shape)
    }
    try requireKnownNames(options, inputs.map(\.name), symbols: symbols)
  }

  /// A size that no option fixes: a number where operations need it, else the symbol of its name.
  /// * symbols: of the names so far.
  private mutating func dynamic(
    _ name: String, isFirst: Bool, _ options: OnnxOptions, _ equal: EqualSizes, _ symbols: inout [String: Int]
  ) -> Dimension {
    if let number = equal.number(of: name) {
      let remark = "the size \(name) is \(number): operations of the model need it"
      if !draft.remarks.contains(remark) { draft.remarks.append(remark) }
      return .fixed(number)
    }
    let first = equal.first(of: name)
    let open = options.openSizes
    let maximum = isFirst ? open.first : open.other
    let index = symbols[first] ?? draft.symbols.count
    let given = equal.maximum(of: first, options.maximums)
    if index == draft.symbols.count {
      draft.symbols.append(
        Symbol(name: first, maximum: given ?? maximum, isOpen: given == nil && open != .least))
    } else if symbols[name] == nil, given == nil {
      draft.symbols[index].maximum = min(draft.symbols[index].maximum, maximum)
    }
    symbols[first] = index
    symbols[name] = index
    return .symbol(index)
  }

  private static func name(of dimension: DimensionProto, _ axis: Int, _ input: String) -> String {
    placeholders.contains(dimension.dimParam) ? "\(input).\(axis)" : dimension.dimParam
  }

  /// Sizes by the name that the model has for them, where --shape fixes one for an input: other inputs have it too. One
  /// for which it says two numbers is left to the inputs that it names.
  private func fixedNames(_ inputs: [ValueInfoProto], _ options: OnnxOptions) -> [String: Int] {
    var sizes: [String: Set<Int>] = [:]
    for info in inputs {
      for (axis, (stated, given)) in zip(info.type.tensorType.shape.dim, options.shapes[info.name] ?? [])
        .enumerated()
      {
        guard let given, stated.dimValue <= 0 else { continue }
        sizes[Self.name(of: stated, axis, info.name), default: []].insert(given)
      }
    }
    return sizes.compactMapValues { $0.count == 1 ? $0.first : nil }
  }

  private mutating func addInput(_ inputName: String, _ type: OnnxType, _ shape: [Dimension])
    throws(PackError)
  {
    // Names of Hugging Face: all positions count, all are of the first kind.
    let fills: [String: Int32] = ["attention_mask": 1, "token_type_ids": 0]
    let fill = type.isFloat ? nil : fills[inputName]
    // Only int32 has fills.
    let narrow = fill == nil ? type.narrow : nil
    let value = draft.value(
      inputName, narrow ?? (type.isFloat ? .float32 : .int32), shape.isEmpty ? [.fixed(1)] : shape)
    draft.inputs.append(GraphInput(value: value, fill: fill))
    statedTypes[inputName] = type
    name(inputName, try widened(value, name: inputName))
  }

  /// - Throws: `usage` for a shape, value or maximum of something that the model does not have.
  private func requireKnownNames(
    _ options: OnnxOptions, _ names: [String], symbols: [String: Int]
  ) throws(PackError) {
    let given = [("--shape", Array(options.shapes.keys)), ("--value", Array(options.values.keys))]
    for (option, keys) in given {
      if let name = keys.sorted().first(where: { !names.contains($0) }) {
        throw PackError(
          .usage, place: "\(option) \(name)",
          "the model has no such input; it has \(names.joined(separator: ", "))")
      }
    }
    if let name = options.maximums.keys.sorted().first(where: { symbols[$0] == nil }) {
      let known = symbols.keys.sorted().joined(separator: ", ")
      throw PackError(
        .usage, place: "--maximum \(name)",
        "no input has such a dynamic size" + (known.isEmpty ? "; all are fixed" : "; there are \(known)"))
    }
  }
}
