import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Tensors of a GGUF file as constants. A panel of 16 rows is taken apart at a time: beside what is kept, a tensor of any
/// size takes no more memory than that.
struct GGUFMatrices {
  let store: ConstantStore
  /// Whether codes and scales stay as they are; else all weights become float32.
  let keepsCodes: Bool

  /// Activations of 8 bits have a scale for so many channels where groups of weights are no longer.
  private static let activationGroup = 64

  /// Rows of a tensor as the outputs of a layer.
  /// - Throws: `data` for a type that cannot be packed, or numbers that are not finite.
  func matrix(_ tensor: GGUFTensor, rows: Range<Int>, bias: [Float]?) throws(PackError) -> Constant {
    let source = try GGUFRows(tensor)
    if keepsCodes, let format = BlockFormat(tensor.type) {
      return .matrix(try packed(tensor, format, rows: rows, bias: bias))
    }
    guard let count = checkedProduct(paddedOutputs(rows), source.length, 4) else { throw tooLarge(tensor) }
    let buffer = AlignedBuffer(byteCount: count)
    let panels = buffer.bound(to: Float.self)
    try Self.scratch(source.length) { (row) throws(PackError) in
      for output in 0..<rows.count {
        try source.read(rows.lowerBound + output, into: row)
        let start = output / panelOutputs * panelOutputs * source.length + output % panelOutputs
        for input in 0..<source.length { panels[start + input * panelOutputs] = row[input] }
      }
    }
    return .floatMatrix(
      FloatMatrix(
        outputs: rows.count, inputs: source.length, panels: store.keep(buffer), bias: padded(bias, rows)))
  }

  /// A tensor as the rows of a lookup: a matrix that may be that of a layer too, or float32.
  func table(_ tensor: GGUFTensor) throws(PackError) -> Constant {
    let source = try GGUFRows(tensor)
    let rows = 0..<source.count
    if keepsCodes, let format = BlockFormat(tensor.type) {
      return .matrix(try packed(tensor, format, rows: rows, bias: nil))
    }
    guard let count = checkedProduct(source.count, source.length, 4) else { throw tooLarge(tensor) }
    let buffer = AlignedBuffer(byteCount: count)
    let floats = buffer.bound(to: Float.self)
    for row in rows {
      let part = row * source.length..<(row + 1) * source.length
      try source.read(row, into: UnsafeMutableBufferPointer(rebasing: floats[part]))
    }
    return .dense(
      DenseConstant(
        elementType: .float32, shape: [source.count, source.length], bytes: store.keep(buffer)))
  }

  private func paddedOutputs(_ rows: Range<Int>) -> Int {
    (rows.count + panelOutputs - 1) / panelOutputs * panelOutputs
  }

  private func padded(_ bias: [Float]?, _ rows: Range<Int>) -> ConstantBytes? {
    bias.map { store.store($0, paddedTo: paddedOutputs(rows)) }
  }

  private func tooLarge(_ tensor: GGUFTensor) -> PackError { tensor.fault("too large to be packed") }

  private static func scratch(
    _ count: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws(PackError) -> Void
  ) throws(PackError) {
    let buffer = AlignedBuffer(byteCount: count * MemoryLayout<Float>.stride)
    defer { withExtendedLifetime(buffer) {} }
    try body(buffer.bound(to: Float.self))
  }

  // MARK: Codes

  private func packed(
    _ tensor: GGUFTensor, _ format: BlockFormat, rows: Range<Int>, bias: [Float]?
  ) throws(PackError) -> PackedMatrix {
    let channels = tensor.shape[tensor.shape.count - 1]
    let groups = (channels + format.groupLength - 1) / format.groupLength
    guard let packing = WeightPacking(code: format.code, outputs: rows.count, channels: channels),
      let numberBytes = checkedProduct(packing.paddedOutputs, groups, format.numbers.byteCount)
    else { throw tooLarge(tensor) }
    let weights = AlignedBuffer(byteCount: packing.byteCount)
    let sums = AlignedBuffer(byteCount: packing.paddedOutputs * 4)
    let scales = AlignedBuffer(byteCount: numberBytes)
    let offsets = format.hasOffsets ? AlignedBuffer(byteCount: numberBytes) : nil
    let panel = GGUFPanel(tensor, format, groups: groups)
    for index in 0..<packing.panelCount {
      let first = rows.lowerBound + index * panelOutputs
      try panel.read(first..<min(first + panelOutputs, rows.upperBound))
      try panel.write(
        weights: weights.start + index * packing.panelStride,
        sums: sums.start + index * panelOutputs * 4,
        scales: scales.start + index * groups * panelOutputs * format.numbers.byteCount,
        offsets: offsets.map { $0.start + index * groups * panelOutputs * format.numbers.byteCount })
    }
    let scaling = ActivationCode.Scaling.dynamicPerGroup(
      channels: max(format.groupLength, Self.activationGroup))
    let level = MatrixLevel(
      level: Level(
        weight: format.code, activation: ActivationCode(kind: .symmetric, bits: 8, scaling: scaling)),
      channels: channels, weights: store.keep(weights), scales: nil, storedSums: store.keep(sums),
      groups: LevelGroups(
        length: format.groupLength, numbers: format.numbers, scales: store.keep(scales),
        offsets: offsets.map { store.keep($0) }))
    return PackedMatrix(outputs: rows.count, inputs: channels, levels: [level], bias: padded(bias, rows))
  }
}

