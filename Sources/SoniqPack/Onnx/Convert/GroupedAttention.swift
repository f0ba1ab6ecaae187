import SoniqCore
import SoniqGraph

/// com.microsoft's GroupQueryAttention: keys and values of earlier runs are inputs and outputs. Each row of a batch fills as
/// many of their positions as its length says, and its new ones come behind those.
extension OnnxConversion {
  mutating func groupedAttention() throws(PackError) -> [ValueID] {
    try refuseCodedCaches()
    let (heads, own) = (node.integer("num_heads", default: 0), node.integer("kv_num_heads", default: 0))
    guard (1...maximumDimension).contains(heads), (1...heads).contains(own), heads % own == 0 else {
      throw fault("num_heads \(heads) and kv_num_heads \(own)")
    }
    var rows = try groupedRows(heads, own)
    let positions = try groupedPositions(of: rows[0])
    if node.flag("do_rotary") {
      for index in 0...1 { rows[index] = try turnedByPosition(rows[index], positions) }
    }
    let keys = try present(3, rows[1], positions)
    let values = try present(4, rows[2], positions)
    let result = try grouped(rows[0], keys.all, values.all, positions, keys.length)
    return [result, try transpose(keys.all, [0, 2, 1, 3]), try transpose(values.all, [0, 2, 1, 3])]
  }

  private func refuseCodedCaches() throws(PackError) {
    for name in ["k_quant_type", "v_quant_type"] where node.text(name).map({ $0 != "NONE" }) ?? false {
      throw fault("\(name): keys and values of earlier runs as codes")
    }
    guard node.integer("qk_output", default: 0) == 0, node.outputs.dropFirst(3).allSatisfy(\.isEmpty) else {
      throw fault("the output of the scores (qk_output)")
    }
    guard hasInput(3) == hasInput(4) else { throw fault("past_key without past_value, or the other way") }
    guard hasInput(1) == hasInput(2) else { throw fault("key without value, or the other way") }
  }

  /// Query, key and value as [batch, length, heads, size].
  private mutating func groupedRows(_ heads: Int, _ own: Int) throws(PackError) -> [ValueID] {
    let query = try input(0)
    let shape = draft.shape(query)
    guard shape.count == 3, case .fixed(let channels) = shape[2] else {
      throw fault("a query \(draft.words(shape)); [batch, length, channels] is supported")
    }
    let counts = [heads, own, own]
    guard hasInput(1) else {
      let whole = heads + 2 * own
      guard channels % whole == 0 else { throw fault("\(whole) heads of \(channels) channels") }
      let size = channels / whole
      var (parts, begin): ([ValueID], Int) = ([], 0)
      for count in counts {
        let part = try slice(query, axis: 2, begin: begin, step: 1, count: count * size)
        parts.append(try split(part, count))
        begin += count * size
      }
      return parts
    }
    let parts = try [split(query, heads), split(input(1), own), split(input(2), own)]
    guard draft.shape(parts[0])[3] == draft.shape(parts[1])[3] else {
      throw fault("queries and keys of different sizes of a head")
    }
    return parts
  }

  private mutating func split(_ value: ValueID, _ heads: Int) throws(PackError) -> ValueID {
    let shape = draft.shape(value)
    guard shape.count == 3, case .fixed(let channels) = shape[2], channels % heads == 0 else {
      throw fault("\(heads) heads of \(draft.words(shape))")
    }
    return try reshape(
      value, to: [draft.extent(shape[0]), draft.extent(shape[1]), Extent(heads), Extent(channels / heads)])
  }

  /// Where rows stand: numbers of int32.
  private struct Positions {
    /// [batch, 1]: how many positions earlier runs filled.
    var past: ValueID
    /// [batch, length].
    var own: ValueID
    var length: Extent
  }

