import CKernelABI
import SoniqCore
import SoniqKernels
import SoniqTestSupport

/// How the codes of one side stand for integers, written out again so that the oracle shares no code with
/// the library.
struct IntegerCode: CustomStringConvertible {
  var isBipolar: Bool
  var bits: Int
  var zero = 0
  /// That of so many bits when nil.
  var layout: WeightLayout?

  func integer(_ code: Int) -> Int { isBipolar ? 2 * code - ((1 << bits) - 1) : code - zero }
  var weightCode: WeightCode {
    WeightCode(kind: isBipolar ? .bipolar : .affine, bits: bits, zero: zero, layout: layout)
  }
  var description: String {
    (isBipolar ? "bipolar\(bits)" : "affine\(bits)z\(zero)") + (layout.map { " in \($0)" } ?? "")
  }

  /// Weights of fewer than 8 bits in bytes.
  static let bytes: [IntegerCode] = (1...7).flatMap {
    [
      IntegerCode(isBipolar: true, bits: $0, layout: .bytes),
      IntegerCode(isBipolar: false, bits: $0, zero: 1 << ($0 - 1), layout: .bytes),
    ]
  }

  static let all: [IntegerCode] =
    (1...7).map { IntegerCode(isBipolar: true, bits: $0) }
    + (1...8).flatMap { bits in
      Set([0, 1 << (bits - 1), (1 << bits) - 1, min(3, (1 << bits) - 1), 1]).sorted().map {
        IntegerCode(isBipolar: false, bits: bits, zero: $0)
      }
    }
}

/// Which codes a case multiplies.
/// Of `mild` most weights are near the middle of their range, as in a network.
enum CodePattern: CaseIterable { case random, allZero, allMaximum, opposite, mild }

/// One level of one layer with everything a kernel reads, in guarded memory.
final class MatmulCase: CustomStringConvertible {
  let weight: IntegerCode
  let activation: IntegerCode
  let rows: Int
  let channels: Int
  let outputs: Int
  let seed: UInt64
  let weightCodes: [UInt8]
  let activationCodes: [UInt8]
  let rowScales: [Float]
  let packing: WeightPacking
  let weights: GuardedBuffer<UInt8>
  let weightScale: GuardedBuffer<Float>
  let weightOffset: GuardedBuffer<Float>
  let bias: GuardedBuffer<Float>
  let storedSum: GuardedBuffer<Int32>
  let codes: GuardedBuffer<UInt8>
  let rowParameters: GuardedBuffer<snq_row_params>
  let codeStride: Int
  let rowStride = 2
  let outputStride: Int

  init?(
    _ weight: IntegerCode, _ activation: IntegerCode, rows: Int, channels: Int, outputs: Int, seed: UInt64,
    pattern: CodePattern = .random
  ) {
    guard let packing = WeightPacking(code: weight.weightCode, outputs: outputs, channels: channels)
    else { return nil }
    var generator = SeededGenerator(seed: seed)
    func floats(_ count: Int, padded: Int) -> [Float] {
      let values = (0..<count).map { _ in Float.random(in: -2...2, using: &generator) }
      return values + [Float](repeating: 0, count: padded - count)
    }
    func drawn(_ count: Int, _ bits: Int, extreme: Bool?) -> [UInt8] {
      let top = UInt8((1 << bits) - 1)
      return (0..<count).map { _ in
        extreme.map { $0 ? top : 0 } ?? UInt8.random(in: 0...top, using: &generator)
      }
    }
    let extremes: (weight: Bool?, activation: Bool?) =
      switch pattern {
      case .random, .mild: (nil, nil)
      case .allZero: (false, false)
      case .allMaximum: (true, true)
      case .opposite: (false, true)
      }
    self.weight = weight
    self.activation = activation
    (self.rows, self.channels, self.outputs, self.seed) = (rows, channels, outputs, seed)
    self.packing = packing
    weightCodes = drawn(outputs * channels, weight.bits, extreme: extremes.weight).map { code in
      let isMild = pattern == .mild && Int.random(in: 0..<50, using: &generator) > 0
      return isMild ? Self.milder(code, weight.bits) : code
    }
    activationCodes = drawn(rows * channels, activation.bits, extreme: extremes.activation)
    rowScales = (0..<rows).map { _ in Float.random(in: 0.001...2, using: &generator) }
    // An odd stride, so that the rows of codes have every alignment.
    codeStride = (packing.paddedChannels + Int.random(in: 0...5, using: &generator)) | 1
    outputStride = outputs + Int.random(in: 0...3, using: &generator)
    weights = GuardedBuffer(Self.packed(packing, weightCodes))
    storedSum = GuardedBuffer(weightCodes.withUnsafeBufferPointer { packing.storedSums($0) })
    weightScale = GuardedBuffer(floats(outputs, padded: packing.paddedOutputs))
    weightOffset = GuardedBuffer(floats(outputs, padded: packing.paddedOutputs))
    bias = GuardedBuffer(floats(outputs, padded: packing.paddedOutputs))
    // Bytes between the rows are noise that must not matter; the last row ends at the guard page.
    var bytes = drawn(codeStride * (rows - 1) + packing.paddedChannels, 8, extreme: nil)
    var parameters: [snq_row_params] = []
    for row in 0..<rows {
      let slice = activationCodes[row * channels..<(row + 1) * channels]
      for index in 0..<packing.paddedChannels {
        bytes[row * codeStride + index] = index < channels ? slice[slice.startIndex + index] : 0
      }
      let constant = activation.isBipolar ? (1 << activation.bits) - 1 : activation.zero
      parameters.append(
        snq_row_params(
          scale: rowScales[row], constant: Int32(constant), codeSum: Int32(slice.reduce(0) { $0 + Int($1) })))
      let noise = snq_row_params(scale: .nan, constant: -77, codeSum: 1 << 30)
      if row + 1 < rows { parameters.append(contentsOf: [noise]) }
    }
    codes = GuardedBuffer(bytes)
    rowParameters = GuardedBuffer(parameters)
  }

