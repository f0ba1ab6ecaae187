import SoniqCore
import SoniqGraph

/// ONNX's own Attention (opsets 23 and 24), written out as exporters do: what the passes make one operation of. Keys and
/// values of earlier runs are tensors like others: inputs that are joined in front, and outputs.
extension OnnxConversion {
  mutating func standardAttention() throws(PackError) -> [ValueID] {
    let rank = draft.rank(try input(0))
    let heads = try [input(0), input(1), input(2)]
    guard rank == 3 || rank == 4, heads.allSatisfy({ draft.rank($0) == rank }) else {
      throw fault("queries, keys and values that are not all of 3 or of 4 dimensions")
    }
    let query = try headsFirst(heads[0], "q_num_heads")
    var (key, value) = (try headsFirst(heads[1], "kv_num_heads"), try headsFirst(heads[2], "kv_num_heads"))
    guard hasInput(4) == hasInput(5), !(hasInput(4) && hasInput(6)) else {
      throw fault("past_key without past_value, or with nonpad_kv_seqlen")
    }
    var past = Extent(0)
    if let pastKey = try optionalInput(4), let pastValue = try optionalInput(5) {
      guard draft.rank(pastKey) == 4, draft.rank(pastValue) == 4 else {
        throw fault("past_key or past_value that is not of 4 dimensions")
      }
      past = draft.extent(draft.shape(pastKey)[2])
      key = try apply("Concat", [pastKey, key], [.integer("axis", 2)])[0]
      value = try apply("Concat", [pastValue, value], [.integer("axis", 2)])[0]
    }
    guard case .fixed(let length) = draft.shape(query)[3], case .fixed(let count) = draft.shape(query)[1]
    else {
      throw fault("heads of dynamic number or size")
    }
    let allKeys = try repeated(key, to: count)
    let scale = node.real("scale", default: 1 / Float(length).squareRoot())
    var scores = try tensor(.matmul(transposesRight: false), query, transpose(allKeys, [0, 1, 3, 2]))
    scores = try binary(.multiply, scores, scalar(scale))
    var stages = [scores]
    let cap = node.real("softcap", default: 0)
    if cap > 0 {
      let bounded = try apply("Tanh", [binary(.divide, scores, scalar(cap))])[0]
      scores = try binary(.multiply, bounded, scalar(cap))
    }
    stages.append(scores)
    let terms = try hidingTerms(scores, past: past)
    for term in terms { scores = try binary(.add, scores, term) }
    stages.append(scores)
    var weights = try apply("Softmax", [scores], [.integer("axis", -1)])[0]
    if hasInput(3) || hasInput(6) {
      // Where all keys are hidden.
      weights = try tensor(.select, apply("IsNaN", [weights])[0], scalar(0), weights)
    }
    stages.append(weights)
    var result = try tensor(.matmul(transposesRight: false), weights, repeated(value, to: count))
    if rank == 3 {
      result = try transpose(result, [0, 2, 1, 3])
      let shape = draft.shape(result)
      guard let channels = draft.product(shape[2...]) else { throw fault("the size is too large") }
      result = try reshape(result, to: [draft.extent(shape[0]), draft.extent(shape[1]), channels])
    }
    let mode = node.integer("qk_matmul_output_mode", default: 0)
    guard stages.indices.contains(mode) else { throw fault("qk_matmul_output_mode \(mode)") }
    return [result, key, value, stages[mode]]
  }

  /// [batch, length, heads * size] as [batch, heads, length, size]; a value of 4 dimensions as it is.
  mutating func headsFirst(_ value: ValueID, _ attribute: String) throws(PackError) -> ValueID {
    let shape = draft.shape(value)
    guard shape.count == 3 else { return value }
    let heads = node.integer(attribute, default: 0)
    guard heads > 0, case .fixed(let channels) = shape[2], channels % heads == 0 else {
      throw fault("\(attribute) \(heads) of \(draft.words(shape))")
    }
    let whole = try reshape(
      value, to: [draft.extent(shape[0]), draft.extent(shape[1]), Extent(heads), Extent(channels / heads)])
    return try transpose(whole, [0, 2, 1, 3])
  }