/// Up to 16 rows of blocks on their way into a panel.
private final class GGUFPanel {
  private let tensor: GGUFTensor
  private let format: BlockFormat
  private let channels: Int
  private let groups: Int
  private var rows = 0
  /// [row][channel]
  private let codes: AlignedBuffer
  /// [row][group]
  private let scales: AlignedBuffer
  private let offsets: AlignedBuffer

  init(_ tensor: GGUFTensor, _ format: BlockFormat, groups: Int) {
    (self.tensor, self.format, self.groups) = (tensor, format, groups)
    channels = tensor.shape[tensor.shape.count - 1]
    codes = AlignedBuffer(byteCount: panelOutputs * channels)
    scales = AlignedBuffer(byteCount: panelOutputs * groups * 4)
    offsets = AlignedBuffer(byteCount: panelOutputs * groups * 4)
  }

  func read(_ range: Range<Int>) throws(PackError) {
    rows = range.count
    let (length, blockBytes) = (tensor.type.blockLength, tensor.type.blockBytes)
    let blockGroups = length / format.groupLength
    let codes = codes.start.assumingMemoryBound(to: UInt8.self)
    let scales = scales.start.assumingMemoryBound(to: Float.self)
    let offsets = offsets.start.assumingMemoryBound(to: Float.self)
    guard let bytes = tensor.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    for (place, row) in range.enumerated() {
      for block in 0..<channels / length {
        let group = place * groups + block * blockGroups
        format.decode(
          bytes + row * tensor.rowBytes + block * blockBytes, codes + place * channels + block * length,
          BlockFormat.GroupNumbers(scales: scales + group, offsets: offsets + group))
      }
      for group in place * groups..<(place + 1) * groups {
        guard scales[group].isFinite, !format.hasOffsets || offsets[group].isFinite else {
          throw tensor.fault(
            "a scale of row \(row), channel \((group - place * groups) * format.groupLength), is not finite")
        }
      }
    }
  }

  /// - Throws: `software` where the sizes do not fit, which they do.
  func write(
    weights: UnsafeMutableRawPointer, sums: UnsafeMutableRawPointer, scales: UnsafeMutableRawPointer,
    offsets: UnsafeMutableRawPointer?
  ) throws(PackError) {
    guard let packing = WeightPacking(code: format.code, outputs: rows, channels: channels) else {
      throw PackError(.software, place: tensor.name, "sizes do not fit")
    }
    let read = UnsafeBufferPointer(
      start: codes.start.assumingMemoryBound(to: UInt8.self), count: rows * channels)
    packing.pack(read, into: UnsafeMutableRawBufferPointer(start: weights, count: packing.byteCount))
    packing.storedSums(read).withUnsafeBytes { source in
      if let base = source.baseAddress { sums.copyMemory(from: base, byteCount: source.count) }
    }
    store(self.scales, scales)
    if let offsets { store(self.offsets, offsets) }
  }

  /// [row][group] to [group][16 outputs], in the type of the file.
  private func store(_ numbers: AlignedBuffer, _ target: UnsafeMutableRawPointer) {
    let numbers = numbers.bound(to: Float.self)
    for row in 0..<rows {
      for group in 0..<groups {
        let (number, place) = (numbers[row * groups + group], group * panelOutputs + row)
        if format.numbers == .float16 {
          target.storeBytes(of: Binary16.bits(number), toByteOffset: place * 2, as: UInt16.self)
        } else {
          target.storeBytes(of: number, toByteOffset: place * 4, as: Float.self)
        }
      }
    }
  }
}
