import SoniqGraph

/// One vector of a sequence.
extension EncoderGraph {
  mutating func sentence(_ modules: SentenceModules, _ hidden: ValueID) throws(PackError) -> ValueID {
    guard let mask else {
      throw PackError(.data, place: "modules.json", "pools an encoder that takes no tokens")
    }
    var vectors: [ValueID] = []
    for pooling in modules.poolings { vectors.append(try pool(pooling, hidden, mask)) }
    var vector = vectors[0]
    if vectors.count > 1 { vector = try draft.tensor(.concatenate(axis: 1), vectors, name: "pooling") }
    for (index, stage) in modules.stages.enumerated() {
      switch stage {
      case .dense(let weights, let function):
        let name = "dense.\(index)"
        guard weights.inputs == inputs(of: vector) else {
          throw PackError(
            .data, file: folder.path + "/modules.json", place: "module Dense",
            "takes \(weights.inputs) numbers, the vector has \(inputs(of: vector))")
        }
        vector = add(weights, name, vector)
        if let function { vector = self.function(function, name + ".activation", vector) }
      case .normalize:
        vector = node("normalize", .l2Normalize(epsilon: 1e-12), [vector], shape(vector))
      }
    }
    return vector
  }

  private mutating func pool(
    _ pooling: SentenceModules.Pooling, _ hidden: ValueID, _ mask: ValueID
  ) throws(PackError) -> ValueID {
    let name = "pooling"
    let vector = [shape(hidden)[0], shape(hidden)[2]]
    switch pooling {
    case .mean: return node(name, .meanPool, [hidden, mask], vector)
    case .first: return try row(0, of: hidden, name)
    case .last:
      let places = try maskedPlaces(mask, name)
      return try row(of: hidden, largest: places, name)
    case .maximum:
      let kept = try tensor(name + ".kept", .reshape(shape(mask) + [.fixed(1)]), mask)
      let least = number(name + ".least", Float(-1e9))
      let states = try tensor(name + ".states", .select, kept, hidden, least)
      return try tensor(name, .reduce(.maximum, axes: [1], keepsDimensions: false), states)
    case .meanOfRoot:
      let count = try sum(of: try real(try isMasked(mask, name), name), name + ".count")
      let root = try tensor(name + ".root", .unary(.squareRoot), try atLeast(count, name))
      let mean = node(name + ".mean", .meanPool, [hidden, mask], vector)
      return try tensor(name, .binary(.multiply), mean, root)
    case .weightedMean:
      let weights = try real(try maskedPlaces(mask, name), name)
      let column = try tensor(name + ".weights", .reshape(shape(mask) + [.fixed(1)]), weights)
      let states = try tensor(name + ".states", .binary(.multiply), hidden, column)
      let sum = try tensor(name + ".sum", .reduce(.sum, axes: [1], keepsDimensions: false), states)
      return try tensor(
        name, .binary(.divide), sum, try atLeast(try self.sum(of: weights, name + ".total"), name))
    }
  }

  /// The row where a whole number [B,S] is largest, which is one of each sequence: the mean of that row alone.
  mutating func row(of hidden: ValueID, largest places: ValueID, _ name: String) throws(PackError) -> ValueID
  {
    let numbers = try real(places, name)
    let last = try tensor(
      name + ".last", .reduce(.maximum, axes: [1], keepsDimensions: true), numbers)
    let isLast = try tensor(name + ".is_last", .binary(.equal), numbers, last)
    return node(name, .meanPool, [hidden, isLast], [shape(hidden)[0], shape(hidden)[2]])
  }

  /// The number of each position, counted from 1, and 0 where the mask hides it.
  private mutating func maskedPlaces(_ mask: ValueID, _ name: String) throws(PackError) -> ValueID {
    let positions = node(name + ".positions", .positions, [mask], shape(mask), type: .int32)
    let places = try tensor(name + ".places", .binary(.add), positions, number(name + ".one", 1))
    return try tensor(name + ".masked", .binary(.multiply), places, try isMasked(mask, name))
  }

  /// 1 where the mask keeps a position, whatever number it has there, and 0 elsewhere.
  private mutating func isMasked(_ mask: ValueID, _ name: String) throws(PackError) -> ValueID {
    let hidden = try tensor(name + ".hidden", .unary(.not), mask)
    return try tensor(name + ".kept", .unary(.not), hidden)
  }

  mutating func real(_ value: ValueID, _ name: String) throws(PackError) -> ValueID {
    try tensor(name + ".real", .cast(.float32), value)
  }

  private mutating func sum(of value: ValueID, _ name: String) throws(PackError) -> ValueID {
    try tensor(name, .reduce(.sum, axes: [1], keepsDimensions: true), value)
  }

  private mutating func atLeast(_ value: ValueID, _ name: String) throws(PackError) -> ValueID {
    try tensor(name + ".divisor", .binary(.maximum), value, number(name + ".least", Float(1e-9)))
  }
}
