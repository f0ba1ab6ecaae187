import SoniqCore
import SoniqGraph
import SoniqQuantizers

// The operators of the domain "soniq", version 1: layers with the codes that training chose.

extension OnnxConversion {
  mutating func trainedLinear() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let codes = try trainedCodes(taps: 1, groups: 1)
    let outputs = codes.codes.count / codes.channels
    let shape = draft.shape(input)
    guard shape.last == .fixed(codes.channels), shape.count >= 2 else {
      throw fault("\(draft.words(shape)) times a matrix of \(codes.channels) columns")
    }
    let weights = DraftWeights(
      outputs: outputs, inputs: codes.channels, values: codes.values,
      bias: try knownNumbers(5, "bias", count: outputs), trained: codes)
    return [append(.linear(weights), [input], shape.dropLast() + [.fixed(outputs)])]
  }

  mutating func trainedConvolution() throws(PackError) -> [ValueID] {
    let spatial = draft.rank(try input(0)) - 2
    guard let kernel = node.integers("kernel_shape"), kernel.count == spatial, kernel.allSatisfy({ $0 > 0 })
    else { throw fault("kernel_shape \(node.integers("kernel_shape") ?? [])") }
    let groups = node.integer("group", default: 1)
    let (image, height, width, channels) = try channelsLast(input(0))
    guard let taps = checkedProduct(kernel.first ?? 1, kernel.count == 2 ? kernel[1] : 1), taps <= maximumTaps
    else { throw fault("kernel_shape \(kernel)") }
    let codes = try trainedCodes(taps: taps, groups: groups)
    let outputs = codes.codes.count / (codes.channels * taps)
    guard groups > 0, codes.channels * groups == channels, outputs % groups == 0,
      codes.levels.allSatisfy({ if case .fixed = $0.activation.scaling { true } else { false } })
    else {
      throw fault("codes of \(codes.channels) channels in \(groups) groups for \(channels), or scales by row")
    }
    let bias = try knownNumbers(5, "bias", count: outputs)
    let window = try WindowAttributes(self, kernel: kernel).window(height: height, width: width)
    let shape = try windowed(window, image, height, width, outputs: outputs)
    let operation: DraftOperation
    if groups == 1, window == Window(height: 1, width: 1) {
      operation = .linear(trainedGroup(codes, 0..<outputs, bias))
    } else if groups == channels, groups == outputs, let depthwise = trainedDepthwise(codes, window, bias) {
      operation = depthwise
    } else {
      let size = outputs / groups
      operation = .convolution(
        window, groups: (0..<groups).map { trainedGroup(codes, $0 * size..<($0 + 1) * size, bias) })
    }
    return [try channelsFirst(append(operation, [image], shape), spatial: spatial)]
  }

  mutating func trainedEmbedding() throws(PackError) -> [ValueID] {
    let ids = try input(0)
    guard draft.known(ids) == nil, draft.values[ids].elementType == .int32 else {
      throw fault("its indices are not computed at run time")
    }
    guard let stored = try knownInput(1, "codes"), let integers = stored.integers, stored.shape.count == 2,
      !integers.isEmpty
    else { throw fault("its codes are no whole numbers of shape [rows, channels]") }
    let (rows, channels) = (stored.shape[0], stored.shape[1])
    guard let scales = try knownNumbers(2, "scales", count: rows) else { throw fault("it has no scales") }
    guard scales.allSatisfy({ $0 >= 0 && $0 <= 65504 }) else {
      throw fault("a scale is negative or no binary16")
    }
    guard let kinds = node.integers("weight_code"), let bits = node.integers("weight_bits"),
      let zeros = node.integers("weight_zero"), kinds.count == 1, bits.count == 1, zeros.count == 1,
      let kind = UInt8(exactly: kinds[0]).flatMap(CodeKind.trained)
    else { throw fault("its weight code is not that of one level") }
    let code = WeightCode(kind: kind, bits: bits[0], zero: zeros[0])
    guard code.isValid else { throw fault("its weight code is not valid") }
    let most = Int64(code.codeCount)
    guard integers.allSatisfy({ (0..<most).contains($0) }) else { throw fault("a code is not below \(most)") }
    let table = TrainedTable(
      rows: rows, channels: channels, code: code, codes: integers.map { UInt8($0) },
      scales: scales.map { Binary16.bits($0) }, blockLength: channels)
    return [append(.trainedEmbedding(table), [ids], draft.shape(ids) + [.fixed(channels)])]
  }

  /// The outputs of one group.
  private func trainedGroup(_ codes: TrainedCodes, _ outputs: Range<Int>, _ bias: [Float]?) -> DraftWeights {
    let inputs = codes.taps * codes.channels
    var part = codes
    part.codes = Array(codes.codes[outputs.lowerBound * inputs..<outputs.upperBound * inputs])
    part.scales = codes.scales.map { Array($0[outputs]) }
    part.offsets = codes.offsets?.map { Array($0[outputs]) }
    return DraftWeights(
      outputs: outputs.count, inputs: inputs, values: part.values, bias: bias.map { Array($0[outputs]) },
      trained: part)
  }

  /// One channel a group, at 8 bits without offsets; nil for other levels, which run as groups.
  private func trainedDepthwise(_ codes: TrainedCodes, _ window: Window, _ bias: [Float]?) -> DraftOperation?
  {
    let level = codes.levels[0]
    guard level.weight == .symmetric(8), level.activation.kind == .affine, level.activation.bits == 8,
      codes.offsets?[0].allSatisfy({ $0 == 0 }) ?? true,
      case .fixed(let scale, let zero) = level.activation.scaling
    else { return nil }
    let (channels, values) = (codes.scales[0].count, codes.values)
    var taps = [Float](repeating: 0, count: values.count)
    for channel in 0..<channels {
      for tap in 0..<window.taps { taps[tap * channels + channel] = values[channel * window.taps + tap] }
    }
    let grid = CodeGrid(
      scales: codes.scales[0], zeros: [Int](repeating: 128, count: channels), axis: 0, isSigned: false,
      activation: ActivationGrid(scale: scale, zero: zero))
    return .depthwise(window, weights: taps, bias: bias, grid: grid)
  }

  // MARK: Inputs and attributes

  /// Inputs 1 to 4 and the attributes of a trained layer, checked.
  private mutating func trainedCodes(taps: Int, groups: Int) throws(PackError) -> TrainedCodes {
    guard let stored = try knownInput(1, "codes"), let integers = stored.integers, stored.shape.count >= 2,
      let outputs = stored.shape.first, let channels = stored.shape.dropFirst().first, outputs > 0,
      channels > 0,
      let count = checkedProduct(outputs, channels, taps), integers.count == count
    else { throw fault("its codes are no whole numbers of shape [outputs, channels, taps...]") }
    let levels = try trainedLevels()
    let mapped = try knownInput(2, "channel_levels")?.integers ?? [Int64](repeating: 0, count: channels)
    guard mapped.count == channels, mapped.allSatisfy({ (0..<Int64(levels.count)).contains($0) }),
      groups == 1 || levels.count == 1
    else { throw fault("its channel_levels are not \(channels) numbers below \(levels.count)") }
    guard let scales = try levelLists(3, "scales", levels.count, outputs) else {
      throw fault("it has no scales")
    }
    guard scales.joined().allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw fault("a scale is negative or infinite")
    }
    // [outputs][channels][taps] as [outputs][taps][channels].
    var codes = [UInt8](repeating: 0, count: count)
    for output in 0..<outputs {
      for channel in 0..<channels {
        let most = Int64(levels[Int(mapped[channel])].weight.codeCount)
        for tap in 0..<taps {
          let code = integers[(output * channels + channel) * taps + tap]
          guard (0..<most).contains(code) else { throw fault("code \(code) of a level of \(most) codes") }
          codes[(output * taps + tap) * channels + channel] = UInt8(code)
        }
      }
    }
    return TrainedCodes(
      levels: levels, channelLevels: mapped.map { UInt8($0) }, taps: taps, codes: codes, scales: scales,
      offsets: try levelLists(4, "offsets", levels.count, outputs))
  }

  private mutating func levelLists(
    _ index: Int, _ what: String, _ levels: Int, _ outputs: Int
  ) throws(PackError) -> [[Float]]? {
    guard let known = try knownInput(index, what) else { return nil }
    guard let floats = known.floats, floats.count == levels * outputs, floats.allSatisfy(\.isFinite) else {
      throw fault("its \(what) of shape \(known.shape) should be \(levels) x \(outputs) finite numbers")
    }
    return (0..<levels).map { Array(floats[$0 * outputs..<($0 + 1) * outputs]) }
  }

  private func trainedLevels() throws(PackError) -> [Level] {
    func list(_ key: String) throws(PackError) -> [Int] {
      guard let list = node.integers(key), (1...2).contains(list.count) else {
        throw fault("\(key) is missing or has not 1 or 2 entries")
      }
      return list
    }
    let (kinds, bits, zeros) = (try list("weight_code"), try list("weight_bits"), try list("weight_zero"))
    let (sides, widths) = (try list("activation_code"), try list("activation_bits"))
    let (places, scales) = (try list("activation_zero"), node.reals("activation_scale") ?? [])
    guard [bits, zeros, sides, widths, places].allSatisfy({ $0.count == kinds.count }),
      scales.count == kinds.count
    else { throw fault("its lists of levels have different lengths") }
    var levels: [Level] = []
    for index in kinds.indices {
      guard let kind = UInt8(exactly: kinds[index]).flatMap(CodeKind.trained),
        let side = UInt8(exactly: sides[index]).flatMap(CodeKind.trained)
      else { throw fault("code kinds \(kinds[index]), \(sides[index]): 1 is bipolar, 2 is affine") }
      let scaling: ActivationCode.Scaling =
        node.flag("activation_fixed")
        ? .fixed(scale: scales[index], zero: places[index]) : .dynamicPerRow
      let level = Level(
        weight: WeightCode(kind: kind, bits: bits[index], zero: zeros[index]),
        activation: ActivationCode(kind: side, bits: widths[index], scaling: scaling))
      guard level.isValid else { throw fault("level \(index) is not valid") }
      levels.append(level)
    }
    return levels
  }
}

extension CodeKind {
  /// The kind of a tag of the operators.
  fileprivate static func trained(_ tag: UInt8) -> CodeKind? {
    CodeKind(rawValue: tag).flatMap { $0.isPlain ? $0 : nil }
  }
}
