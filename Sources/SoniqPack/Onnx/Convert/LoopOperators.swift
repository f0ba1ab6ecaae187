import SoniqGraph

/// Loop and Scan, whose bodies are put one behind the other, as often as they run.
extension OnnxConversion {
  mutating func loop() throws(PackError) -> [ValueID] {
    let body = try body(attribute: "body")
    let carried = inputCount - 2
    guard carried >= 0 else { throw fault("it has \(inputCount) inputs; 2 are the least") }
    let scanned = body.outputs.count - 1 - carried
    guard scanned >= 0, body.inputs.count == carried + 2 else {
      throw fault(
        "its body has \(body.inputs.count) inputs and \(body.outputs.count) outputs, \(carried) values go around"
      )
    }
    try requireOutputs(carried + scanned)
    let rounds = try rounds(limit: try knownRounds())
    var values: [ValueID] = []
    for index in 0..<carried { values.append(try input(index + 2)) }
    var goesOn = try truth(optionalInput(1), "condition")
    let name = node.name
    var stacks = [[ValueID]](repeating: [], count: scanned)
    try withConstants(of: body) { conversion throws(PackError) in
      var round = 0
      while goesOn, rounds.map({ round < $0 }) ?? true {
        try conversion.requireRoom(round)
        let counter = conversion.constant(KnownTensor(integers: [Int64(round)], shape: []))
        let going = conversion.constant(
          KnownTensor(shape: [], type: .bool, elements: .integers([1])))
        let results = try conversion.convertBody(
          body, prefix: "\(name)/\(round)/", inputs: [counter, going] + values)
        goesOn = try conversion.truth(results[0], "condition of another round")
        values = Array(results[1..<carried + 1])
        for index in 0..<scanned { stacks[index].append(results[carried + 1 + index]) }
        round += 1
      }
    }
    for (index, stack) in stacks.enumerated() {
      values.append(try stacked(stack, axis: 0, as: body.outputs[carried + 1 + index]))
    }
    return values
  }

  mutating func scan() throws(PackError) -> [ValueID] {
    guard opset >= 9 else { throw fault("Scan of opset 8") }
    let body = try body(attribute: "body")
    guard let scanInputs = node.integer("num_scan_inputs"), (1...inputCount).contains(scanInputs) else {
      throw fault("its num_scan_inputs is missing or more than its inputs")
    }
    let states = inputCount - scanInputs
    let scanned = body.outputs.count - states
    guard scanned >= 0 else { throw fault("its body has \(body.outputs.count) outputs and \(states) states") }
    try requireOutputs(states + scanned)
    var values: [ValueID] = []
    for index in 0..<states { values.append(try input(index)) }
    let lists = try scanLists(inputs: scanInputs, outputs: scanned)
    var rows: [(value: ValueID, axis: Int)] = []
    var count: Int?
    for index in 0..<scanInputs {
      let value = try input(states + index)
      let axis = try axis(lists.inputAxes[index], rank: onnxShape(value).count)
      guard case .fixed(let size) = onnxShape(value)[axis] else {
        throw fault(
          "the length of what it goes through, \(draft.words(onnxShape(value))), is dynamic; fix it with --shape"
        )
      }
      guard count ?? size == size else { throw fault("it goes through lengths of \(count ?? 0) and \(size)") }
      count = size
      rows.append((value, axis))
    }
    let rounds = try rounds(limit: count) ?? 0
    let name = node.name
    var stacks = [[ValueID]](repeating: [], count: scanned)
    try withConstants(of: body) { conversion throws(PackError) in
      for round in 0..<rounds {
        try conversion.requireRoom(round)
        var inputs = values
        for (index, row) in rows.enumerated() {
          let place = lists.inputDirections[index] == 1 ? rounds - 1 - round : round
          inputs.append(try conversion.row(row.value, at: place, axis: row.axis))
        }
        let results = try conversion.convertBody(body, prefix: "\(name)/\(round)/", inputs: inputs)
        values = Array(results[..<states])
        for index in 0..<scanned { stacks[index].append(results[states + index]) }
      }
    }
    for (index, stack) in stacks.enumerated() {
      let ordered = lists.outputDirections[index] == 1 ? stack.reversed() : stack
      values.append(
        try stacked(ordered, axis: lists.outputAxes[index], as: body.outputs[states + index]))
    }
    return values
  }

