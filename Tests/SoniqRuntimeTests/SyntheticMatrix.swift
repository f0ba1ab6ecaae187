import SoniqCore
import SoniqGraph
import SoniqTestSupport

/// A random matrix in three forms: real numbers, packed codes, and float panels.
struct SyntheticMatrix {
  /// [outputs][inputs], what the packed form stands for.
  var weights: [[Double]]
  var bias: [Double]
  var packed: PackedMatrix
  var float: FloatMatrix
  /// Codes as integers [outputs][inputs] in input order: w of the kernel contract.
  var integers: [[Int]]
  var owners: [AnyObject]

  init(
    outputs: Int, inputs: Int, levels: [(Level, Int)], shuffled: Bool, using generator: inout SeededGenerator
  ) {
    var owners: [AnyObject] = []
    func keep<T: BitwiseCopyable>(_ elements: [T], paddedTo count: Int) -> ConstantBytes {
      let buffer = AlignedBuffer(copying: elements, paddedTo: count)
      owners.append(buffer)
      return ConstantBytes(buffer)
    }
    let padded = (outputs + 15) / 16 * 16
    let order = shuffled ? Array(0..<inputs).shuffled(using: &generator) : Array(0..<inputs)
    var weights = [[Double]](repeating: [Double](repeating: 0, count: inputs), count: outputs)
    var integers = [[Int]](repeating: [Int](repeating: 0, count: inputs), count: outputs)
    var matrixLevels: [MatrixLevel] = []
    var begin = 0
    for (level, channels) in levels {
      let codes = (0..<outputs * channels).map { _ in
        UInt8(Int.random(in: 0..<level.weight.codeCount, using: &generator))
      }
      let spread = Double(max(1, level.weight.maximumMagnitude)) * 0.5
      let scales = (0..<outputs).map { _ in
        Float(Double.random(in: 0.5...1.5, using: &generator) / spread / Double(inputs).squareRoot())
      }
      for output in 0..<outputs {
        for position in 0..<channels {
          let integer = level.weight.integer(Int(codes[output * channels + position]))
          integers[output][order[begin + position]] = integer
          weights[output][order[begin + position]] = Double(integer) * Double(scales[output])
        }
      }
      guard let packing = WeightPacking(code: level.weight, outputs: outputs, channels: channels) else {
        preconditionFailure("the fixture asks for a matrix that cannot be packed")
      }
      let bytes = AlignedBuffer(byteCount: packing.byteCount)
      owners.append(bytes)
      codes.withUnsafeBufferPointer {
        packing.pack($0, into: UnsafeMutableRawBufferPointer(start: bytes.start, count: bytes.count))
      }
      let sums = codes.withUnsafeBufferPointer { packing.storedSums($0) }
      matrixLevels.append(
        MatrixLevel(
          level: level, channels: channels, weights: ConstantBytes(bytes),
          scales: keep(scales, paddedTo: padded), storedSums: keep(sums, paddedTo: padded)))
      begin += channels
    }
    let bias = (0..<outputs).map { _ in Float.random(in: -0.3...0.3, using: &generator) }
    let biasBytes = keep(bias, paddedTo: padded)
    packed = PackedMatrix(
      outputs: outputs, inputs: inputs, levels: matrixLevels,
      gather: shuffled ? keep(order.map { UInt32($0) }, paddedTo: inputs) : nil, bias: biasBytes)
    let panels = Self.panels(of: weights, paddedTo: padded)
    float = FloatMatrix(
      outputs: outputs, inputs: inputs, panels: keep(panels, paddedTo: panels.count), bias: biasBytes)
    self.weights = weights
    self.bias = bias.map(Double.init)
    self.integers = integers
    self.owners = owners
  }

  /// Panels of 16 outputs, input by input, as `FloatMatrix` wants them.
  private static func panels(of weights: [[Double]], paddedTo padded: Int) -> [Float] {
    let inputs = weights.first?.count ?? 0
    var panels = [Float](repeating: 0, count: padded * inputs)
    for (output, row) in weights.enumerated() {
      for (input, weight) in row.enumerated() {
        panels[(output / 16 * inputs + input) * 16 + output % 16] = Float(weight)
      }
    }
    return panels
  }

  /// One row times the matrix, in double precision.
  func apply(_ row: [Double]) -> [Double] {
    weights.indices.map { output in
      zip(weights[output], row).reduce(bias[output]) { $0 + $1.0 * $1.1 }
    }
  }
}

extension Level {
  static func affine(_ weightBits: Int, _ activationBits: Int) -> Level {
    Level(weight: .symmetric(weightBits), activation: ActivationCode(kind: .affine, bits: activationBits))
  }
  static func bipolar(_ weightBits: Int, _ activationBits: Int) -> Level {
    Level(weight: .bipolar(weightBits), activation: ActivationCode(kind: .bipolar, bits: activationBits))
  }
}
