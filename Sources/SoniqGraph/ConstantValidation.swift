import SoniqCore

extension Graph {
  /// Checks the sizes, codes, scales and maps of one constant. Weights themselves are not read: every
  /// bit pattern of them is a number.
  func validateConstant(_ index: ConstantID) throws(GraphError) {
    switch constants[index] {
    case .dense(let dense): try ConstantCheck(index).dense(dense)
    case .floatMatrix(let matrix): try ConstantCheck(index).floatMatrix(matrix)
    case .matrix(let matrix): try ConstantCheck(index).matrix(matrix)
    case .table(let table): try ConstantCheck(index).table(table)
    case .depthwise(let depthwise): try ConstantCheck(index).depthwise(depthwise)
    }
  }
}

extension PackedMatrix {
  /// Checks a matrix that belongs to no graph.
  package func validate() throws(GraphError) { try ConstantCheck(0).matrix(self) }
}

/// The checks of one constant; remembers its index for the errors.
struct ConstantCheck {
  let index: ConstantID
  init(_ index: ConstantID) { self.index = index }

  func fault(_ code: GraphError.Code, _ field: String, _ element: Int? = nil) -> GraphError {
    GraphError(code, constant: index, field: field, element: element)
  }

  func dense(_ dense: DenseConstant) throws(GraphError) {
    guard (1...maximumRank).contains(dense.shape.count) else { throw fault(.invalidSize, "shape") }
    var count = dense.elementType.byteCount
    for (position, size) in dense.shape.enumerated() {
      try requireSize(size, "shape", position)
      guard let product = checkedProduct(count, size) else { throw fault(.invalidSize, "shape", position) }
      count = product
    }
    try requireBytes(dense.bytes, count, alignment: dense.elementType.byteCount, "bytes")
  }

  func floatMatrix(_ matrix: FloatMatrix) throws(GraphError) {
    let padded = try paddedOutputs(matrix.outputs)
    try requireSize(matrix.inputs, "inputs")
    try requireBytes(matrix.panels, checkedProduct(padded, matrix.inputs, 4), alignment: 4, "panels")
    if let bias = matrix.bias { try requireNumbers(bias, matrix.outputs, padded, "bias") }
  }

  func depthwise(_ depthwise: PackedDepthwise) throws(GraphError) {
    try requireSize(depthwise.channels, "channels")
    guard (1...maximumTaps).contains(depthwise.taps) else { throw fault(.invalidSize, "taps") }
    guard depthwise.level.isValid, depthwise.level.weight.isPlain, depthwise.level.activation.kind == .affine,
      case .fixed = depthwise.level.activation.scaling
    else {
      throw fault(.invalidLevel, "level")
    }
    guard depthwise.taps <= depthwise.level.maximumChannels else { throw fault(.tooManyChannels, "taps") }
    guard let padded = roundedUp(depthwise.channels, to: panelOutputs), padded <= maximumDimension else {
      throw fault(.invalidSize, "channels")
    }
    try requireBytes(depthwise.weights, checkedProduct(depthwise.taps, padded), alignment: 16, "weights")
    try requireNumbers(depthwise.scales, depthwise.channels, padded, "scales", isScale: true)
  }

  func table(_ table: PackedTable) throws(GraphError) {
    try requireSize(table.rows, "rows")
    try requireSize(table.channels, "channels")
    guard (1...2).contains(table.levels.count) else { throw fault(.invalidLevel, "levels") }
    var channels = 0
    for (position, level) in table.levels.enumerated() {
      try tableLevel(level, of: table, position)
      channels += level.channels
    }
    guard channels == table.channels else { throw fault(.shapeMismatch, "levels.channels") }
    if let scatter = table.scatter { try requirePermutation(scatter, table.channels, "scatter") }
  }

  private func tableLevel(
    _ level: TableLevel, of table: PackedTable, _ position: Int
  ) throws(GraphError) {
    let place = "levels[\(position)]"
    guard level.code.isValid, level.code.isPlain else { throw fault(.invalidLevel, place) }
    guard (1...table.channels).contains(level.channels) else {
      throw fault(.invalidSize, "\(place).channels")
    }
    let isWholeRow = level.blockLength == level.channels
    guard
      isWholeRow
        || (level.blockLength > 0 && level.blockLength % 8 == 0 && level.blockLength <= level.channels)
    else { throw fault(.invalidSize, "\(place).blockLength") }
    // channels <= Int32.max and bits <= 8: neither stride can overflow.
    try requireBytes(
      level.codes, checkedProduct(table.rows, level.rowStride), alignment: 1, "\(place).codes")
    let scaleCount = checkedProduct(table.rows, level.blockCount)
    try requireBytes(
      level.scales, scaleCount.flatMap { checkedProduct($0, 2) }, alignment: 2, "\(place).scales")
    for (element, half) in level.scales.bound(to: UInt16.self).enumerated() where half >= 0x7c00 {
      throw fault(.invalidNumber, "\(place).scales", element)
    }
  }
}

extension ConstantCheck {
  func requireSize(_ size: Int, _ field: String, _ element: Int? = nil) throws(GraphError) {
    guard (1...maximumDimension).contains(size) else { throw fault(.invalidSize, field, element) }
  }

  func paddedOutputs(_ outputs: Int) throws(GraphError) -> Int {
    try requireSize(outputs, "outputs")
    guard let padded = roundedUp(outputs, to: panelOutputs), padded <= maximumDimension else {
      throw fault(.invalidSize, "outputs")
    }
    return padded
  }

  func requireBytes(
    _ bytes: ConstantBytes, _ count: Int?, alignment: Int, _ field: String
  ) throws(GraphError) {
    guard bytes.count == count else { throw fault(.wrongByteCount, field) }
    guard Int(bitPattern: bytes.start) & (alignment - 1) == 0 else { throw fault(.misaligned, field) }
  }

  /// `count` finite floats, then zeros up to `padded`. A scale is not negative; 0 is right for a row of
  /// zeros, so it is allowed.
  func requireNumbers(
    _ bytes: ConstantBytes, _ count: Int, _ padded: Int, _ field: String, isScale: Bool = false
  ) throws(GraphError) {
    try requireBytes(bytes, checkedProduct(padded, 4), alignment: 4, field)
    for (element, number) in bytes.bound(to: Float.self).enumerated() {
      let isValid = element < count ? number.isFinite && (!isScale || number >= 0) : number == 0
      guard isValid else { throw fault(.invalidNumber, field, element) }
    }
  }

  func requirePermutation(
    _ bytes: ConstantBytes, _ count: Int, _ field: String
  ) throws(GraphError) {
    try requireBytes(bytes, checkedProduct(count, 4), alignment: 4, field)
    var isTaken = [Bool](repeating: false, count: count)
    for (element, channel) in bytes.bound(to: UInt32.self).enumerated() {
      guard channel < UInt32(count), !isTaken[Int(channel)] else {
        throw fault(.notAPermutation, field, element)
      }
      isTaken[Int(channel)] = true
    }
  }
}
