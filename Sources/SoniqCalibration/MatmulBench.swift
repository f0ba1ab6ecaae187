import CKernelABI
import CPlatform
import SoniqCore
import SoniqKernels

/// Memory for multiplications of one size by any kernel. Codes, and weights but for bytes, are random bits, which every
/// layout and form accepts; results are not looked at.
final class MatmulBench {
  let size: KernelProfile.Size
  private let rows: Int
  private let paddedChannels: Int
  private let weights: AlignedBuffer
  /// By bits; made when they are first asked for.
  private var bytes: [Int: ByteWeights] = [:]
  private let codes: AlignedBuffer
  private let prepared: AlignedBuffer
  private let scratch: AlignedBuffer
  private let parameters: AlignedBuffer
  private let zeros: AlignedBuffer
  private let output: AlignedBuffer
  private let prepare = RowKernelRegistry.prepare

  init(_ size: KernelProfile.Size, rows: Int) {
    self.size = size
    self.rows = rows
    let paddedChannels = (size.channels + 31) / 32 * 32
    self.paddedChannels = paddedChannels
    let paddedOutputs = (size.outputs + 15) / 16 * 16
    weights = AlignedBuffer(byteCount: paddedChannels * paddedOutputs + 4096)
    codes = AlignedBuffer(byteCount: rows * (paddedChannels + 64))
    prepared = AlignedBuffer(byteCount: rows * (8 * paddedChannels + 128))
    let scratchBytes = MatmulKernelRegistry.rows.map { $0.scratchBytes(paddedChannels: paddedChannels) }
    scratch = AlignedBuffer(byteCount: scratchBytes.max() ?? 0)
    parameters = AlignedBuffer(byteCount: rows * MemoryLayout<snq_row_params>.stride)
    zeros = AlignedBuffer(byteCount: 4 * paddedOutputs)
    output = AlignedBuffer(byteCount: rows * paddedOutputs * 4)
    var generator = SystemRandomNumberGenerator()
    let words = weights.bound(to: UInt64.self)
    for index in words.indices { words[index] = generator.next() }
    for row in parameters.bound(to: snq_row_params.self).indices {
      parameters.bound(to: snq_row_params.self)[row] = snq_row_params(scale: 1, constant: 1, codeSum: 1)
    }
  }

  /// Picoseconds of one multiplication with its preparation, over as many as take `nanoseconds`.
  func picoseconds(_ subject: CalibrationSubject, _ rows: Int, atLeast nanoseconds: UInt64) -> UInt64 {
    var arguments = arguments(subject)
    var preparation = preparation(subject, &arguments)
    let function = subject.kernel?.row.function
    let prepareFunction = prepare.chosen(on: .detected().capped(by: subject.instructionSet)).function
    let needsPreparation = subject.form != .codes
    let panels = UInt32((size.outputs + 15) / 16)
    let start = snq_clock_nanoseconds()
    var calls: UInt64 = 0
    var elapsed: UInt64 = 0
    repeat {
      if needsPreparation { prepareFunction(&preparation, 0, UInt32(rows)) }
      function?(&arguments, 0, UInt32(rows), 0, panels)
      calls += 1
      elapsed = snq_clock_nanoseconds() &- start
    } while elapsed < nanoseconds
    return elapsed * 1000 / calls
  }

  private func arguments(_ subject: CalibrationSubject) -> snq_matmul_args {
    let layout = subject.layout
    var arguments = snq_matmul_args()
    arguments.weights = UnsafePointer(weights.bound(to: UInt8.self).baseAddress)
    arguments.planeStride = paddedChannels / layout.tileChannels * 64
    arguments.panelStride = arguments.planeStride * (layout == .planes ? subject.key.weightBits : 1)
    arguments.layout = UInt32(layout.rawValue)
    arguments.weightBits = UInt32(subject.key.weightBits)
    arguments.activationBits = UInt32(subject.key.activationBits)
    arguments.channels = UInt32(size.channels)
    arguments.paddedChannels = UInt32(paddedChannels)
    arguments.outputs = UInt32(size.outputs)
    let isSigned = layout == .bytes && subject.key.weightBits == 8
    arguments.weightMultiplier = isSigned ? 1 : 2
    arguments.weightConstant = isSigned ? 0 : Int32(1 << subject.key.weightBits - 1)
    arguments.activationMultiplier = 1
    arguments.weightScale = UnsafePointer(zeros.bound(to: Float.self).baseAddress)
    arguments.storedSum = UnsafePointer(zeros.bound(to: Int32.self).baseAddress)
    arguments.codes = UnsafePointer(codes.bound(to: UInt8.self).baseAddress)
    arguments.codeStride = paddedChannels + 64
    arguments.rows = UnsafePointer(parameters.bound(to: snq_row_params.self).baseAddress)
    arguments.rowStride = 1
    if let kernel = subject.kernel, kernel.scratchBytes(paddedChannels: paddedChannels) > 0 {
      arguments.scratch = scratch.bound(to: UInt8.self).baseAddress
    }
    arguments.output = output.bound(to: Float.self).baseAddress
    arguments.outputStride = (size.outputs + 15) / 16 * 16
    arguments.mode = UInt32(SNQ_START)
    if layout == .bytes { byteWeights(subject.key.weightBits, arguments).place(&arguments) }
    return arguments
  }

  private func byteWeights(_ bits: Int, _ arguments: snq_matmul_args) -> ByteWeights {
    if let known = bytes[bits] { return known }
    let made = ByteWeights(bits: bits, panels: (size.outputs + 15) / 16, arguments)
    bytes[bits] = made
    return made
  }

  /// Also points the multiplication at what will be prepared.
  private func preparation(
    _ subject: CalibrationSubject, _ arguments: inout snq_matmul_args
  ) -> snq_prepare_args {
    let form = subject.form
    let stride = form.rowStride(
      paddedChannels: paddedChannels, activationBits: subject.key.activationBits)
    let target = prepared.bound(to: UInt8.self).baseAddress
    let preparation = snq_prepare_args(
      codes: arguments.codes, codeStride: arguments.codeStride, paddedChannels: arguments.paddedChannels,
      activationBits: arguments.activationBits, form: form.tag, prepared: target, preparedStride: stride,
      planeStride: paddedChannels / 8)
    if form != .codes {
      arguments.form = form.tag
      arguments.codes = UnsafePointer(target)
      arguments.codeStride = stride
    }
    return preparation
  }
}