  /// A quarter as far from the middle of the range.
  private static func milder(_ code: UInt8, _ bits: Int) -> UInt8 {
    let middle = 1 << (bits - 1)
    return UInt8(middle + (Int(code) - middle) / 4)
  }

  private static func packed(_ packing: WeightPacking, _ codes: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: packing.byteCount)
    bytes.withUnsafeMutableBytes { target in codes.withUnsafeBufferPointer { packing.pack($0, into: target) }
    }
    return bytes
  }

  var description: String {
    "W \(weight) A \(activation) rows \(rows) channels \(channels) outputs \(outputs) seed \(seed)"
  }

  var buffersAreIntact: Bool {
    weights.isIntact && codes.isIntact && storedSum.isIntact && weightScale.isIntact && bias.isIntact
      && weightOffset.isIntact && rowParameters.isIntact
  }

  private var prepared: [ActivationForm: PreparedRows] = [:]

  /// How products add up in 16 bits, of levels in bytes.
  private(set) lazy var steps = WordStepLists(
    weights.elements, arguments(mode: SNQ_START, withBias: false, withOffset: false))

  /// By size: each kernel gets exactly what it asks for.
  private var scratch: [Int: GuardedBuffer<UInt8>] = [:]

  /// Points the arguments at the scratch and at the activations in the form that a kernel wants.
  func place(for kernel: MatmulKernel, in args: inout snq_matmul_args, withSteps: Bool = true) {
    if withSteps, kernel.traits.contains(.wordSteps), packing.layout == .bytes { steps.place(in: &args) }
    let scratchBytes = kernel.scratchBytes(paddedChannels: packing.paddedChannels)
    if scratchBytes > 0 {
      let memory = scratch[scratchBytes] ?? GuardedBuffer([UInt8](repeating: 0xa5, count: scratchBytes))
      scratch[scratchBytes] = memory
      args.scratch = memory.start
    }
    let form = kernel.form
    args.form = form.tag
    guard form != .codes else { return }
    let rows =
      prepared[form]
      ?? PreparedRows(
        form, codes: UnsafePointer(codes.start), codeStride: codeStride, rows: rows,
        paddedChannels: packing.paddedChannels, activationBits: activation.bits)
    prepared[form] = rows
    args.codes = UnsafePointer(rows.bytes.start)
    args.codeStride = rows.stride
  }

  func arguments(mode: Int, withBias: Bool, withOffset: Bool) -> snq_matmul_args {
    var args = snq_matmul_args()
    args.weights = UnsafePointer(weights.start)
    args.panelStride = packing.panelStride
    args.planeStride = packing.planeStride
    args.layout = UInt32(packing.layout.rawValue)
    args.weightBits = UInt32(packing.code.kernelBits)
    args.activationBits = UInt32(activation.bits)
    args.channels = UInt32(channels)
    args.paddedChannels = UInt32(packing.paddedChannels)
    args.outputs = UInt32(outputs)
    args.weightMultiplier = Int32(packing.code.storedMultiplier)
    args.weightConstant = Int32(packing.code.storedConstant)
    args.activationMultiplier = activation.isBipolar ? 2 : 1
    args.weightScale = UnsafePointer(weightScale.start)
    args.weightOffset = withOffset ? UnsafePointer(weightOffset.start) : nil
    args.storedSum = UnsafePointer(storedSum.start)
    args.codes = UnsafePointer(codes.start)
    args.codeStride = codeStride
    args.rows = UnsafePointer(rowParameters.start)
    args.rowStride = rowStride
    args.bias = withBias ? UnsafePointer(bias.start) : nil
    args.outputStride = outputStride
    args.mode = UInt32(mode)
    return args
  }
}
