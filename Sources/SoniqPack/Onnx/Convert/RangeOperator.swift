import SoniqGraph

extension OnnxConversion {
  mutating func range() throws(PackError) -> [ValueID] {
    var ends: [RangeEnd] = []
    for index in 0..<3 { ends.append(try rangeEnd(index)) }
    let numbers = ends.compactMap { if case .real(let number) = $0 { number } else { nil } }
    let sizes = ends.compactMap(\.extent)
    // Sizes may have become floats on the way here, beside floats that are whole numbers.
    if sizes.count == 3, numbers.count < 3 {
      let counted = try count(from: sizes[0], to: sizes[1], by: sizes[2])
      return [try numbers.isEmpty ? counted : castToFloat(counted)]
    }
    guard numbers.count == 3 else { throw fault("a range of a dynamic size and a fraction") }
    guard numbers.allSatisfy(\.isFinite), numbers[2] != 0 else { throw fault("an endless range") }
    let count = max(0, ((numbers[1] - numbers[0]) / numbers[2]).rounded(.up))
    guard count <= Float(maximumKnownElements) else { throw fault("a range of \(count) numbers") }
    let list = (0..<Int(count)).map { numbers[0] + Float($0) * numbers[2] }
    return [constant(KnownTensor(floats: list, shape: [list.count]))]
  }

  /// A number that a range begins or ends with, or counts by.
  private enum RangeEnd {
    case real(Float)
    case size(Extent)

    /// nil for a fraction.
    var extent: Extent? {
      switch self {
      case .size(let size): size
      case .real(let number): Int(exactly: number).map { Extent($0) }
      }
    }
  }

  private mutating func rangeEnd(_ index: Int) throws(PackError) -> RangeEnd {
    let value = try input(index)
    if let known = draft.known(value), known.count == 1 {
      if let number = known.scalar { return .real(number) }
      if let size = known.extents?.first { return .size(size) }
    }
    if let maker = draft.nodes.last(where: { $0.outputs.contains(value) }),
      case .tensor(.cast(let cast)) = maker.operation, cast.elementType == .float32,
      let size = draft.known(maker.inputs[0])?.extents, size.count == 1
    {
      return .size(size[0])
    }
    throw fault("its range is computed at run time")
  }

  private mutating func castToFloat(_ value: ValueID) throws(PackError) -> ValueID {
    if let known = draft.known(value), let integers = known.integers {
      return constant(KnownTensor(floats: integers.map { Float($0) }, shape: known.shape))
    }
    return try tensor(.cast(.float32), value)
  }

  private mutating func count(from begin: Extent, to end: Extent, by step: Extent) throws(PackError)
    -> ValueID
  {
    guard let step = step.fixed else { throw fault("it counts by a dynamic size") }
    guard step != 0 else { throw fault("a step of 0") }
    guard let first = begin.fixed, let last = end.fixed else {
      guard let length = end.minus(begin), let steps = try steps(length, step) else {
        throw fault("a range too long to be written")
      }
      var numbers = iota(steps)
      if step != 1 { numbers = try binary(.multiply, numbers, integer(step)) }
      guard begin.fixed != 0 else { return numbers }
      guard let first = begin.fixed else { throw fault("it begins with a dynamic size") }
      return try binary(.add, numbers, integer(first))
    }
    let (length, overflow) = last.subtractingReportingOverflow(first)
    guard !overflow, length > Int.min, step > Int.min else { throw fault("the range is too long") }
    let count = (length > 0) == (step > 0) && length != 0 ? (abs(length) - 1) / abs(step) + 1 : 0
    guard count <= maximumKnownElements else { throw fault("a range of \(count) numbers") }
    return constant(KnownTensor(integers: (0..<count).map { Int64(first + $0 * step) }, shape: [count]))
  }

  /// How many numbers a range of dynamic length has, at least one in every run; nil where that cannot be written.
  private mutating func steps(_ length: Extent, _ step: Int) throws(PackError) -> Dimension? {
    let forward = step > 0 ? length : length.times(Extent(-1))
    guard let rounded = forward?.plus(Extent(abs(step) - 1)), abs(step) <= SizeExpression.maximumNumber else {
      return nil
    }
    return try draft.dimension(SizeExpression(rounded.terms, divisor: abs(step)))
  }

  private mutating func integer(_ number: Int) -> ValueID {
    constant(KnownTensor(integers: [Int64(number)], shape: []))
  }
}
