import SoniqGraph

extension ModelReader {
  static func readMetadata(
    _ cursor: inout ByteCursor
  ) throws(FormatError) -> [(key: String, value: MetadataValue)] {
    let count = try cursor.count("count", limit: FormatLimits.maximumMetadataEntries, size: 7)
    var entries: [(key: String, value: MetadataValue)] = []
    entries.reserveCapacity(count)
    var keys = Set<TextBytes>()
    for index in 0..<count {
      cursor.record = index
      let key = try cursor.uniqueName("key", limit: FormatLimits.maximumKeyLength, in: &keys)
      entries.append((key, try readMetadataValue(&cursor)))
    }
    return entries
  }

  private static func readMetadataValue(_ cursor: inout ByteCursor) throws(FormatError) -> MetadataValue {
    let tag = try cursor.tag(MetadataTag.self, "type")
    let place = cursor.offset
    switch tag {
    case .text:
      return .text(try cursor.text("value", limit: FormatLimits.maximumTextLength, allowsEmpty: true))
    case .integer: return .integer(try cursor.int64("value"))
    case .real:
      let value = try cursor.double("value")
      guard value.isFinite else { throw cursor.fault(.outOfRange, "value", at: place, got: .real(value)) }
      return .real(value)
    case .boolean:
      let value = try cursor.byte("value")
      guard value <= 1 else {
        throw cursor.fault(.outOfRange, "value", at: place, got: .integer(value), expected: .range(0...1))
      }
      return .boolean(value == 1)
    }
  }

  static func readSymbols(
    _ cursor: inout ByteCursor, limit: Int, version: Int
  ) throws(FormatError) -> [Symbol] {
    let count = try cursor.count("count", limit: limit, size: 9)
    var symbols: [Symbol] = []
    var names = Set<TextBytes>()
    for index in 0..<count {
      cursor.record = index
      let name = try cursor.uniqueName("name", in: &names)
      let place = cursor.offset
      let word = try cursor.word("maximum")
      let isOpen = version >= 3 && word & openFlag != 0
      let maximum = isOpen ? word & ~openFlag : word
      guard FormatLimits.dimensionRange.contains(maximum) else {
        throw cursor.fault(
          .outOfRange, "maximum", at: place, got: .integer(word),
          expected: .range(FormatLimits.dimensionRange))
      }
      symbols.append(Symbol(name: name, maximum: maximum, isOpen: isOpen))
    }
    return symbols
  }

  static func readValues(
    _ cursor: inout ByteCursor, symbolCount: Int, version: Int
  ) throws(FormatError) -> (values: [Value], places: [Int]) {
    let count = try cursor.count("count", limit: FormatLimits.maximumValues, size: 11)
    var values: [Value] = []
    var places: [Int] = []
    values.reserveCapacity(count)
    places.reserveCapacity(count)
    var names = Set<TextBytes>()
    for index in 0..<count {
      cursor.record = index
      places.append(cursor.offset)
      let name = try cursor.uniqueName("name", in: &names)
      let elementType = try cursor.tag(ElementType.self, "elementType", version: version)
      let rank = try readRank(&cursor)
      var shape: [Dimension] = []
      shape.reserveCapacity(rank)
      for _ in 0..<rank { shape.append(try readDimension(&cursor, symbolCount: symbolCount)) }
      values.append(Value(name: name, elementType: elementType, shape: shape))
    }
    return (values, places)
  }

  /// A rank, and as many 32-bit dimensions behind it.
  static func readRank(_ cursor: inout ByteCursor) throws(FormatError) -> Int {
    let place = cursor.offset
    let rank = try cursor.shortCount("rank", limit: maximumRank, size: 4)
    guard FormatLimits.rankRange.contains(rank) else {
      throw cursor.fault(
        .outOfRange, "rank", at: place, got: .integer(rank), expected: .range(FormatLimits.rankRange))
    }
    return rank
  }

  /// * symbolCount: nil where no symbol may be.
  static func readDimension(
    _ cursor: inout ByteCursor, _ name: String = "shape", from least: Int = 1, symbolCount: Int?
  ) throws(FormatError) -> Dimension {
    let place = cursor.offset
    guard let symbolCount else { return .fixed(try cursor.word(name, in: least...maximumDimension)) }
    let value = try cursor.word(name)
    if value & symbolFlag != 0 {
      let symbol = value & ~symbolFlag
      guard symbol < symbolCount else {
        throw cursor.fault(.indexOutOfRange, name, at: place, got: .integer(symbol))
      }
      return .symbol(symbol)
    }
    guard value >= least else {
      throw cursor.fault(
        .outOfRange, name, at: place, got: .integer(value), expected: .range(least...maximumDimension))
    }
    return .fixed(value)
  }

  static func readInterface(
    _ cursor: inout ByteCursor, valueCount: Int
  ) throws(FormatError) -> (inputs: [GraphInput], outputs: [ValueID]) {
    let limit = FormatLimits.maximumInterfaceValues
    var inputs: [GraphInput] = []
    let inputCount = try cursor.count("inputs.count", limit: limit, size: 12)
    for index in 0..<inputCount {
      cursor.prefix = "inputs[\(index)]."
      let value = try cursor.index("value", below: valueCount)
      inputs.append(GraphInput(value: value, fill: try readFill(&cursor)))
    }
    cursor.prefix = ""
    let outputCount = try cursor.count("outputs.count", limit: limit, size: 4)
    var outputs: [ValueID] = []
    for index in 0..<outputCount { outputs.append(try cursor.index("outputs[\(index)]", below: valueCount)) }
    return (inputs, outputs)
  }

  private static func readFill(_ cursor: inout ByteCursor) throws(FormatError) -> Int32? {
    let place = cursor.offset
    let hasFill = try cursor.byte("hasFill")
    guard hasFill <= 1 else {
      throw cursor.fault(.outOfRange, "hasFill", at: place, got: .integer(hasFill), expected: .range(0...1))
    }
    try cursor.reserved(3)
    let fillPlace = cursor.offset
    let fill = try cursor.int32("fill")
    guard hasFill == 1 || fill == 0 else {
      throw cursor.fault(.reservedNotZero, "fill", at: fillPlace, got: .integer(Int(fill)))
    }
    return hasFill == 1 ? fill : nil
  }
}
