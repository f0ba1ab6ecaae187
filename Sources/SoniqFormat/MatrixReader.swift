import SoniqCore
import SoniqGraph

extension ConstantReader {
  mutating func readMatrix(
    _ cursor: inout ByteCursor, _ tag: ConstantTag
  ) throws(FormatError) -> PackedMatrix {
    let outputs = try cursor.word("outputs", in: FormatLimits.dimensionRange)
    let inputs = try cursor.word("inputs", in: FormatLimits.dimensionRange)
    let taps = tag != .matrix ? try cursor.word("taps", in: FormatLimits.dimensionRange) : 1
    let isFull = tag == .levelMatrix
    let levelCount = try readLevelCount(
      &cursor, size: isFull ? 64 : 32,
      limit: isFull ? FormatLimits.maximumMatrixLevels : FormatLimits.maximumLevels)
    let gather = try optionalSection(&cursor, .channelMap, "gather")
    let bias = try optionalSection(&cursor, .bias, "bias")
    var levels: [MatrixLevel] = []
    levels.reserveCapacity(levelCount)
    for index in 0..<levelCount {
      cursor.prefix = "levels[\(index)]."
      levels.append(
        isFull ? try readFullLevel(&cursor, taps: taps) : try readMatrixLevel(&cursor, taps: taps))
    }
    cursor.prefix = ""
    return PackedMatrix(outputs: outputs, inputs: inputs, levels: levels, gather: gather, bias: bias)
  }

  private mutating func readMatrixLevel(
    _ cursor: inout ByteCursor, taps: Int
  ) throws(FormatError) -> MatrixLevel {
    let weight = try LevelCoding.readWeightCode(&cursor, "weight")
    let activation = try LevelCoding.readActivationCode(&cursor, "activation")
    let channels = try cursor.word("channels", in: FormatLimits.dimensionRange)
    let weights = try section(&cursor, .weights, "weights")
    let scales = try section(&cursor, .scales, "scales")
    let offsets = try optionalSection(&cursor, .offsets, "offsets")
    let storedSums = try section(&cursor, .storedSums, "storedSums")
    return MatrixLevel(
      level: Level(weight: weight, activation: activation), channels: channels, taps: taps,
      weights: weights, scales: scales, offsets: offsets, storedSums: storedSums)
  }

  /// A level of a `levelMatrix`.
  private mutating func readFullLevel(
    _ cursor: inout ByteCursor, taps: Int
  ) throws(FormatError) -> MatrixLevel {
    let weight = try LevelCoding.readFullWeightCode(&cursor, "weight")
    var activation = try LevelCoding.readActivationCode(&cursor, "activation", isFull: true)
    let length = try readGroupLength(&cursor, "groupLength", isThere: nil)
    let numbers = try readGroupNumbers(&cursor, "groupNumbers", isThere: length > 0)
    let isGrouped = activation.scaling == .dynamicPerGroup(channels: 0)
    let activationLength = try readGroupLength(&cursor, "activationGroupLength", isThere: isGrouped)
    if isGrouped { activation.scaling = .dynamicPerGroup(channels: activationLength) }
    try cursor.reserved(1)
    let channels = try cursor.word("channels", in: FormatLimits.dimensionRange)
    let weights = try section(&cursor, .weights, "weights")
    let scales = try optionalSection(&cursor, .scales, "scales")
    let offsets = try optionalSection(&cursor, .offsets, "offsets")
    let storedSums = try section(&cursor, .storedSums, "storedSums")
    let groups = try readGroups(&cursor, length, numbers)
    try cursor.reserved(4)
    return MatrixLevel(
      level: Level(weight: weight, activation: activation), channels: channels, taps: taps,
      weights: weights, scales: scales, offsets: offsets, storedSums: storedSums, groups: groups)
  }

  /// 0 or one of the lengths that groups may have; `isThere` says which where that is known.
  private func readGroupLength(
    _ cursor: inout ByteCursor, _ field: String, isThere: Bool?
  ) throws(FormatError) -> Int {
    let place = cursor.offset
    let length = try cursor.byte(field)
    guard length == 0 ? isThere != true : isThere != false && isGroupLength(length) else {
      throw cursor.fault(.outOfRange, field, at: place, got: .integer(length))
    }
    return length
  }

  /// The element type of scales and offsets of groups; nil: there are none.
  private func readGroupNumbers(
    _ cursor: inout ByteCursor, _ field: String, isThere: Bool
  ) throws(FormatError) -> GroupNumber? {
    guard !isThere else { return try cursor.tag(GroupNumber.self, field) }
    let place = cursor.offset
    let value = try cursor.byte(field)
    guard value == 0 else {
      throw cursor.fault(.reservedNotZero, field, at: place, got: .integer(value))
    }
    return nil
  }

  private mutating func readGroups(
    _ cursor: inout ByteCursor, _ length: Int, _ numbers: GroupNumber?
  ) throws(FormatError) -> LevelGroups? {
    guard let numbers else {
      for field in ["groupScales", "groupOffsets"] {
        let place = cursor.offset
        let index = try cursor.word(field)
        guard index == 0 else {
          throw cursor.fault(.reservedNotZero, field, at: place, got: .integer(index))
        }
      }
      return nil
    }
    let scales = try section(&cursor, .groupScales, "groupScales")
    return LevelGroups(
      length: length, numbers: numbers, scales: scales,
      offsets: try optionalSection(&cursor, .groupOffsets, "groupOffsets"))
  }

  func readLevelCount(
    _ cursor: inout ByteCursor, size: Int, limit: Int = FormatLimits.maximumLevels
  ) throws(FormatError) -> Int {
    let place = cursor.offset
    let count = try cursor.shortCount("levels.count", limit: limit, size: size)
    guard count > 0 else {
      throw cursor.fault(
        .outOfRange, "levels.count", at: place, got: .integer(0),
        expected: .range(1...limit))
    }
    try cursor.reserved(3)
    return count
  }
}