  /// Each of fewer heads for several queries' heads.
  mutating func repeated(_ value: ValueID, to heads: Int) throws(PackError) -> ValueID {
    let shape = draft.shape(value)
    guard case .fixed(let own) = shape[1], own > 0, heads % own == 0 else {
      throw fault("\(heads) heads of queries for \(draft.words(shape)) of keys or values")
    }
    guard own != heads else { return value }
    let extents = shape.map { draft.extent($0) }
    let wide = try reshape(value, to: [extents[0], extents[1], Extent(1), extents[2], extents[3]])
    let target = [shape[0], .fixed(own), .fixed(heads / own), shape[2], shape[3]]
    return try reshape(expand(wide, to: target), to: [extents[0], Extent(heads), extents[2], extents[3]])
  }

  /// What is added to scores [batch, heads, queries, keys]: the mask, and -infinity behind a query and behind the keys that are
  /// there.
  private mutating func hidingTerms(_ scores: ValueID, past: Extent) throws(PackError) -> [ValueID] {
    let shape = draft.shape(scores)
    var terms: [ValueID] = []
    if let mask = try optionalInput(3) { terms.append(try hiding(mask, keys: shape[3])) }
    let lengths = try optionalInput(6).map { value throws(PackError) in
      try reshape(value, to: [draft.extent(shape[0]), Extent(1), Extent(1), Extent(1)])
    }
    let windows = [
      node.integer("left_window_size", default: -1), node.integer("right_window_size", default: -1),
    ]
    guard node.flag("is_causal") || lengths != nil || windows.contains(where: { $0 >= 0 }) else {
      return terms
    }
    let places = try counted(draft.extent(shape[3]))
    if node.flag("is_causal") || windows.contains(where: { $0 >= 0 }) {
      let queries = draft.extent(shape[2])
      // Queries are the last of the keys that are there, or stand behind those of earlier runs.
      let first = if let lengths { try binary(.subtract, lengths, line(queries)) } else { line(past) }
      let positions = try binary(.add, reshape(counted(queries), to: [queries, Extent(1)]), first)
      if node.flag("is_causal") { terms.append(try hidden(unless: binary(.lessOrEqual, places, positions))) }
      for (side, window) in windows.enumerated() where window >= 0 {
        let width = integer(Int64(min(window, maximumDimension)))
        terms.append(
          try hidden(
            unless: side == 0
              ? binary(.greaterOrEqual, places, binary(.subtract, positions, width))
              : binary(.lessOrEqual, places, binary(.add, positions, width))))
      }
    }
    if let lengths { terms.append(try hidden(unless: binary(.less, places, lengths))) }
    return terms
  }

  mutating func hidden(unless condition: ValueID) throws(PackError) -> ValueID {
    try apply("Where", [condition, scalar(0), scalar(-.infinity)])[0]
  }

  /// 0, 1, 2, ...
  mutating func counted(_ count: Extent) throws(PackError) -> ValueID {
    let (zero, one) = (
      constant(KnownTensor(integers: [0], shape: [])), constant(KnownTensor(integers: [1], shape: []))
    )
    let end = constant(KnownTensor(shape: [], type: .int64, elements: .sizes([count])))
    return try apply("Range", [zero, end, one])[0]
  }

  mutating func line(_ size: Extent) -> ValueID {
    constant(KnownTensor(shape: [1], type: .int64, elements: .sizes([size])))
  }

  /// A mask of truth values or of terms; keys that it has not are hidden.
  private mutating func hiding(_ mask: ValueID, keys: Dimension) throws(PackError) -> ValueID {
    let isTruth = draft.values[mask].elementType == .int32
    let term = isTruth ? try hidden(unless: mask) : mask
    guard case .fixed(let count) = keys, case .fixed(let own)? = draft.shape(term).last, own < count, own > 1
    else { return term }
    var before = [Int](repeating: 0, count: draft.rank(term))
    let none = before
    before[before.count - 1] = count - own
    return try tensor(.pad(.constant, before: none, after: before, value: -.infinity), term)
  }
}
