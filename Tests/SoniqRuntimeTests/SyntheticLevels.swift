import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// What a level of a random matrix has beside its code.
struct SyntheticLevel: Sendable {
  var level: Level
  var channels: Int
  /// 0: the outputs have the scales.
  var groupLength = 0
  var numbers = GroupNumber.float32
  var hasOffsets = false

  /// Affine, dynamic activations of 8 bits.
  static func affine(_ weight: WeightCode, _ channels: Int, bits: Int = 8, offsets: Bool = false) -> Self {
    SyntheticLevel(
      level: Level(weight: weight, activation: ActivationCode(kind: .affine, bits: bits)), channels: channels,
      hasOffsets: offsets)
  }

  /// Symmetric activations; with a scale for every `by` channels where that is not 0.
  static func symmetric(
    _ weight: WeightCode, _ channels: Int, groups: Int = 0, _ numbers: GroupNumber = .float32,
    offsets: Bool = false, bits: Int = 8, by: Int = 0
  ) -> Self {
    let scaling: ActivationCode.Scaling = by == 0 ? .dynamicPerRow : .dynamicPerGroup(channels: by)
    return SyntheticLevel(
      level: Level(
        weight: weight, activation: ActivationCode(kind: .symmetric, bits: bits, scaling: scaling)),
      channels: channels, groupLength: groups, numbers: numbers, hasOffsets: offsets)
  }

  func fixed(_ scale: Float, zero: Int = 0) -> Self {
    var other = self
    other.level.activation.scaling = .fixed(scale: scale, zero: zero)
    return other
  }
}

/// A random matrix with every field of version 3 of the format, and its product with a row by the definition, step by
/// step as the kernels' contract writes them.
struct SyntheticLevels {
  private let levels: [SyntheticLevel]
  let outputs: Int
  let inputs: Int
  private(set) var packed: PackedMatrix
  private var order: [Int]
  private var bias: [Float]
  /// By level: integers [output][channel], scales and offsets [output][group].
  private var integers: [[[Int]]] = []
  private var scales: [[[Float]]] = []
  private var offsets: [[[Float]]] = []
  private(set) var owners: [AnyObject] = []

  init(outputs: Int, _ levels: [SyntheticLevel], shuffled: Bool, using generator: inout SeededGenerator) {
    self.levels = levels
    self.outputs = outputs
    inputs = levels.reduce(0) { $0 + $1.channels }
    order = shuffled ? Array(0..<inputs).shuffled(using: &generator) : Array(0..<inputs)
    bias = (0..<outputs).map { _ in Float.random(in: -0.3...0.3, using: &generator) }
    packed = PackedMatrix(outputs: outputs, inputs: inputs, levels: [])
    packed.gather = shuffled ? keep(order.map { UInt32($0) }) : nil
    packed.bias = keep(bias, paddedTo: padded)
    for level in levels { packed.levels.append(add(level, &generator)) }
  }

  private var padded: Int { (outputs + 15) / 16 * 16 }

  private mutating func keep<T: BitwiseCopyable>(_ elements: [T], paddedTo count: Int? = nil) -> ConstantBytes
  {
    let buffer = AlignedBuffer(copying: elements, paddedTo: count)
    owners.append(buffer)
    return ConstantBytes(buffer)
  }

  private mutating func add(
    _ synthetic: SyntheticLevel, _ generator: inout SeededGenerator
  ) -> MatrixLevel {
    let (code, channels) = (synthetic.level.weight, synthetic.channels)
    guard let packing = WeightPacking(code: code, outputs: outputs, channels: channels) else {
      preconditionFailure("the fixture asks for a matrix that cannot be packed")
    }
    let codes = (0..<outputs * channels).map { _ in
      UInt8(Int.random(in: 0..<code.codeCount, using: &generator))
    }
    var bytes = [UInt8](repeating: 0, count: packing.byteCount)
    let sums = codes.withUnsafeBufferPointer { codes in
      bytes.withUnsafeMutableBytes { packing.pack(codes, into: $0) }
      return packing.storedSums(codes)
    }
    integers.append(
      (0..<outputs).map { output in
        (0..<channels).map { code.integer(Int(codes[output * channels + $0])) }
      })
    var level = MatrixLevel(
      level: synthetic.level, channels: channels, weights: keep(bytes), scales: nil, storedSums: keep(sums))
    let unit = 2 / Float(max(1, code.maximumMagnitude)) / Float(inputs).squareRoot()
    addNumbers(to: &level, synthetic, unit, &generator)
    return level
  }

