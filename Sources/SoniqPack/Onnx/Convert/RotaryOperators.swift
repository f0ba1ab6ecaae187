import SoniqCore
import SoniqGraph

/// RotaryEmbedding of ONNX (opset 23) and of com.microsoft: pairs of a head's channels turned by their position.
extension OnnxConversion {
  mutating func rotaryEmbedding() throws(PackError) -> [ValueID] {
    let isContributed = node.domain == "com.microsoft"
    let value = try input(0)
    let cosine = try input(isContributed ? 2 : 1)
    let sine = try input(isContributed ? 3 : 2)
    let positions = try optionalInput(isContributed ? 1 : 3)
    guard node.real("scale", default: 1) == 1, !node.flag("is_packed_batching") else {
      throw fault("scale or is_packed_batching")
    }
    let shape = draft.shape(value)
    guard shape.count == 3 || shape.count == 4 else { throw fault("an input \(draft.words(shape))") }
    guard case .fixed(let pairs)? = draft.shape(cosine).last, draft.shape(sine) == draft.shape(cosine) else {
      throw fault("its sines are not as its cosines")
    }
    // [batch, length, heads, size]
    let rows: ValueID
    if shape.count == 4 {
      rows = try transpose(value, [0, 2, 1, 3])
    } else {
      let stated = node.integer("num_heads", default: 0)
      guard case .fixed(let channels) = shape[2] else { throw fault("dynamic channels") }
      // com.microsoft's knows its heads by the tables, which turn all of them.
      let heads = stated == 0 && isContributed && pairs > 0 ? channels / (2 * pairs) : stated
      guard heads > 0, channels % heads == 0 else {
        throw fault("num_heads \(heads) of \(channels) channels")
      }
      rows = try reshape(
        value, to: [draft.extent(shape[0]), draft.extent(shape[1]), Extent(heads), Extent(channels / heads)])
    }
    let stated = node.integer("rotary_embedding_dim", default: 0)
    guard stated == 0 ? draft.shape(rows)[3] == .fixed(2 * pairs) : stated == 2 * pairs else {
      throw fault("\(pairs) pairs for \(stated) channels of \(draft.words(draft.shape(rows)))")
    }
    let turned = try turned(
      rows, cosine: angles(cosine, positions, of: rows), sine: angles(sine, positions, of: rows),
      pairs: pairs, isInterleaved: node.flag("interleaved"))
    if shape.count == 4 { return [try transpose(turned, [0, 2, 1, 3])] }
    return [try reshape(turned, to: shape.map { draft.extent($0) })]
  }

  /// The numbers of each row, [batch, length, 1, pairs].
  mutating func angles(
    _ table: ValueID, _ positions: ValueID?, of rows: ValueID
  ) throws(PackError) -> ValueID {
    var numbers = table
    if var positions {
      if onnxShape(positions).count == 1 {
        // com.microsoft's: the position of the first row.
        let length = constant(
          KnownTensor(shape: [], type: .int64, elements: .sizes([draft.extent(draft.shape(rows)[1])])))
        let zero = constant(KnownTensor(integers: [0], shape: []))
        let one = constant(KnownTensor(integers: [1], shape: []))
        let counted = try apply("Range", [zero, length, one])[0]
        positions = try reshape(
          binary(.add, counted, positions), to: [Extent(1), draft.extent(draft.shape(rows)[1])])
      }
      guard onnxShape(table).count == 2 else { throw fault("its tables are not [positions, pairs]") }
      numbers = try apply("Gather", [table, positions], [.integer("axis", 0)])[0]
    }
    let shape = draft.shape(numbers)
    guard shape.count == 3 else { throw fault("cosines \(draft.words(shape)) without positions") }
    return try reshape(
      numbers, to: [draft.extent(shape[0]), draft.extent(shape[1]), Extent(1), draft.extent(shape[2])])
  }

  /// Rows [batch, length, heads, size] with their first pairs of channels turned.
  mutating func turned(
    _ rows: ValueID, cosine: ValueID, sine: ValueID, pairs: Int, isInterleaved: Bool
  ) throws(PackError) -> ValueID {
    guard case .fixed(let size) = draft.shape(rows)[3] else { throw fault("heads of dynamic size") }
    guard pairs > 0, pairs <= size / 2 else { throw fault("\(pairs) pairs of \(size) channels") }
    let turned = 2 * pairs
    let step = isInterleaved ? 2 : 1
    let first = try slice(rows, axis: 3, begin: 0, step: step, count: pairs)
    let second = try slice(rows, axis: 3, begin: isInterleaved ? 1 : pairs, step: step, count: pairs)
    let real = try binary(
      .subtract, binary(.multiply, cosine, first), binary(.multiply, sine, second))
    let other = try binary(.add, binary(.multiply, sine, first), binary(.multiply, cosine, second))
    var result: ValueID
    if isInterleaved {
      let extents = draft.shape(real).map { draft.extent($0) }
      let parts = try [reshape(real, to: extents + [Extent(1)]), reshape(other, to: extents + [Extent(1)])]
      result = try apply("Concat", parts, [.integer("axis", 4)])[0]
      result = try reshape(result, to: extents.dropLast() + [Extent(turned)])
    } else {
      result = try apply("Concat", [real, other], [.integer("axis", 3)])[0]
    }
    guard turned < size else { return result }
    let rest = try slice(rows, axis: 3, begin: turned, step: 1, count: size - turned)
    return try apply("Concat", [result, rest], [.integer("axis", 3)])[0]
  }
}
