import SoniqCore
import SoniqGraph

/// Attention as com.microsoft has it, written out as exporters do: what the passes make one operation of.
extension OnnxConversion {
  mutating func attention() throws(PackError) -> [ValueID] {
    guard !node.flag("past_present_share_buffer") else { throw fault("past_present_share_buffer") }
    return try joinedAttention(
      input(0), input(1), bias: optionalInput(2), mask: optionalInput(3), past: optionalInput(4),
      added: optionalInput(5))
  }

  /// Attention whose query, key and value come from one product.
  /// * past: keys and values of earlier runs, [2, batch, heads, length, size]; the second output has the new ones too.
  mutating func joinedAttention(
    _ source: ValueID, _ weights: ValueID, bias: ValueID?, mask: ValueID?, past: ValueID? = nil,
    added: ValueID?
  ) throws(PackError) -> [ValueID] {
    guard draft.rank(source) == 3, let known = draft.known(weights), known.shape.count == 2 else {
      throw fault("its weights are no constant matrix, or its input is not [batch, length, channels]")
    }
    guard !node.flag("do_rotary") else { throw fault("do_rotary") }
    let third = known.shape[1] / 3
    let sizes = node.integers("qkv_hidden_sizes") ?? [third, third, third]
    guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 }), sizes[0] == sizes[1],
      sizes.reduce(0, +) == known.shape[1]
    else { throw fault("sizes \(sizes) of weights \(known.shape)") }
    var merged = try apply("MatMul", [source, weights])[0]
    if let bias { merged = try binary(.add, merged, bias) }
    var parts: [ValueID] = []
    var begin = 0
    for size in sizes {
      parts.append(try slice(merged, axis: 2, begin: begin, step: 1, count: size))
      begin += size
    }
    var earlier: [ValueID] = []
    if let past {
      guard draft.rank(past) == 5, draft.shape(past)[0] == .fixed(2) else {
        throw fault("past \(draft.words(draft.shape(past)))")
      }
      for index in 0...1 {
        let half = try slice(past, axis: 0, begin: index, step: 1, count: 1)
        earlier.append(try reshape(half, to: draft.shape(past).dropFirst().map { draft.extent($0) }))
      }
    }
    let results = try attention(
      parts, past: earlier, mask: mask, added: added, isCausal: node.flag("unidirectional"))
    guard node.outputs.count > 1 else { return [results[0]] }
    let present = try results.dropFirst().map { value throws(PackError) in
      try reshape(value, to: [Extent(1)] + draft.shape(value).map { draft.extent($0) })
    }
    return [results[0]] + (try apply("Concat", present, [.integer("axis", 0)]))
  }

  mutating func multiHeadAttention() throws(PackError) -> [ValueID] {
    guard hasInput(6) == hasInput(7) else { throw fault("past_key without past_value, or the other way") }
    guard node.outputs.dropFirst(3).allSatisfy(\.isEmpty), !hasInput(8), !hasInput(9) else {
      throw fault("a cache of several beams (cache_indirection), or the output of the scores (qk)")
    }
    var parts = [try input(0)]
    guard hasInput(1), hasInput(2) else { throw fault("packed queries, keys and values") }
    parts += [try input(1), try input(2)]
    guard parts.allSatisfy({ draft.rank($0) == 3 }) else {
      throw fault("operands that are not of 3 dimensions")
    }
    if let bias = try knownInput(3, "bias") {
      var begin = 0
      for index in parts.indices {
        guard case .fixed(let size)? = draft.shape(parts[index]).last, let floats = bias.floats,
          begin + size <= floats.count
        else { throw fault("its bias does not fit") }
        let own = KnownTensor(floats: Array(floats[begin..<begin + size]), shape: [size])
        parts[index] = try binary(.add, parts[index], constant(own))
        begin += size
      }
    }
    var past: [ValueID] = []
    if let keys = try optionalInput(6), let values = try optionalInput(7) { past = [keys, values] }
    return try attention(
      parts, past: past, mask: optionalInput(4), added: optionalInput(5),
      isCausal: node.flag("unidirectional"))
  }

  /// softmax(q k^T * scale + added, hidden where the mask is 0) v.
  /// * parts: query, key and value, [batch, length, heads * size].
  /// * past: keys and values of earlier runs, [batch, heads, length, size], or none.
  /// - Returns: that, and all keys and values.
  private mutating func attention(
    _ parts: [ValueID], past: [ValueID], mask: ValueID?, added: ValueID?, isCausal: Bool
  ) throws(PackError) -> [ValueID] {
    let heads = node.integer("num_heads", default: 0)
    guard heads > 0 else { throw fault("num_heads is missing") }
    var split: [ValueID] = []
    for part in parts { split.append(try headsFirst(part, heads)) }
    guard case .fixed(let length) = draft.shape(split[0])[3] else { throw fault("a dynamic size of a head") }
    for (index, earlier) in past.enumerated() {
      guard draft.rank(earlier) == 4 else {
        throw fault("past keys or values \(draft.words(draft.shape(earlier)))")
      }
      split[1 + index] = try apply("Concat", [earlier, split[1 + index]], [.integer("axis", 2)])[0]
    }
    let stated = node.real("scale", default: 0)
    let scale = stated == 0 ? 1 / Float(length).squareRoot() : stated
    var scores = try binary(
      .multiply,
      tensor(.matmul(transposesRight: false), split[0], transpose(split[1], [0, 1, 3, 2])), scalar(scale))
    if let added { scores = try binary(.add, scores, added) }
    if isCausal { scores = try binary(.add, scores, causalTerms(scores, past: past.first)) }
    if let mask { scores = try masked(scores, mask) }
    let weights = try apply("Softmax", [scores], [.integer("axis", -1)])[0]
    let context = try transpose(tensor(.matmul(transposesRight: false), weights, split[2]), [0, 2, 1, 3])
    let shape = draft.shape(context)
    guard let channels = draft.product(shape[2...]) else { throw fault("the size is too large") }
    let result = try reshape(context, to: [draft.extent(shape[0]), draft.extent(shape[1]), channels])
    return [result, split[1], split[2]]
  }

  /// [batch, length, heads * size] as [batch, heads, length, size].
  private mutating func headsFirst(_ value: ValueID, _ heads: Int) throws(PackError) -> ValueID {
    let shape = draft.shape(value)
    guard shape.count == 3, case .fixed(let channels) = shape[2], channels % heads == 0 else {
      throw fault("\(heads) heads of \(draft.words(shape))")
    }
    let whole = try reshape(
      value, to: [draft.extent(shape[0]), draft.extent(shape[1]), Extent(heads), Extent(channels / heads)])
    return try transpose(whole, [0, 2, 1, 3])
  }

  /// Hides keys by a mask int32 [batch, keys], or one that an operator put out as lengths.
  private mutating func masked(_ scores: ValueID, _ mask: ValueID) throws(PackError) -> ValueID {
    let mask = masksOfLengths[mask] ?? mask
    let shape = draft.shape(mask)
    guard shape.count == 2, draft.values[mask].elementType == .int32, shape[1] == draft.shape(scores)[3]
    else {
      if shape.count == 2 { draft.requireEqual(shape[1], draft.shape(scores)[3]) }
      throw fault("a mask \(draft.words(shape)); int32 [batch, keys] is supported")
    }
    let wide = try reshape(mask, to: [draft.extent(shape[0]), Extent(1), Extent(1), draft.extent(shape[1])])
    let hidden = try binary(.multiply, binary(.subtract, scalar(1), real(wide)), scalar(hiding))
    return try binary(.add, scores, hidden)
  }

  private var hiding: Float { min(node.real("mask_filter_value", default: -10_000), -10_000) }

  /// What hides the keys behind each query, of which the first stands behind those of earlier runs.
  private mutating func causalTerms(_ scores: ValueID, past: ValueID?) throws(PackError) -> ValueID {
    let shape = draft.shape(scores)
    if past == nil, case .fixed(let size) = shape[3], shape[2] == .fixed(size),
      knownCount([size, size]) != nil
    {
      let numbers = (0..<size * size).map { $0 % size > $0 / size ? hiding : 0 }
      return constant(KnownTensor(floats: numbers, shape: [1, 1, size, size]))
    }
    let queries = draft.extent(shape[2])
    guard let before = draft.extent(shape[3]).minus(queries) else { throw fault("the size is too large") }
    let own = try reshape(binary(.add, counted(queries), line(before)), to: [queries, Extent(1)])
    return try hidden(unless: binary(.lessOrEqual, counted(draft.extent(shape[3])), own))
  }
}