  private struct ScanLists {
    var inputAxes: [Int]
    var inputDirections: [Int]
    var outputAxes: [Int]
    var outputDirections: [Int]
  }

  private func scanLists(inputs: Int, outputs: Int) throws(PackError) -> ScanLists {
    func list(_ name: String, _ count: Int) throws(PackError) -> [Int] {
      guard let list = node.integers(name), !list.isEmpty else { return [Int](repeating: 0, count: count) }
      guard list.count == count else { throw fault("\(name) of \(list.count) numbers, \(count) are needed") }
      return list
    }
    return ScanLists(
      inputAxes: try list("scan_input_axes", inputs),
      inputDirections: try list("scan_input_directions", inputs),
      outputAxes: try list("scan_output_axes", outputs),
      outputDirections: try list("scan_output_directions", outputs))
  }

  private func requireOutputs(_ count: Int) throws(PackError) {
    guard node.outputs.count <= count else {
      throw fault("it has \(node.outputs.count) outputs, its body makes \(count)")
    }
  }

  /// How often a loop goes around at most; nil where only its condition ends it.
  private mutating func knownRounds() throws(PackError) -> Int? {
    guard let value = try optionalInput(0) else { return nil }
    guard let known = draft.known(value), known.count == 1 else {
      throw fault("the number of its rounds is computed at run time; \(Self.remedy)")
    }
    guard let count = known.integers?.first else {
      throw fault("the number of its rounds depends on a dynamic size; \(Self.remedy)")
    }
    return Int(max(0, count))
  }

  private static let remedy = "fix what it follows from with --shape or --value"

  private func rounds(limit count: Int?) throws(PackError) -> Int? {
    if let count, count > maximumRounds {
      throw fault("\(count) rounds; \(maximumRounds) are unrolled at most, --rounds allows more")
    }
    return count
  }

  /// - Throws: when another round is one too many.
  fileprivate func requireRoom(_ round: Int) throws(PackError) {
    guard round < maximumRounds else {
      throw fault("more than \(maximumRounds) rounds; --rounds allows more")
    }
    guard draft.nodes.count <= OnnxGraph.maximumNodes else {
      throw fault("unrolled, \(round) rounds have made more than \(OnnxGraph.maximumNodes) nodes")
    }
  }

  /// Whether a value is true; one that is not given is.
  fileprivate func truth(_ value: ValueID?, _ what: String) throws(PackError) -> Bool {
    guard let value else { return true }
    guard let truth = draft.known(value)?.integers, truth.count == 1 else {
      throw fault("its \(what) is computed at run time; \(Self.remedy)")
    }
    return truth[0] != 0
  }

  /// The part of a tensor at a place of an axis, without the axis.
  fileprivate mutating func row(_ value: ValueID, at place: Int, axis: Int) throws(PackError) -> ValueID {
    let index = constant(KnownTensor(integers: [Int64(place)], shape: []))
    if draft.known(value) != nil { return try tensor(.gather(axis: axis), value, index) }
    var shape = onnxShape(value)
    let cut = try slice(value, axis: axis, begin: place, step: 1, count: 1)
    shape.remove(at: axis)
    return try reshape(cut, to: shape.map { draft.extent($0) })
  }

  /// Values of one shape as one tensor with an axis more.
  /// * output: of the body; a scalar that a run computes has become [1].
  private mutating func stacked(
    _ values: [ValueID], axis place: Int, as output: ValueInfoProto
  ) throws(PackError) -> ValueID {
    guard let first = values.first else {
      throw fault("it goes around 0 times, so that its outputs have no elements")
    }
    let isScalar = output.type.tensorType.hasShape && output.type.tensorType.shape.dim.isEmpty
    let axis = try axis(place, rank: isScalar ? 1 : onnxShape(first).count + 1)
    var parts: [ValueID] = []
    for value in values {
      var shape = isScalar ? [] : onnxShape(value).map { draft.extent($0) }
      shape.insert(Extent(1), at: axis)
      parts.append(try reshape(value, to: shape))
    }
    return try concatenate(parts, axis: axis)
  }
}
