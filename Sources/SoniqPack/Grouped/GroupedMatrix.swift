import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// How the weights of a matrix with a scale, and maybe an offset, for each group of channels lie in a level.
struct GroupedLayout: Sendable {
  var code: WeightCode
  var groupLength: Int
  /// What holds scales and offsets exactly; bytes count units of each output.
  var numbers: GroupNumber
  var hasOffsets: Bool

  /// Activations of 8 bits have a scale for so many channels where groups of weights are no longer.
  private static let activationGroup = 64

  var level: Level {
    let scaling = ActivationCode.Scaling.dynamicPerGroup(channels: max(groupLength, Self.activationGroup))
    return Level(weight: code, activation: ActivationCode(kind: .symmetric, bits: 8, scaling: scaling))
  }
}

/// A matrix of one such level, made a panel of 16 rows at a time: beside what is kept, that is all the memory it takes.
struct GroupedMatrix {
  let layout: GroupedLayout
  let outputs: Int
  let channels: Int
  private let packing: WeightPacking
  private let groups: Int
  private let numberBytes: Int

  /// nil for sizes that no packed matrix can have.
  init?(_ layout: GroupedLayout, outputs: Int, channels: Int) {
    (self.layout, self.outputs, self.channels) = (layout, outputs, channels)
    groups = (channels + layout.groupLength - 1) / layout.groupLength
    guard let packing = WeightPacking(code: layout.code, outputs: outputs, channels: channels),
      let bytes = checkedProduct(packing.paddedOutputs, groups, layout.numbers.byteCount)
    else { return nil }
    (self.packing, numberBytes) = (packing, bytes)
  }

  /// * bias: by output, or nil.
  /// * row: writes the codes of an output, and the numbers of its groups, which must be finite.
  func packed(
    store: ConstantStore, bias: [Float]?,
    row: (Int, UnsafeMutablePointer<UInt8>, GroupNumbers) throws(PackError) -> Void
  ) throws(PackError) -> PackedMatrix {
    let weights = AlignedBuffer(byteCount: packing.byteCount)
    let sums = AlignedBuffer(byteCount: packing.paddedOutputs * 4)
    let scales = AlignedBuffer(byteCount: numberBytes)
    let offsets = layout.hasOffsets ? AlignedBuffer(byteCount: numberBytes) : nil
    let hasUnits = layout.numbers == .uint8
    let scaleUnits = hasUnits ? AlignedBuffer(byteCount: packing.paddedOutputs * 4) : nil
    let offsetUnits =
      hasUnits && layout.hasOffsets ? AlignedBuffer(byteCount: packing.paddedOutputs * 4) : nil
    let panel = GroupedPanel(layout, channels: channels, groups: groups)
    let panelNumbers = groups * panelOutputs * layout.numbers.byteCount
    for index in 0..<packing.panelCount {
      let first = index * panelOutputs
      panel.rows = min(panelOutputs, outputs - first)
      for place in 0..<panel.rows { try row(first + place, panel.codes(place), panel.numbers(place)) }
      try panel.write(
        weights: weights.start + index * packing.panelStride, sums: sums.start + index * panelOutputs * 4,
        scales: scales.start + index * panelNumbers, offsets: offsets.map { $0.start + index * panelNumbers })
      panel.writeUnits(
        scaleUnits.map { $0.bound(to: Float.self) }, offsetUnits.map { $0.bound(to: Float.self) }, from: first
      )
    }
    let level = MatrixLevel(
      level: layout.level,
      channels: channels, weights: store.keep(weights), scales: scaleUnits.map { store.keep($0) },
      offsets: offsetUnits.map { store.keep($0) }, storedSums: store.keep(sums),
      groups: LevelGroups(
        length: layout.groupLength, numbers: layout.numbers, scales: store.keep(scales),
        offsets: offsets.map { store.keep($0) }))
    return PackedMatrix(
      outputs: outputs, inputs: channels, levels: [level],
      bias: bias.map { store.store($0, paddedTo: packing.paddedOutputs) })
  }
}

