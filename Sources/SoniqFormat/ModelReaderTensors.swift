import SoniqGraph

/// Reads the attributes of tensor operations: a tag, three bytes of details, then words.
struct TensorReader {
  let symbolCount: Int
  let constantCount: Int

  func read(_ cursor: inout ByteCursor) throws(FormatError) -> TensorOperation {
    let tag = try cursor.tag(TensorTag.self, "tensor")
    switch tag {
    case .constant:
      try cursor.reserved(3)
      return .constant(try cursor.index("constant", below: constantCount))
    case .unary: return .unary(try readUnary(&cursor))
    case .binary:
      let function = try cursor.tag(BinaryFunction.self, "function")
      try cursor.reserved(2)
      return .binary(function)
    case .select:
      try cursor.reserved(3)
      return .select
    case .cast:
      let type = try cursor.tag(ElementType.self, "elementType")
      try cursor.reserved(2)
      return .cast(type)
    case .transpose, .reshape, .expand, .concatenate, .slice, .pad, .gather:
      return try readLayout(&cursor, tag)
    case .reduce, .softmax, .argument, .cumulate, .matmul: return try readSum(&cursor, tag)
    case .pool, .resize, .foldTaps: return try readImage(&cursor, tag)
    }
  }

  private func readUnary(_ cursor: inout ByteCursor) throws(FormatError) -> UnaryFunction {
    let tag = try cursor.tag(UnaryTag.self, "function")
    try cursor.reserved(2)
    let place = cursor.offset
    let first = try cursor.float("alpha")
    guard let function = UnaryFunction(tag, first, try cursor.float("beta")) else {
      throw cursor.fault(.reservedNotZero, "alpha", at: place)
    }
    return function
  }

  // MARK: Layout

  /// Of the operations that move elements; the cursor is behind the tag.
  private func readLayout(_ cursor: inout ByteCursor, _ tag: TensorTag) throws(FormatError) -> TensorOperation
  {
    switch tag {
    case .transpose:
      let rank = try readRank(&cursor, reserved: 2)
      return .transpose(try words(&cursor, "permutation", rank, in: 0...maximumRank - 1))
    case .reshape: return .reshape(try readShape(&cursor))
    case .expand: return .expand(try readShape(&cursor))
    case .concatenate: return .concatenate(axis: try readAxis(&cursor, reserved: 2))
    case .slice: return .slice(try readRanges(&cursor))
    case .pad:
      let mode = try cursor.tag(PadMode.self, "mode")
      let rank = try readRank(&cursor, reserved: 1)
      let value = try cursor.float("value")
      let before = try words(&cursor, "before", rank, in: 0...maximumDimension)
      let after = try words(&cursor, "after", rank, in: 0...maximumDimension)
      return .pad(mode, before: before, after: after, value: value)
    default: return .gather(axis: try readAxis(&cursor, reserved: 2))
    }
  }

  /// A rank and the reserved bytes behind it; as many words follow.
  private func readRank(_ cursor: inout ByteCursor, reserved: Int) throws(FormatError) -> Int {
    let rank = try ModelReader.readRank(&cursor)
    try cursor.reserved(reserved)
    return rank
  }

  private func words(
    _ cursor: inout ByteCursor, _ field: String, _ count: Int, in range: ClosedRange<Int>
  ) throws(FormatError) -> [Int] {
    var numbers: [Int] = []
    for _ in 0..<count { numbers.append(try cursor.word(field, in: range)) }
    return numbers
  }

  private func readShape(_ cursor: inout ByteCursor) throws(FormatError) -> [Dimension] {
    let rank = try readRank(&cursor, reserved: 2)
    var shape: [Dimension] = []
    for _ in 0..<rank { shape.append(try ModelReader.readDimension(&cursor, symbolCount: symbolCount)) }
    return shape
  }

  private func readAxis(_ cursor: inout ByteCursor, reserved: Int) throws(FormatError) -> Int {
    let axis = try cursor.byte("axis", in: 0...maximumRank - 1)
    try cursor.reserved(reserved)
    return axis
  }

  private func readRanges(_ cursor: inout ByteCursor) throws(FormatError) -> [SliceRange] {
    let rank = try readRank(&cursor, reserved: 2)
    var ranges: [SliceRange] = []
    for _ in 0..<rank {
      let begin = try cursor.word("begin", in: 0...maximumDimension)
      let step = Int(try cursor.int32("step"))
      let count = try cursor.word("count", in: 0...maximumDimension)
      ranges.append(SliceRange(begin: begin, step: step, count: count == 0 ? nil : count))
    }
    return ranges
  }

  // MARK: Sums

  private func readSum(_ cursor: inout ByteCursor, _ tag: TensorTag) throws(FormatError) -> TensorOperation {
    switch tag {
    case .reduce:
      let function = try cursor.tag(ReduceFunction.self, "function")
      let keeps = try cursor.flag("keepsDimensions")
      let axes = try cursor.byte("axes", in: 1...255)
      return .reduce(
        function, axes: (0..<maximumRank).filter { axes >> $0 & 1 == 1 }, keepsDimensions: keeps)
    case .softmax:
      let axis = try readAxis(&cursor, reserved: 0)
      let isLogarithm = try cursor.flag("isLogarithm")
      try cursor.reserved(1)
      return .softmax(axis: axis, isLogarithm: isLogarithm)
    case .argument:
      let axis = try readAxis(&cursor, reserved: 0)
      let flags = try cursor.byte("flags", in: 0...7)
      try cursor.reserved(1)
      return .argument(
        isMinimum: flags & 1 != 0, axis: axis, keepsDimensions: flags & 2 != 0, selectsLast: flags & 4 != 0)
    case .cumulate:
      let axis = try readAxis(&cursor, reserved: 0)
      let flags = try cursor.byte("flags", in: 0...3)
      try cursor.reserved(1)
      return .cumulate(axis: axis, isExclusive: flags & 1 != 0, isReversed: flags & 2 != 0)
    default:
      let transposesRight = try cursor.flag("transposesRight")
      try cursor.reserved(2)
      return .matmul(transposesRight: transposesRight)
    }
  }

  // MARK: Images

  private func readImage(_ cursor: inout ByteCursor, _ tag: TensorTag) throws(FormatError) -> TensorOperation
  {
    switch tag {
    case .pool:
      let function = try cursor.tag(PoolFunction.self, "function")
      try cursor.reserved(2)
      return .pool(function, try ModelReader.readWindow(&cursor))
    case .resize:
      let method = try cursor.tag(ResizeMethod.self, "method")
      let coordinates = try cursor.tag(ResizeCoordinates.self, "coordinates")
      let rounding = try cursor.tag(NearestRounding.self, "rounding")
      let height = try cursor.word("height", in: FormatLimits.dimensionRange)
      let width = try cursor.word("width", in: FormatLimits.dimensionRange)
      let scaleHeight = try cursor.float("scaleHeight")
      let scaleWidth = try cursor.float("scaleWidth")
      return .resize(
        method, coordinates, rounding, height: height, width: width, scaleHeight: scaleHeight,
        scaleWidth: scaleWidth)
    default:
      try cursor.reserved(3)
      let window = try ModelReader.readWindow(&cursor)
      let height = try cursor.word("height", in: FormatLimits.dimensionRange)
      let width = try cursor.word("width", in: FormatLimits.dimensionRange)
      let bias = try cursor.index("bias", below: constantCount + 1)
      return .foldTaps(window, height: height, width: width, bias: bias == 0 ? nil : bias - 1)
    }
  }
}
