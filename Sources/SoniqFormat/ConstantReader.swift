import SoniqCore
import SoniqGraph

/// Reads the table of constants. Every data section belongs to exactly one field, in file order.
struct ConstantReader {
  let file: UnsafeRawBufferPointer
  let sections: [Section]
  let version: Int
  let channelMaps: AlignedBuffer
  private(set) var constants: [Constant] = []
  private(set) var names: [String] = []
  /// File offsets of the records.
  private(set) var places: [Int] = []
  private var nextSection: Int
  private var channelMapPosition = 0

  init(file: UnsafeRawBufferPointer, directory: SectionDirectory, channelMaps: AlignedBuffer) {
    self.file = file
    sections = directory.sections
    version = directory.version
    nextSection = directory.tableCount
    self.channelMaps = channelMaps
  }

  mutating func readAll(_ cursor: inout ByteCursor) throws(FormatError) {
    let count = try cursor.count("count", limit: FormatLimits.maximumConstants, size: 15)
    constants.reserveCapacity(count)
    names.reserveCapacity(count)
    places.reserveCapacity(count)
    var seen = Set<TextBytes>()
    for index in 0..<count {
      cursor.record = index
      places.append(cursor.offset)
      names.append(try cursor.uniqueName("name", in: &seen))
      constants.append(try readConstant(&cursor))
    }
    guard nextSection == sections.count else {
      throw FormatError(
        .wrongSection, offset: Section.entryOffset(nextSection), field: "directory[\(nextSection)]",
        got: .integer(sections.count), expected: .integer(nextSection))
    }
  }

  private mutating func readConstant(_ cursor: inout ByteCursor) throws(FormatError) -> Constant {
    let place = cursor.offset
    let tag = try cursor.tag(ConstantTag.self, "type")
    guard tag.version <= version else {
      throw cursor.fault(.unknownTag, "type", at: place, got: .integer(Int(tag.rawValue)))
    }
    switch tag {
    case .dense: return .dense(try readDense(&cursor))
    case .floatMatrix: return .floatMatrix(try readFloatMatrix(&cursor))
    case .matrix, .convolutionMatrix, .levelMatrix: return .matrix(try readMatrix(&cursor, tag))
    case .depthwise: return .depthwise(try readDepthwise(&cursor))
    case .table: return .table(try readTable(&cursor))
    }
  }

  private mutating func readDense(_ cursor: inout ByteCursor) throws(FormatError) -> DenseConstant {
    let elementType = try cursor.tag(ElementType.self, "elementType", version: version)
    let rank = try ModelReader.readRank(&cursor)
    var shape: [Int] = []
    shape.reserveCapacity(rank)
    for _ in 0..<rank { shape.append(try cursor.word("shape", in: FormatLimits.dimensionRange)) }
    return DenseConstant(
      elementType: elementType, shape: shape, bytes: try section(&cursor, .dense, "bytes"))
  }

  private mutating func readFloatMatrix(_ cursor: inout ByteCursor) throws(FormatError) -> FloatMatrix {
    let outputs = try cursor.word("outputs", in: FormatLimits.dimensionRange)
    let inputs = try cursor.word("inputs", in: FormatLimits.dimensionRange)
    let panels = try section(&cursor, .floatPanels, "panels")
    return FloatMatrix(
      outputs: outputs, inputs: inputs, panels: panels, bias: try optionalSection(&cursor, .bias, "bias"))
  }

  private mutating func readDepthwise(_ cursor: inout ByteCursor) throws(FormatError) -> PackedDepthwise {
    let channels = try cursor.word("channels", in: FormatLimits.dimensionRange)
    let taps = try cursor.word("taps", in: FormatLimits.dimensionRange)
    let weight = try LevelCoding.readWeightCode(&cursor, "weight")
    let activation = try LevelCoding.readActivationCode(&cursor, "activation")
    let weights = try section(&cursor, .depthwiseWeights, "weights")
    return PackedDepthwise(
      channels: channels, taps: taps, level: Level(weight: weight, activation: activation), weights: weights,
      scales: try section(&cursor, .scales, "scales"))
  }

  private mutating func readTable(_ cursor: inout ByteCursor) throws(FormatError) -> PackedTable {
    let rows = try cursor.word("rows", in: FormatLimits.dimensionRange)
    let channels = try cursor.word("channels", in: FormatLimits.dimensionRange)
    let levelCount = try readLevelCount(&cursor, size: 20)
    let scatter = try optionalSection(&cursor, .channelMap, "scatter")
    var levels: [TableLevel] = []
    levels.reserveCapacity(levelCount)
    for index in 0..<levelCount {
      cursor.prefix = "levels[\(index)]."
      let code = try LevelCoding.readWeightCode(&cursor, "code")
      let channels = try cursor.word("channels", in: FormatLimits.dimensionRange)
      let blockLength = try cursor.word("blockLength", in: FormatLimits.dimensionRange)
      let codes = try section(&cursor, .tableCodes, "codes")
      let scales = try section(&cursor, .tableScales, "scales")
      levels.append(
        TableLevel(code: code, channels: channels, blockLength: blockLength, codes: codes, scales: scales))
    }
    cursor.prefix = ""
    return PackedTable(rows: rows, channels: channels, levels: levels, scatter: scatter)
  }
}

extension ConstantReader {
  mutating func section(
    _ cursor: inout ByteCursor, _ kind: SectionKind, _ field: String
  ) throws(FormatError) -> ConstantBytes {
    let place = cursor.offset
    let index = try cursor.word(field)
    guard index == nextSection, index < sections.count, sections[index].kind == kind else {
      throw cursor.fault(
        .wrongSection, field, at: place, got: .integer(index), expected: .integer(nextSection))
    }
    nextSection += 1
    guard let bytes = bytes(of: sections[index]) else {
      throw cursor.fault(.truncated, field, at: place, got: .integer(0))
    }
    return bytes
  }

  /// As `section`; index 0 means that there is none.
  mutating func optionalSection(
    _ cursor: inout ByteCursor, _ kind: SectionKind, _ field: String
  ) throws(FormatError) -> ConstantBytes? {
    var ahead = cursor
    guard try ahead.word(field) != 0 else {
      cursor = ahead
      return nil
    }
    return try section(&cursor, kind, field)
  }

  /// nil only for a file without an address, which has no sections.
  private mutating func bytes(of section: Section) -> ConstantBytes? {
    guard section.kind == .channelMap else {
      return file.baseAddress.map { ConstantBytes(start: $0 + section.offset, count: section.length) }
    }
    let start = UnsafeRawPointer(channelMaps.start + channelMapPosition)
    channelMapPosition += (section.length + 63) / 64 * 64
    return ConstantBytes(start: start, count: section.length)
  }
}
