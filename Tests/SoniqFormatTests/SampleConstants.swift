import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// Makes constants with the codes of a seeded generator, and keeps their bytes.
final class SampleConstants {
  private(set) var owners: [AnyObject] = []
  private var generator = SeededGenerator(seed: 1)

  func bytes<T: BitwiseCopyable>(_ elements: [T], paddedTo count: Int? = nil) -> ConstantBytes {
    let buffer = AlignedBuffer(copying: elements, paddedTo: count)
    owners.append(buffer)
    return ConstantBytes(buffer)
  }

  func dense(_ shape: [Int], _ elementType: ElementType = .float32) -> DenseConstant {
    let count = shape.reduce(1, *)
    let elements = (0..<count).map { UInt32($0) }
    let bytes =
      elementType == .int32 ? bytes(elements) : bytes(elements.map { Float($0) * 0.25 - 1 })
    return DenseConstant(elementType: elementType, shape: shape, bytes: bytes)
  }

  func floatMatrix(outputs: Int, inputs: Int, bias: Bool) -> FloatMatrix {
    let padded = (outputs + 15) / 16 * 16
    var panels = [Float](repeating: 0, count: padded * inputs)
    for output in 0..<outputs {
      for input in 0..<inputs {
        panels[(output / 16 * inputs + input) * 16 + output % 16] = Float(output * inputs + input) * 0.125
      }
    }
    return FloatMatrix(
      outputs: outputs, inputs: inputs, panels: bytes(panels), bias: bias ? self.bias(outputs) : nil)
  }

  func bias(_ outputs: Int) -> ConstantBytes {
    bytes((0..<outputs).map { Float($0) * 0.5 - 2 }, paddedTo: (outputs + 15) / 16 * 16)
  }

  /// A permutation: the channels in reverse.
  func map(_ channels: Int) -> ConstantBytes { bytes((0..<channels).reversed().map { UInt32($0) }) }

  func matrixLevel(
    _ level: Level, outputs: Int, channels: Int, offsets: Bool = false, groups: SampleGroups? = nil
  ) -> MatrixLevel {
    guard let packing = WeightPacking(code: level.weight, outputs: outputs, channels: channels) else {
      preconditionFailure("sample level")
    }
    let codes = (0..<outputs * channels).map { _ in
      UInt8.random(in: 0...UInt8(level.weight.codeCount - 1), using: &generator)
    }
    let weights = AlignedBuffer(byteCount: packing.byteCount)
    owners.append(weights)
    codes.withUnsafeBufferPointer {
      packing.pack($0, into: UnsafeMutableRawBufferPointer(start: weights.start, count: weights.count))
    }
    let sums = codes.withUnsafeBufferPointer { packing.storedSums($0) }
    let scales = (0..<outputs).map { Float($0 + 1) / 64 }
    return MatrixLevel(
      level: level, channels: channels, weights: ConstantBytes(weights),
      scales: groups.map { $0.numbers == .uint8 } ?? true
        ? bytes(scales, paddedTo: packing.paddedOutputs) : nil,
      offsets: offsets ? bias(outputs) : nil, storedSums: bytes(sums),
      groups: groups.map { self.groups($0, outputs: outputs, channels: channels) })
  }

  func matrix(
    outputs: Int, _ levels: [(level: Level, channels: Int)], gather: Bool = false, bias: Bool = false,
    offsets: Bool = false
  ) -> PackedMatrix {
    let inputs = levels.reduce(0) { $0 + $1.channels }
    return PackedMatrix(
      outputs: outputs, inputs: inputs,
      levels: levels.map {
        matrixLevel($0.level, outputs: outputs, channels: $0.channels, offsets: offsets)
      },
      gather: gather ? map(inputs) : nil, bias: bias ? self.bias(outputs) : nil)
  }

  func tableLevel(_ code: WeightCode, rows: Int, channels: Int, blockLength: Int) -> TableLevel {
    let stride = (channels * code.bits + 7) / 8
    var codes = [UInt8](repeating: 0, count: rows * stride)
    for row in 0..<rows {
      for bit in 0..<channels * code.bits where Bool.random(using: &generator) {
        codes[row * stride + bit / 8] |= 1 << UInt8(bit % 8)
      }
    }
    let blocks = (channels + blockLength - 1) / blockLength
    let scales = (0..<rows * blocks).map { UInt16(0x2000 + $0) }
    return TableLevel(
      code: code, channels: channels, blockLength: blockLength, codes: bytes(codes), scales: bytes(scales))
  }

  func table(
    rows: Int, _ levels: [(code: WeightCode, channels: Int, blockLength: Int)], scatter: Bool = false
  ) -> PackedTable {
    let channels = levels.reduce(0) { $0 + $1.channels }
    return PackedTable(
      rows: rows, channels: channels,
      levels: levels.map {
        tableLevel($0.code, rows: rows, channels: $0.channels, blockLength: $0.blockLength)
      },
      scatter: scatter ? map(channels) : nil)
  }
}