  private mutating func addNumbers(
    to level: inout MatrixLevel, _ synthetic: SyntheticLevel, _ unit: Float,
    _ generator: inout SeededGenerator
  ) {
    guard synthetic.groupLength > 0 else {
      let scales = (0..<outputs).map { _ in Float.random(in: 0.5 * unit...unit, using: &generator) }
      let offsets = (0..<outputs).map { _ in Float.random(in: -unit...unit, using: &generator) }
      level.scales = keep(scales, paddedTo: padded)
      if synthetic.hasOffsets { level.offsets = keep(offsets, paddedTo: padded) }
      self.scales.append(scales.map { [$0] })
      self.offsets.append(offsets.map { [$0] })
      return
    }
    let scales = numbers(synthetic, unit, isSigned: false, &generator)
    let offsets = numbers(synthetic, unit, isSigned: true, &generator)
    level.scales = scales.units
    level.groups = LevelGroups(
      length: synthetic.groupLength, numbers: synthetic.numbers, scales: scales.bytes,
      offsets: synthetic.hasOffsets ? offsets.bytes : nil)
    if synthetic.hasOffsets { level.offsets = offsets.units }
    self.scales.append(scales.values)
    self.offsets.append(offsets.values)
  }

  /// Numbers [panel][group][16] of one level, and what they stand for, [output][group].
  private mutating func numbers(
    _ synthetic: SyntheticLevel, _ unit: Float, isSigned: Bool, _ generator: inout SeededGenerator
  ) -> (bytes: ConstantBytes, units: ConstantBytes?, values: [[Float]]) {
    let count = (synthetic.channels + synthetic.groupLength - 1) / synthetic.groupLength
    var values = [[Float]](repeating: [Float](repeating: 0, count: count), count: outputs)
    let units = (0..<outputs).map { _ in
      Float.random(in: 0.5 * unit...unit, using: &generator) / 128
        * (isSigned && Bool.random(using: &generator) ? -1 : 1)
    }
    var floats = [Float](repeating: 0, count: padded * count)
    var halves = [UInt16](repeating: 0, count: padded * count)
    var bytes = [UInt8](repeating: 0, count: padded * count)
    for output in 0..<outputs {
      for group in 0..<count {
        let place = (output / 16 * count + group) * 16 + output % 16
        floats[place] = Float.random(in: -unit...unit, using: &generator)
        halves[place] = Float16(floats[place]).bitPattern
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
        values[output][group] =
          switch synthetic.numbers {
          case .float32: floats[place]
          case .float16: Float(Float16(bitPattern: halves[place]))
          case .uint8: units[output] * Float(bytes[place])
          }
      }
    }
    switch synthetic.numbers {
    case .float32: return (keep(floats), nil, values)
    case .float16: return (keep(halves), nil, values)
    case .uint8: return (keep(bytes), keep(units, paddedTo: padded), values)
    }
  }
}

extension SyntheticLevels {
  /// The weights of an output, by input channel.
  func weights(_ output: Int) -> [Float] {
    var result = [Float](repeating: 0, count: inputs)
    var first = 0
    for (index, synthetic) in levels.enumerated() {
      let length = synthetic.groupLength == 0 ? synthetic.channels : synthetic.groupLength
      for channel in 0..<synthetic.channels {
        let integer = Float(integers[index][output][channel])
        let scale = scales[index][output][channel / length]
        let offset = offsets[index][output][channel / length]
        result[order[first + channel]] =
          synthetic.hasOffsets ? offset.addingProduct(integer, scale) : integer * scale
      }
      first += synthetic.channels
    }
    return result
  }