  private mutating func groupedPositions(of rows: ValueID) throws(PackError) -> Positions {
    let (batch, length) = (draft.extent(draft.shape(rows)[0]), draft.extent(draft.shape(rows)[1]))
    let last = try input(5)
    guard draft.values[last].elementType == .int32 else { throw fault("seqlens_k is not of whole numbers") }
    guard let before = Extent(1).minus(length) else { throw fault("the size is too large") }
    let filled = try binary(.add, reshape(last, to: [batch, Extent(1)]), line(before))
    // A first run may be filled up behind its own positions.
    let past = try binary(.maximum, filled, integer(0))
    let own = try binary(.add, counted(length), past)
    return Positions(past: past, own: own, length: length)
  }

  private mutating func turnedByPosition(
    _ rows: ValueID, _ positions: Positions
  ) throws(PackError) -> ValueID {
    let (cosine, sine) = (try input(7), try input(8))
    guard case .fixed(let pairs)? = draft.shape(cosine).last, draft.shape(sine) == draft.shape(cosine) else {
      throw fault("its sines are not as its cosines")
    }
    let places = try optionalInput(9) ?? positions.own
    return try turned(
      rows, cosine: angles(cosine, places, of: rows), sine: angles(sine, places, of: rows), pairs: pairs,
      isInterleaved: node.flag("rotary_interleaved"))
  }

  /// New rows [batch, length, heads, size] behind those of earlier runs.
  private mutating func present(
    _ index: Int, _ rows: ValueID, _ positions: Positions
  ) throws(PackError) -> (all: ValueID, length: Extent) {
    guard let past = try optionalInput(index) else {
      _ = try presentLength(Extent(0), positions.length)
      return (rows, positions.length)
    }
    guard draft.rank(past) == 4 else { throw fault("past keys or values \(draft.words(draft.shape(past)))") }
    let earlier = try transpose(past, [0, 2, 1, 3])
    let room = draft.extent(draft.shape(earlier)[1])
    let length = try presentLength(room, positions.length)
    let joined = try apply("Concat", [earlier, rows], [.integer("axis", 1)])[0]
    let shape = draft.shape(joined)
    guard let places = draft.product(shape[..<2]), let channels = draft.product(shape[2...]) else {
      throw fault("the size is too large")
    }
    let lines = try reshape(joined, to: [places, channels])
    let chosen = try tensor(
      .gather(axis: 0), lines, sources(positions, room: room, length: length, of: shape))
    return (
      try reshape(
        chosen, to: [draft.extent(shape[0]), length, draft.extent(shape[2]), draft.extent(shape[3])]), length
    )
  }

  /// As many positions as there were and new ones; as there were, where those have room for all.
  private mutating func presentLength(_ past: Extent, _ new: Extent) throws(PackError) -> Extent {
    guard hasInput(6), let total = draft.known(try input(6))?.extents, total.count == 1 else {
      throw fault(
        "total_sequence_length does not follow from shapes; of an input, give its value with --value")
    }
    // A past of one size is room for all, where nobody says that more may come.
    if let room = past.fixed, room > 0, case .symbol(let symbol) = try draft.dimension(total[0]),
      draft.symbols[symbol].isOpen
    {
      draft.symbols[symbol].maximum = min(draft.symbols[symbol].maximum, room)
    }
    if past != Extent(0), draft.isAtMost(total[0], past) { return past }
    guard let both = past.plus(new) else { throw fault("the size is too large") }
    let (stated, needed) = (try draft.dimension(total[0]), try draft.dimension(both))
    guard stated == needed else {
      draft.requireEqual(stated, needed)
      throw fault(
        "total_sequence_length \(draft.words(total[0])) for \(draft.words(past)) and \(draft.words(new)) positions"
      )
    }
    return draft.extent(stated)
  }

  /// Of each position the row of what was joined, counted through the batch: a new one behind the filled ones, itself
  /// elsewhere. [batch, length].
  private mutating func sources(
    _ positions: Positions, room: Extent, length: Extent, of shape: [Dimension]
  ) throws(PackError) -> ValueID {
    let places = try counted(length)
    let place = try binary(.subtract, places, positions.past)
    let isNew = try binary(
      .and, binary(.greaterOrEqual, place, integer(0)), binary(.less, place, line(positions.length)))
    let own = try tensor(.select, isNew, binary(.add, place, line(room)), places)
    guard shape[0] != .fixed(1) else { return own }
    let batch = draft.extent(shape[0])
    let first = try binary(
      .multiply, reshape(counted(batch), to: [batch, Extent(1)]), line(draft.extent(shape[1])))
    return try binary(.add, own, first)
  }

