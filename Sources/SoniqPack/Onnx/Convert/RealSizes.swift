import SoniqGraph

/// Sizes that a model computes as real numbers: a size times a number, rounded down, as exporters write the size of an image
/// that is scaled. Each is a fraction of a sum of sizes.
struct RealSizes {
  var shape: [Int]
  var fractions: [(numerator: Extent, divisor: Int)]

  /// A number as a fraction of small ones; nil where it is none.
  static func fraction(_ number: Float) -> (numerator: Extent, divisor: Int)? {
    guard number.isFinite, number.magnitude <= 0x1p24 else { return nil }
    for divisor in 1...64 {
      let factor = (number * Float(divisor)).rounded()
      if factor / Float(divisor) == number { return (Extent(Int(factor)), divisor) }
    }
    return nil
  }
}

extension OnnxConversion {
  /// What real numbers that are computed of sizes are; nil where they are of anything else.
  mutating func realSizes(_ value: ValueID, depth: Int = 0) throws(PackError) -> RealSizes? {
    if let known = draft.known(value) {
      guard known.count <= maximumRank else { return nil }
      if let extents = known.extents {
        return RealSizes(shape: known.shape, fractions: extents.map { ($0, 1) })
      }
      let fractions = known.floats?.compactMap { RealSizes.fraction($0) } ?? []
      return fractions.count == known.count ? RealSizes(shape: known.shape, fractions: fractions) : nil
    }
    guard depth < 16, let maker = draft.nodes.last(where: { $0.outputs.contains(value) }) else { return nil }
    var parts: [RealSizes] = []
    for input in maker.inputs.prefix(maximumRank) {
      guard let part = try realSizes(input, depth: depth + 1) else { return nil }
      parts.append(part)
    }
    guard let first = parts.first else { return nil }
    switch maker.operation {
    case .tensor(.cast(let cast)) where cast.elementType == .float32: return first
    case .tensor(.reshape(let reshape)):
      let sizes = reshape.shape.compactMap { draft.extent($0).fixed }
      return sizes.count == reshape.shape.count ? RealSizes(shape: sizes, fractions: first.fractions) : nil
    case .tensor(.concatenate) where parts.count == maker.inputs.count:
      let all = parts.flatMap(\.fractions)
      return RealSizes(shape: [all.count], fractions: all)
    case .tensor(.binary(let binary)) where parts.count == 2:
      return combined(binary.function, parts[0], parts[1])
    case .element(let function): return try rounded(first, function)
    default: return nil
    }
  }

  /// Whole numbers that are the sizes rounded towards 0; nil where they are no sizes.
  mutating func wholeSizes(ofReal value: ValueID) throws(PackError) -> ValueID? {
    guard draft.known(value) == nil, let sizes = try realSizes(value),
      let whole = try rounded(sizes, ElementFunction(.floor))
    else { return nil }
    return constant(
      KnownTensor(shape: whole.shape, type: .int64, elements: .sizes(whole.fractions.map(\.numerator)))
        .simplified)
  }

  private func combined(_ function: BinaryFunction, _ left: RealSizes, _ right: RealSizes) -> RealSizes? {
    guard left.shape == right.shape || left.fractions.count == 1 || right.fractions.count == 1,
      let shape = KnownTensor.broadcast(left.shape, right.shape)
    else { return nil }
    let count = max(left.fractions.count, right.fractions.count)
    var results: [(numerator: Extent, divisor: Int)] = []
    for index in 0..<count {
      let (first, second) = (
        left.fractions[left.fractions.count == 1 ? 0 : index],
        right.fractions[right.fractions.count == 1 ? 0 : index]
      )
      guard let result = Self.combined(function, first, second) else { return nil }
      results.append(result)
    }
    return RealSizes(shape: shape, fractions: results)
  }

  private static func combined(
    _ function: BinaryFunction, _ left: (numerator: Extent, divisor: Int),
    _ right: (numerator: Extent, divisor: Int)
  ) -> (numerator: Extent, divisor: Int)? {
    func fraction(_ numerator: Extent?, _ divisor: Int) -> (numerator: Extent, divisor: Int)? {
      numerator.flatMap { (1...1 << 24).contains(divisor) ? ($0, divisor) : nil }
    }
    let product = left.divisor.multipliedReportingOverflow(by: right.divisor)
    guard !product.overflow else { return nil }
    switch function {
    case .multiply: return fraction(left.numerator.times(right.numerator), product.partialValue)
    case .divide:
      if let number = right.numerator.fixed, number > 0 {
        let divisor = left.divisor.multipliedReportingOverflow(by: number)
        return divisor.overflow
          ? nil : fraction(left.numerator.times(Extent(right.divisor)), divisor.partialValue)
      }
      return fraction(
        left.numerator.times(Extent(right.divisor))?.divided(by: right.numerator), left.divisor)
    case .add, .subtract:
      guard let first = left.numerator.times(Extent(right.divisor)),
        let second = right.numerator.times(Extent(left.divisor))
      else { return nil }
      return fraction(function == .add ? first.plus(second) : first.minus(second), product.partialValue)
    default: return nil
    }
  }

  /// By floor and ceiling, of what cannot be below 0; nil for other functions.
  private mutating func rounded(_ sizes: RealSizes, _ function: ElementFunction) throws(PackError)
    -> RealSizes?
  {
    guard function.kind == .floor || function.kind == .ceiling else { return nil }
    var results: [(numerator: Extent, divisor: Int)] = []
    for (numerator, divisor) in sizes.fractions {
      let added = function.kind == .ceiling ? divisor - 1 : 0
      guard draft.isAtMost(Extent(0), numerator), let whole = numerator.plus(Extent(added)),
        let size = divisor == 1 ? whole : try draft.combine(.divide, whole, Extent(divisor))
      else { return nil }
      results.append((size, 1))
    }
    return RealSizes(shape: sizes.shape, fractions: results)
  }
}
