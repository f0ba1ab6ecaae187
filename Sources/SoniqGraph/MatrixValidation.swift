import SoniqCore

/// The most levels that a matrix may have.
package let maximumMatrixLevels = 4

extension ConstantCheck {
  func matrix(_ matrix: PackedMatrix) throws(GraphError) {
    let padded = try paddedOutputs(matrix.outputs)
    try requireSize(matrix.inputs, "inputs")
    guard (1...maximumMatrixLevels).contains(matrix.levels.count) else {
      throw fault(.invalidLevel, "levels")
    }
    var channels = 0
    for (position, level) in matrix.levels.enumerated() {
      try matrixLevel(level, inputs: matrix.inputs, outputs: matrix.outputs, padded, position)
      channels += level.channels
    }
    guard channels == matrix.inputs else { throw fault(.shapeMismatch, "levels.channels") }
    guard matrix.levels.allSatisfy({ $0.taps == matrix.taps }) else { throw fault(.shapeMismatch, "taps") }
    let symmetric = matrix.levels.filter { $0.level.activation.kind == .symmetric }.count
    guard symmetric == 0 || symmetric == matrix.levels.count else {
      throw fault(.invalidLevel, "levels.activation.kind")
    }
    if let gather = matrix.gather { try requirePermutation(gather, matrix.inputs, "gather") }
    if let bias = matrix.bias { try requireNumbers(bias, matrix.outputs, padded, "bias") }
  }

  private func matrixLevel(
    _ level: MatrixLevel, inputs: Int, outputs: Int, _ padded: Int, _ position: Int
  ) throws(GraphError) {
    let place = "levels[\(position)]"
    guard level.level.isValid else { throw fault(.invalidLevel, place) }
    guard (1...inputs).contains(level.channels) else { throw fault(.invalidSize, "\(place).channels") }
    guard (1...maximumTaps).contains(level.taps) else { throw fault(.invalidSize, "\(place).taps") }
    try sums(level, place)
    let tile = level.level.weight.layout.tileChannels
    let planes = level.level.weight.layout == .planes ? level.level.weight.bits : 1
    let tiles = roundedUp(level.channels, to: tile).map { $0 / tile }
    let bytes = tiles.flatMap { checkedProduct($0, level.taps, 64, planes, padded / panelOutputs) }
    try requireBytes(level.weights, bytes, alignment: 64, "\(place).weights")
    if let scales = level.scales {
      try requireNumbers(scales, outputs, padded, "\(place).scales", isScale: true)
    }
    if let offsets = level.offsets { try requireNumbers(offsets, outputs, padded, "\(place).offsets") }
    try requireBytes(level.storedSums, checkedProduct(padded, 4), alignment: 4, "\(place).storedSums")
    try groups(level, padded, place)
  }

  /// Every sum of int32 that a run makes stays in int32: a dot product, or those of groups and what they share.
  private func sums(_ level: MatrixLevel, _ place: String) throws(GraphError) {
    let limit = level.groups == nil ? level.level.maximumChannels : level.level.maximumSummedChannels
    guard let count = checkedProduct(level.channels, level.taps), count <= limit else {
      throw fault(.tooManyChannels, "\(place).channels")
    }
  }

  /// Whether the numbers are finite is not checked: there are as many as weights of 1 bit, and none can do harm.
  private func groups(_ level: MatrixLevel, _ padded: Int, _ place: String) throws(GraphError) {
    guard let groups = level.groups else {
      guard level.scales != nil else { throw fault(.invalidLevel, "\(place).scales") }
      guard level.level.activation.groupLength == 0 else {
        throw fault(.invalidLevel, "\(place).activationGroupLength")
      }
      return
    }
    guard isGroupLength(groups.length), level.taps == 1, level.level.activation.kind == .symmetric else {
      throw fault(.invalidLevel, "\(place).groupLength")
    }
    guard level.level.activation.groupLength % groups.length == 0 else {
      throw fault(.invalidLevel, "\(place).activationGroupLength")
    }
    let countsUnits = groups.numbers == .uint8
    guard countsUnits == (level.scales != nil) else { throw fault(.invalidLevel, "\(place).scales") }
    guard (countsUnits && groups.offsets != nil) == (level.offsets != nil) else {
      throw fault(.invalidLevel, "\(place).offsets")
    }
    let count = checkedProduct(groups.count(channels: level.channels), padded)
    let bytes = count.flatMap { checkedProduct($0, groups.numbers.byteCount) }
    try requireBytes(groups.scales, bytes, alignment: 64, "\(place).groupScales")
    if let offsets = groups.offsets {
      try requireBytes(offsets, bytes, alignment: 64, "\(place).groupOffsets")
    }
  }
}