  /// * query, keys, values: [batch, length, heads, size], of keys and values fewer heads.
  private mutating func grouped(
    _ query: ValueID, _ keys: ValueID, _ values: ValueID, _ positions: Positions, _ length: Extent
  ) throws(PackError) -> ValueID {
    let (shape, own) = (draft.shape(query), draft.extent(draft.shape(keys)[2]))
    guard case .fixed(let heads) = shape[2], case .fixed(let size) = shape[3], let group = own.fixed,
      let lines = positions.length.times(Extent(heads / group))
    else { throw fault("the size is too large") }
    let batch = draft.extent(shape[0])
    // The queries of a group are rows of one product: no key is copied.
    let first = try reshape(transpose(query, [0, 2, 1, 3]), to: [batch, own, lines, Extent(size)])
    let stated = node.real("scale", default: 0)
    var scores = try binary(
      .multiply, tensor(.matmul(transposesRight: false), first, transpose(keys, [0, 2, 3, 1])),
      scalar(stated == 0 ? 1 / Float(size).squareRoot() : stated))
    scores = try reshape(scores, to: [batch, Extent(heads), positions.length, length])
    let weights = try reshape(
      groupedWeights(scores, positions, heads, length), to: [batch, own, lines, length])
    let context = try tensor(.matmul(transposesRight: false), weights, transpose(values, [0, 2, 1, 3]))
    let wide = draft.extent(draft.shape(values)[3])
    let apart = try reshape(context, to: [batch, Extent(heads), positions.length, wide])
    guard let channels = wide.times(Extent(heads)) else { throw fault("the size is too large") }
    return try reshape(transpose(apart, [0, 2, 1, 3]), to: [batch, positions.length, channels])
  }

  private mutating func groupedWeights(
    _ given: ValueID, _ positions: Positions, _ heads: Int, _ length: Extent
  ) throws(PackError) -> ValueID {
    var scores = given
    let cap = node.real("softcap", default: 0)
    if cap > 0 {
      let bounded = try apply("Tanh", [binary(.divide, scores, scalar(cap))])[0]
      scores = try binary(.multiply, bounded, scalar(cap))
    }
    if let bias = try optionalInput(10) { scores = try binary(.add, scores, bias) }
    let (places, batch) = (try counted(length), draft.extent(draft.shape(given)[0]))
    let own = try reshape(positions.own, to: [batch, Extent(1), positions.length, Extent(1)])
    var isSeen = try binary(.lessOrEqual, places, own)
    let window = node.integer("local_window_size", default: -1)
    if window >= 0 {
      let first = try binary(.subtract, own, integer(Int64(min(window, maximumDimension))))
      isSeen = try binary(.and, isSeen, binary(.greater, places, first))
    }
    scores = try tensor(.select, isSeen, scores, scalar(-.infinity))
    guard let sink = try sink(heads) else { return try apply("Softmax", [scores], [.integer("axis", -1)])[0] }
    let column = try expand(sink, to: draft.shape(scores).dropLast() + [.fixed(1)])
    let joined = try apply("Concat", [scores, column], [.integer("axis", 3)])[0]
    let weights = try apply("Softmax", [joined], [.integer("axis", -1)])[0]
    return try part(weights, axis: 3, begin: Extent(0), count: length)
  }

  /// A score by head that takes weight from the keys, [1, heads, 1, 1].
  private mutating func sink(_ heads: Int) throws(PackError) -> ValueID? {
    guard let given = try optionalInput(11) else {
      return node.flag("smooth_softmax")
        ? constant(KnownTensor(floats: [0], shape: [1, 1, 1, 1])) : nil
    }
    return try reshape(real(given), to: [Extent(1), Extent(heads), Extent(1), Extent(1)])
  }
}
