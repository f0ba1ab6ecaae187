import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// What becomes of a decoder's matrices.
enum WeightTreatment: Sendable, Hashable {
  /// Codes and scales of the file as they are, other numbers as float32.
  case kept
  case float
  /// Codes of the file as they are, other numbers rounded.
  case keptOrRounded(GroupRounding)
  /// Rounded to the nearest codes.
  case rounded(GroupRounding, words: WordRounding)
  /// Float32 that `CalibratedDecoder` rounds once the model is imported.
  case calibrated(GroupRounding, words: WordRounding)

  /// Whether a file's codes stay, those of words or others.
  func keepsCodes(ofWords: Bool) -> Bool {
    switch self {
    case .kept, .keptOrRounded: true
    case .float: false
    case .rounded(_, let words), .calibrated(_, let words): ofWords && words.keepsCodes
    }
  }

  /// nil where numbers become float32.
  func rounding(ofWords: Bool) -> GroupRounding? {
    switch self {
    case .kept, .float: nil
    case .keptOrRounded(let rounding): rounding
    case .rounded(let rounding, let words): ofWords ? words.rounding : rounding
    case .calibrated(_, let words): ofWords && !words.isStated ? words.rounding : nil
    }
  }
}

/// What becomes of the words' table and of the output matrix.
struct WordRounding: Sendable, Hashable {
  var rounding: GroupRounding
  /// Whether the user said so. Otherwise codes that the file has for words stay, and texts do not count: both are better
  /// than what eight new bits could be.
  var isStated = false

  var keepsCodes: Bool { !isStated }
}

/// Rows of real numbers in a file.
protocol StoredRows {
  var count: Int { get }
  var length: Int { get }
  /// - Throws: `data` for numbers that are not finite.
  func read(_ row: Int, into target: UnsafeMutableBufferPointer<Float>) throws(PackError)
  func fault(_ message: String) -> PackError
}

/// Rows of files as constants, read one by one: beside what is kept, a tensor of any size takes next to nothing.
struct DecoderMatrices {
  let store: ConstantStore
  let treatment: WeightTreatment

  static let tooLarge = "too large to be packed"

  /// Some rows as the outputs of a layer.
  /// * isOfWords: whether it is the output matrix.
  func matrix(
    _ source: some StoredRows, rows: Range<Int>, bias: [Float]?, isOfWords: Bool
  ) throws(PackError) -> Constant {
    if let rounding = treatment.rounding(ofWords: isOfWords) {
      return .matrix(try rounded(source, rounding, rows: rows, bias: bias))
    }
    let padded = (rows.count + panelOutputs - 1) / panelOutputs * panelOutputs
    guard let count = checkedProduct(padded, source.length, 4) else { throw source.fault(Self.tooLarge) }
    let buffer = AlignedBuffer(byteCount: count)
    let panels = buffer.bound(to: Float.self)
    let scratch = AlignedBuffer(byteCount: source.length * MemoryLayout<Float>.stride)
    let row = scratch.bound(to: Float.self)
    for output in 0..<rows.count {
      try source.read(rows.lowerBound + output, into: row)
      let start = output / panelOutputs * panelOutputs * source.length + output % panelOutputs
      for input in 0..<source.length { panels[start + input * panelOutputs] = row[input] }
    }
    withExtendedLifetime(scratch) {}
    return .floatMatrix(
      FloatMatrix(
        outputs: rows.count, inputs: source.length, panels: store.keep(buffer),
        bias: bias.map { store.store($0, paddedTo: padded) }))
  }

  /// Rows of codes: as they are, or what they stand for as other rows.
  func matrix(
    codes source: some StoredCodes, rows: Range<Int>, bias: [Float]?, isOfWords: Bool
  ) throws(PackError) -> Constant {
    guard treatment.keepsCodes(ofWords: isOfWords) else {
      return try matrix(source, rows: rows, bias: bias, isOfWords: isOfWords)
    }
    guard let matrix = GroupedMatrix(source.layout, outputs: rows.count, channels: source.length) else {
      throw source.fault(Self.tooLarge)
    }
    let packed = try matrix.packed(store: store, bias: bias) { (output, codes, numbers) throws(PackError) in
      try source.decodeFinite(rows.lowerBound + output, codes, numbers)
    }
    return .matrix(packed)
  }

  /// All rows, to be looked up: a matrix that may be that of a layer too, or float32.
  func table(_ source: some StoredRows) throws(PackError) -> Constant {
    if let rounding = treatment.rounding(ofWords: true) {
      return .matrix(try rounded(source, rounding, rows: 0..<source.count, bias: nil))
    }
    guard let count = checkedProduct(source.count, source.length, 4) else {
      throw source.fault(Self.tooLarge)
    }
    let buffer = AlignedBuffer(byteCount: count)
    let floats = buffer.bound(to: Float.self)
    for row in 0..<source.count {
      let part = row * source.length..<(row + 1) * source.length
      try source.read(row, into: UnsafeMutableBufferPointer(rebasing: floats[part]))
    }
    return .dense(
      DenseConstant(
        elementType: .float32, shape: [source.count, source.length], bytes: store.keep(buffer)))
  }

  private func rounded(
    _ source: some StoredRows, _ rounding: GroupRounding, rows: Range<Int>, bias: [Float]?
  ) throws(PackError) -> PackedMatrix {
    guard let matrix = GroupedMatrix(rounding.layout, outputs: rows.count, channels: source.length) else {
      throw source.fault(Self.tooLarge)
    }
    let scratch = AlignedBuffer(byteCount: source.length * MemoryLayout<Float>.stride)
    defer { withExtendedLifetime(scratch) {} }
    let row = scratch.bound(to: Float.self)
    return try matrix.packed(store: store, bias: bias) { (output, codes, numbers) throws(PackError) in
      try source.read(rows.lowerBound + output, into: row)
      guard let channel = rounding.round(UnsafeBufferPointer(row), codes, numbers) else { return }
      throw source.fault(
        "the numbers from [\(rows.lowerBound + output), \(channel)] on are too large for scales of 16 bits; "
          + "--palette f32 packs them")
    }
  }
}