/// Where the numbers of a row's groups go.
struct GroupNumbers {
  var scales: UnsafeMutablePointer<Float>
  /// Nothing is read from there where a layout has no offsets.
  var offsets: UnsafeMutablePointer<Float>
  /// Of scales and of offsets: the two numbers that bytes count; nothing is read from there where numbers are floats.
  var units: UnsafeMutablePointer<Float>?
}

/// Up to 16 rows on their way into a panel.
private final class GroupedPanel {
  private let layout: GroupedLayout
  private let channels: Int
  private let groups: Int
  var rows = 0
  /// [row][channel]
  private let codes: AlignedBuffer
  /// [row][group]
  private let scales: AlignedBuffer
  private let offsets: AlignedBuffer
  /// [row][scale, offset]
  private let units: AlignedBuffer

  init(_ layout: GroupedLayout, channels: Int, groups: Int) {
    (self.layout, self.channels, self.groups) = (layout, channels, groups)
    codes = AlignedBuffer(byteCount: panelOutputs * channels)
    scales = AlignedBuffer(byteCount: panelOutputs * groups * 4)
    offsets = AlignedBuffer(byteCount: panelOutputs * groups * 4)
    units = AlignedBuffer(byteCount: panelOutputs * 2 * 4)
  }

  func codes(_ row: Int) -> UnsafeMutablePointer<UInt8> {
    codes.start.assumingMemoryBound(to: UInt8.self) + row * channels
  }

  func numbers(_ row: Int) -> GroupNumbers {
    GroupNumbers(
      scales: scales.start.assumingMemoryBound(to: Float.self) + row * groups,
      offsets: offsets.start.assumingMemoryBound(to: Float.self) + row * groups,
      units: units.start.assumingMemoryBound(to: Float.self) + row * 2)
  }

  /// - Throws: `software` where the sizes do not fit, which they do.
  func write(
    weights: UnsafeMutableRawPointer, sums: UnsafeMutableRawPointer, scales: UnsafeMutableRawPointer,
    offsets: UnsafeMutableRawPointer?
  ) throws(PackError) {
    guard let packing = WeightPacking(code: layout.code, outputs: rows, channels: channels) else {
      throw PackError(.software, "sizes of a panel do not fit")
    }
    let read = UnsafeBufferPointer(start: codes(0), count: rows * channels)
    packing.pack(read, into: UnsafeMutableRawBufferPointer(start: weights, count: packing.byteCount))
    packing.storedSums(read).withUnsafeBytes { source in
      if let base = source.baseAddress { sums.copyMemory(from: base, byteCount: source.count) }
    }
    store(self.scales, scales)
    if let offsets { store(self.offsets, offsets) }
  }

  func writeUnits(
    _ scales: UnsafeMutableBufferPointer<Float>?, _ offsets: UnsafeMutableBufferPointer<Float>?,
    from first: Int
  ) {
    let units = self.units.bound(to: Float.self)
    for row in 0..<rows {
      scales?[first + row] = units[2 * row]
      offsets?[first + row] = units[2 * row + 1]
    }
  }

  /// [row][group] to [group][16 outputs], in the type of the file.
  private func store(_ numbers: AlignedBuffer, _ target: UnsafeMutableRawPointer) {
    let numbers = numbers.bound(to: Float.self)
    for row in 0..<rows {
      for group in 0..<groups {
        let (number, place) = (numbers[row * groups + group], group * panelOutputs + row)
        switch layout.numbers {
        case .float16: target.storeBytes(of: Binary16.bits(number), toByteOffset: place * 2, as: UInt16.self)
        case .float32: target.storeBytes(of: number, toByteOffset: place * 4, as: Float.self)
        case .uint8: target.storeBytes(of: UInt8(number), toByteOffset: place, as: UInt8.self)
        }
      }
    }
  }
}
