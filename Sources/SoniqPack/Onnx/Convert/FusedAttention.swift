import SoniqCore
import SoniqGraph

/// Attention as com.microsoft has it, written out as exporters do: what the passes make one operation of.
extension OnnxConversion {
  mutating func attention() throws(PackError) -> [ValueID] {
    guard !hasInput(4), node.outputs.dropFirst().allSatisfy(\.isEmpty) else {
      throw fault("it keeps keys and values of earlier runs (past, present)")
    }
    return try joinedAttention(
      input(0), input(1), bias: optionalInput(2), mask: optionalInput(3), added: optionalInput(5))
  }

  /// Attention whose query, key and value come from one product.
  mutating func joinedAttention(
    _ source: ValueID, _ weights: ValueID, bias: ValueID?, mask: ValueID?, added: ValueID?
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
    return [
      try attention(
        parts, mask: mask, added: added, isCausal: node.flag("unidirectional"))
    ]
  }

  mutating func multiHeadAttention() throws(PackError) -> [ValueID] {
    guard !hasInput(6), !hasInput(7), node.outputs.dropFirst().allSatisfy(\.isEmpty) else {
      throw fault("it keeps keys and values of earlier runs (past, present)")
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
    return [
      try attention(
        parts, mask: optionalInput(4), added: optionalInput(5), isCausal: node.flag("unidirectional"))
    ]
  }

  /// softmax(q k^T * scale + added, hidden where the mask is 0) v.
  /// * parts: query, key and value, [batch, length, heads * size].
  private mutating func attention(
    _ parts: [ValueID], mask: ValueID?, added: ValueID?, isCausal: Bool
  ) throws(PackError) -> ValueID {
    let heads = node.integer("num_heads", default: 0)
    guard heads > 0 else { throw fault("num_heads is missing") }
    var split: [ValueID] = []
    var length = 1
    for (index, part) in parts.enumerated() {
      let shape = draft.shape(part)
      guard case .fixed(let channels) = shape[2], channels % heads == 0 else {
        throw fault("\(heads) heads of \(draft.words(shape))")
      }
      if index == 0 { length = channels / heads }
      let whole = try reshape(
        part, to: [draft.extent(shape[0]), draft.extent(shape[1]), Extent(heads), Extent(channels / heads)])
      split.append(try transpose(whole, index == 1 ? [0, 2, 3, 1] : [0, 2, 1, 3]))
    }
    let stated = node.real("scale", default: 0)
    let scale = stated == 0 ? 1 / Float(length).squareRoot() : stated
    var scores = try binary(
      .multiply, tensor(.matmul(transposesRight: false), split[0], split[1]), scalar(scale))
    if let added { scores = try binary(.add, scores, added) }
    if isCausal { scores = try binary(.add, scores, causalMask(scores)) }
    if let mask { scores = try masked(scores, mask) }
    let weights = try apply("Softmax", [scores], [.integer("axis", -1)])[0]
    let context = try transpose(tensor(.matmul(transposesRight: false), weights, split[2]), [0, 2, 1, 3])
    let shape = draft.shape(context)
    guard let channels = draft.product(shape[2...]) else { throw fault("the size is too large") }
    return try reshape(context, to: [draft.extent(shape[0]), draft.extent(shape[1]), channels])
  }

  /// Hides keys by a mask int32 [batch, keys], or one that an operator put out as lengths.
  private mutating func masked(_ scores: ValueID, _ mask: ValueID) throws(PackError) -> ValueID {
    let mask = masksOfLengths[mask] ?? mask
    let shape = draft.shape(mask)
    guard shape.count == 2, draft.values[mask].elementType == .int32, shape[1] == draft.shape(scores)[3]
    else {
      throw fault("a mask \(draft.words(shape)); int32 [batch, keys] is supported")
    }
    let wide = try reshape(mask, to: [draft.extent(shape[0]), Extent(1), Extent(1), draft.extent(shape[1])])
    let hidden = try binary(.multiply, binary(.subtract, scalar(1), real(wide)), scalar(hiding))
    return try binary(.add, scores, hidden)
  }

  private var hiding: Float { min(node.real("mask_filter_value", default: -10_000), -10_000) }

  private mutating func causalMask(_ scores: ValueID) throws(PackError) -> ValueID {
    guard case .fixed(let size) = draft.shape(scores)[3], draft.shape(scores)[2] == .fixed(size),
      knownCount([size, size]) != nil
    else { throw fault("unidirectional attention of a dynamic length; fix it with --shape") }
    let numbers = (0..<size * size).map { $0 % size > $0 / size ? hiding : 0 }
    return constant(KnownTensor(floats: numbers, shape: [1, 1, size, size]))
  }
}
