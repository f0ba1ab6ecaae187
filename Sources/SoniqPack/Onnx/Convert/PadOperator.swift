import SoniqGraph

extension OnnxConversion {
  mutating func pad() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let modes: [String: PadMode] = ["constant": .constant, "reflect": .reflect, "edge": .edge, "wrap": .wrap]
    guard let mode = modes[node.text("mode") ?? "constant"] else {
      throw fault("mode \(node.text("mode") ?? "")")
    }
    // An attribute before opset 11.
    let stated = node.integers("pads")?.map { Extent($0) }
    let pads = if let stated { stated } else { try knownInput(1, "pads")?.extents }
    guard let pads else { throw fault("its pads are missing") }
    let rank = onnxShape(input).count
    let axes = try knownInput(3, "axes")?.integers.map { list throws(PackError) in
      try list.map { axis throws(PackError) in try self.axis(Int(axis), rank: rank) }
    }
    let padded = axes ?? Array(0..<rank)
    guard pads.count == 2 * padded.count else { throw fault("\(pads.count) pads for \(padded.count) axes") }
    var value = node.real("value", default: 0)
    if let known = try knownInput(2, "value"), known.count == 1 {
      value = known.scalar ?? known.integers?.first.map { Float($0) } ?? 0
    }
    var before = [Int](repeating: 0, count: rank)
    var after = before
    var result = input
    for (place, axis) in padded.enumerated() {
      guard let low = pads[place].fixed, let high = pads[padded.count + place].fixed else {
        result = try paddedDynamically(
          result, axis: axis, mode, value, before: pads[place], after: pads[padded.count + place])
        continue
      }
      guard low > -maximumDimension, high > -maximumDimension else { throw fault("pads \(low) and \(high)") }
      (before[axis], after[axis]) = (max(0, low), max(0, high))
      guard low < 0 || high < 0 else { continue }
      // Negative pads cut.
      guard case .fixed(let size) = onnxShape(result)[axis], size + min(0, low) + min(0, high) > 0 else {
        throw fault("pads \(low) and \(high) of axis \(axis)")
      }
      result = try slice(
        result, axis: axis, begin: max(0, -low), step: 1, count: size + min(0, low) + min(0, high))
    }
    if before.allSatisfy({ $0 == 0 }), after.allSatisfy({ $0 == 0 }) { return [result] }
    return [try tensor(.pad(mode, before: before, after: after, value: value), result)]
  }

  /// Pads that follow from dynamic sizes: what is joined has one element more than is asked for, because no size is 0, and
  /// what is too much is cut off again.
  private mutating func paddedDynamically(
    _ input: ValueID, axis: Int, _ mode: PadMode, _ number: Float, before: Extent, after: Extent
  ) throws(PackError) -> ValueID {
    guard mode == .constant || mode == .edge, draft.known(input) == nil else {
      throw fault("mode \(mode) with pads that depend on a dynamic size; fix it with --shape")
    }
    let size = draft.extent(draft.shape(input)[axis])
    guard let last = size.minus(Extent(1)), let whole = size.plus(before)?.plus(after) else {
      throw fault("the size is too large")
    }
    var parts = [input]
    if before != Extent(0) {
      parts.insert(try margin(of: input, axis, mode, number, at: Extent(0), count: before), at: 0)
    }
    if after != Extent(0) { parts.append(try margin(of: input, axis, mode, number, at: last, count: after)) }
    let joined = try concatenate(parts, axis: axis)
    return try part(joined, axis: axis, begin: Extent(before == Extent(0) ? 0 : 1), count: whole)
  }

  /// One element more than so many, all a number or those at the edge.
  private mutating func margin(
    of input: ValueID, _ axis: Int, _ mode: PadMode, _ number: Float, at place: Extent, count: Extent
  ) throws(PackError) -> ValueID {
    guard draft.isAtMost(Extent(0), count), let more = count.plus(Extent(1)) else {
      throw fault("pads of \(draft.words(count)), which may be below 0; fix dynamic sizes with --shape")
    }
    var shape = draft.shape(input)
    shape[axis] = try draft.dimension(more)
    if mode == .edge {
      return try expand(part(input, axis: axis, begin: place, count: Extent(1)), to: shape)
    }
    let isReal = draft.values[input].elementType == .float32
    guard isReal || number == number.rounded(), abs(number) < 0x1p31 else {
      throw fault("its value \(number)")
    }
    return try expand(isReal ? scalar(number) : integer(Int64(number)), to: shape)
  }
}