  /// One row times the matrix.
  func product(_ row: [Float]) -> [Float] {
    var result = bias
    var first = 0
    for (index, synthetic) in levels.enumerated() {
      let values = (0..<synthetic.channels).map { row[order[first + $0]] }
      if synthetic.level.activation.kind == .symmetric {
        addGroups(index, values, to: &result)
      } else {
        addWhole(index, values, to: &result)
      }
      first += synthetic.channels
    }
    return result
  }

  private static func guarded(_ scale: Float) -> Float {
    scale >= .leastNormalMagnitude && scale <= .greatestFiniteMagnitude ? scale : 1
  }

  /// A level whose activations have one scale, and a zero or none.
  private func addWhole(_ index: Int, _ values: [Float], to result: inout [Float]) {
    let code = levels[index].level.activation
    let top = Float(code.codeCount - 1)
    let scale: Float
    var units: [Int] = []
    if code.kind == .affine {
      var zero: Int
      if case .fixed(let given, let place) = code.scaling {
        (scale, zero) = (given, place)
      } else {
        let (low, high) = (min(0, values.min() ?? 0), max(0, values.max() ?? 0))
        scale = Self.guarded((high - low) / top)
        zero = Int(min(max(-low * (1 / scale), 0), top).rounded(.toNearestOrEven))
      }
      units = values.map {
        Int(min(max($0 * (1 / scale), Float(-zero)), top - Float(zero)).rounded(.toNearestOrEven))
      }
    } else {
      scale =
        if case .fixed(let given, _) = code.scaling { given } else {
          Self.guarded((values.map { abs($0) }.max() ?? 0) / top)
        }
      units = values.map { value in
        let place = Float(1 << (code.bits - 1)).addingProduct(value, 0.5 / scale)
        return 2 * Int(min(max(place, 0), top).rounded(.down)) - (code.codeCount - 1)
      }
    }
    let unitSum = units.reduce(0, +)
    for output in 0..<outputs {
      let dot = zip(integers[index][output], units).reduce(0) { $0 + $1.0 * $1.1 }
      result[output].addProduct(Float(dot), scales[index][output][0] * scale)
      if levels[index].hasOffsets {
        result[output].addProduct(Float(unitSum) * scale, offsets[index][output][0])
      }
    }
  }

  /// A level of symmetric activations: as group_matmul.h writes it.
  private func addGroups(_ index: Int, _ values: [Float], to result: inout [Float]) {
    let synthetic = levels[index]
    let code = synthetic.level.activation
    let top = Float(1 << (code.bits - 1) - 1)
    let length = synthetic.groupLength == 0 ? values.count : synthetic.groupLength
    let rowLength = code.groupLength == 0 ? values.count : code.groupLength
    for start in stride(from: 0, to: values.count, by: rowLength) {
      let end = min(values.count, start + rowLength)
      var scale = Self.guarded((values[start..<end].map { abs($0) }.max() ?? 0) / top)
      if case .fixed(let given, _) = code.scaling { scale = given }
      let units = values[start..<end].map {
        Int(min(max($0 * (1 / scale), -top), top).rounded(.toNearestOrEven))
      }
      for output in 0..<outputs {
        var part: Float = 0
        for group in stride(from: start, to: end, by: length) {
          let channels = group..<min(end, group + length)
          let dot = channels.reduce(0) { $0 + integers[index][output][$1] * units[$1 - start] }
          part.addProduct(Float(dot), scales[index][output][group / length])
          guard synthetic.hasOffsets else { continue }
          let sum = channels.reduce(0) { $0 + units[$1 - start] }
          part.addProduct(Float(sum), offsets[index][output][group / length])
        }
        result[output].addProduct(part, scale)
      }
    }
  }
}
