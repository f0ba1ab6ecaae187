import SoniqCore
package import SoniqGraph

/// Puts codes, scales and a channel map together as a matrix in the layout of the file and the kernels.
package struct PackedMatrixBuilder {
  package let store: ConstantStore

  /// * store: keeps the bytes of every matrix built; must outlive them.
  package init(store: ConstantStore) { self.store = store }

  /// * runs: one or two levels, in the order of the sorted channels.
  /// * gather: sorted position -> input channel, or nil when the channels are already sorted.
  /// * bias: [outputs], or nil.
  /// - Throws: when a size, code, number or map does not fit, or a dot product could leave int32.
  package func matrix(
    outputs: Int, runs: [QuantizedRun], gather: [UInt32]? = nil, bias: [Float]? = nil
  ) throws(QuantizationError) -> PackedMatrix {
    guard (1...2).contains(runs.count) else { throw .size(.levels, got: runs.count, expected: 1) }
    guard outputs > 0, let paddedOutputs = roundedUp(outputs, to: panelOutputs) else { throw .tooLarge }
    var inputs = 0
    var levels: [MatrixLevel] = []
    for (index, run) in runs.enumerated() {
      levels.append(try level(run, index, outputs, paddedOutputs))
      let (sum, overflow) = inputs.addingReportingOverflow(run.channels)
      guard !overflow else { throw .tooLarge }
      inputs = sum
    }
    if let gather, let position = firstPermutationFault(gather, count: inputs) {
      throw .notAPermutation(.gather, position: position)
    }
    if let bias { try checkNumbers(bias, .bias, count: outputs) }
    return PackedMatrix(
      outputs: outputs, inputs: inputs, levels: levels, gather: gather.map { store.store($0) },
      bias: bias.map { store.store($0, paddedTo: paddedOutputs) })
  }

  private func level(
    _ run: QuantizedRun, _ index: Int, _ outputs: Int, _ paddedOutputs: Int
  ) throws(QuantizationError) -> MatrixLevel {
    guard run.level.isValid else { throw .invalidLevel(index: index) }
    let tile = run.level.weight.layout.tileChannels
    guard run.channels > 0, run.taps > 0, let channels = checkedProduct(run.channels, run.taps),
      let count = checkedProduct(channels, outputs), let padded = roundedUp(run.channels, to: tile),
      let stored = run.taps == 1 ? run.channels : checkedProduct(padded, run.taps),
      let packing = WeightPacking(code: run.level.weight, outputs: outputs, channels: stored)
    else { throw .tooLarge }
    // Sums of products are those of a group.
    guard min(channels, run.groups?.length ?? channels) <= run.level.maximumChannels else {
      throw .tooManyChannels(level: index, got: channels, limit: run.level.maximumChannels)
    }
    guard run.codes.count == count else {
      throw .size(.codes, got: run.codes.count, expected: count)
    }
    if let place = run.codes.firstIndex(where: { Int($0) >= run.level.weight.codeCount }) {
      throw .codeOutOfRange(level: index, index: place, code: Int(run.codes[place]))
    }
    if run.groups == nil { try checkNumbers(run.scales, .scales, count: outputs, allowNegative: false) }
    if let offsets = run.offsets { try checkNumbers(offsets, .offsets, count: outputs) }
    let weights = AlignedBuffer(byteCount: packing.byteCount)
    let storedCodes = run.taps == 1 ? run.codes : paddedTaps(run, to: padded)
    storedCodes.withUnsafeBufferPointer {
      packing.pack($0, into: UnsafeMutableRawBufferPointer(start: weights.start, count: weights.count))
    }
    // Of the true channels: what is padded need not be 0 in a codebook.
    let sums = run.codes.withUnsafeBufferPointer {
      WeightPacking(code: run.level.weight, outputs: outputs, channels: channels)?.storedSums($0)
    }
    guard let sums else { throw .tooLarge }
    return MatrixLevel(
      level: run.level, channels: run.channels, taps: run.taps, weights: store.keep(weights),
      scales: run.groups == nil ? store.store(run.scales, paddedTo: paddedOutputs) : nil,
      offsets: run.offsets.map { store.store($0, paddedTo: paddedOutputs) },
      storedSums: store.store(sums), groups: try groups(run, index, outputs))
  }

  /// The numbers of a run's groups, as binary16 where that holds all of them.
  private func groups(
    _ run: QuantizedRun, _ index: Int, _ outputs: Int
  ) throws(QuantizationError) -> LevelGroups? {
    guard let groups = run.groups else { return nil }
    guard isGroupLength(groups.length), run.taps == 1, run.level.activation.kind == .symmetric,
      run.level.activation.groupLength % groups.length == 0
    else { throw .invalidLevel(index: index) }
    let perOutput = (run.channels - 1) / groups.length + 1
    guard let count = checkedProduct(outputs, perOutput),
      let stored = roundedUp(outputs, to: panelOutputs).flatMap({ checkedProduct($0, perOutput) })
    else { throw .tooLarge }
    try checkNumbers(groups.scales, .scales, count: count)
    if let offsets = groups.offsets { try checkNumbers(offsets, .offsets, count: count) }
    let isHalf = (groups.scales + (groups.offsets ?? [])).allSatisfy {
      Binary16.value(Binary16.bits($0)).bitPattern == $0.bitPattern
    }
    func tiled(_ numbers: [Float]) -> ConstantBytes {
      var all = [Float](repeating: 0, count: stored)
      for output in 0..<outputs {
        for group in 0..<perOutput {
          let panel = output / panelOutputs * perOutput + group
          all[panel * panelOutputs + output % panelOutputs] = numbers[output * perOutput + group]
        }
      }
      return isHalf ? store.store(all.map { Binary16.bits($0) }) : store.store(all)
    }
    return LevelGroups(
      length: groups.length, numbers: isHalf ? .float16 : .float32, scales: tiled(groups.scales),
      offsets: groups.offsets.map(tiled))
  }

  /// The codes with the channels of every tap padded; what is padded is stored as 0.
  private func paddedTaps(_ run: QuantizedRun, to padded: Int) -> [UInt8] {
    guard padded != run.channels else { return run.codes }
    let rows = run.codes.count / run.channels
    let filler = UInt8(run.level.weight.storedBias)
    var codes = [UInt8](repeating: filler, count: rows * padded)
    for row in 0..<rows {
      for channel in 0..<run.channels {
        codes[row * padded + channel] = run.codes[row * run.channels + channel]
      }
    }
    return codes
  }

  private func checkNumbers(
    _ numbers: [Float], _ field: QuantizationError.Field, count: Int, allowNegative: Bool = true
  ) throws(QuantizationError) {
    guard numbers.count == count else { throw .size(field, got: numbers.count, expected: count) }
    if let index = numbers.firstIndex(where: { !$0.isFinite || (!allowNegative && $0 < 0) }) {
      throw .invalidNumber(field, index: index)
    }
  }
}
