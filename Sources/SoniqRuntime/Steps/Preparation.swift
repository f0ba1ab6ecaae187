import CKernelABI
import SoniqKernels
import SoniqOperators

/// The kernel of one level for one class of rows, and the form in which it wants the codes.
struct MatmulVariant: BitwiseCopyable {
  var function: snq_matmul_function
  /// `ActivationForm.tag`.
  var form: UInt32
  /// Bytes between prepared rows.
  var preparedStride: Int
  /// Bytes of the lane's scratch that the kernel uses.
  var scratchBytes: Int
  /// What the kernel reads in place of the level's own weights.
  var copy: WeightCopy?
  /// See `snq_matmul_args.wordSteps`.
  var wordSteps: UnsafeRawPointer?
  var wordStepStride = 0
}

/// Turns the codes of one level into the form that the window's kernel wants, where that is another.
struct Preparation: BitwiseCopyable {
  var function: snq_prepare_function
  /// By row class.
  var variants: UnsafePointer<MatmulVariant>
  var codes: StorageID
  var prepared: StorageID
  var codeStride: Int
  var paddedChannels: UInt32
  var activationBits: UInt32

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let variant = variants + window.rowClass
    guard variant.pointee.form != UInt32(SNQ_CODES) else { return }
    var call = snq_prepare_args(
      codes: UnsafePointer(frame.storages[codes].address(window).assumingMemoryBound(to: UInt8.self)),
      codeStride: codeStride, paddedChannels: paddedChannels, activationBits: activationBits,
      form: variant.pointee.form,
      prepared: frame.storages[prepared].address(window).assumingMemoryBound(to: UInt8.self),
      preparedStride: variant.pointee.preparedStride, planeStride: Int(paddedChannels) / 8)
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}

/// The levels in the arguments of what makes codes.
typealias ActivationLevels = (
  snq_activation_level, snq_activation_level, snq_activation_level, snq_activation_level
)

/// The activations of a matrix that follows: float rows quantised, or the host's codes taken over, then prepared.
struct ActivationTarget: BitwiseCopyable {
  var levelCount: Int
  /// One for each level, as the next but one.
  var codes: UnsafePointer<StorageID>
  var rowParameters: StorageID
  var preparations: UnsafePointer<Preparation>

  /// Puts the addresses of the window into what a kernel is given.
  @inline(__always)
  func place(
    _ levels: inout ActivationLevels, _ frame: borrowing RunFrame,
    _ window: RowWindow
  ) {
    let parameters = frame.storages[rowParameters].address(window)
      .assumingMemoryBound(to: snq_row_params.self)
    place(&levels.0, 0, frame, window, parameters)
    if levelCount > 1 { place(&levels.1, 1, frame, window, parameters) }
    if levelCount > 2 { place(&levels.2, 2, frame, window, parameters) }
    if levelCount > 3 { place(&levels.3, 3, frame, window, parameters) }
  }

  @inline(__always)
  private func place(
    _ level: inout snq_activation_level, _ index: Int, _ frame: borrowing RunFrame, _ window: RowWindow,
    _ parameters: UnsafeMutablePointer<snq_row_params>
  ) {
    level.codes = frame.storages[codes[index]].address(window).assumingMemoryBound(to: UInt8.self)
    level.rows = parameters + index
  }

  @inline(__always)
  func prepare(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    for index in 0..<levelCount { preparations[index].run(frame, window, rows) }
  }
}

/// Float rows to activation codes, for the levels of the matrix that follows.
struct QuantizeStep: RowStep {
  static var entry: StepEntry { { QuantizeStep.answer($0, $1) } }
  var function: snq_quantize_function
  /// Everything but the pointers that depend on the window.
  var arguments: snq_quantize_args
  var input: StorageID
  /// The step before has written the codes: of one level, of fixed scale.
  var isReady: Bool
  /// A kernel reads the sums of codes, then; else the parameters of the first row are those of all.
  var needsSums: Bool
  var target: ActivationTarget

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    let source = frame.storages[input]
    call.input = UnsafePointer(source.floats(window))
    call.inputStride = source.stride
    call.scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: Float.self)
    target.place(&call.levels, frame, window)
    if isReady {
      fill(call.levels.0, rows)
    } else {
      function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
    }
    target.prepare(frame, window, rows)
  }

  /// The parameters of rows whose codes are there.
  private func fill(_ level: snq_activation_level, _ rows: Range<Int>) {
    guard let codes = level.codes, let parameters = level.rows else { return }
    for row in needsSums ? rows : 0..<(rows.lowerBound == 0 ? 1 : 0) {
      let sum = needsSums ? CodeSums.ofCodes(codes + row &* level.codeStride, Int(level.channels)) : 0
      parameters[row &* level.rowStride] = snq_row_params(
        scale: level.scale, constant: level.zero, codeSum: sum)
    }
  }
}

/// The host's codes instead of float rows.
struct TakeCodesStep: RowStep {
  static var entry: StepEntry { { TakeCodesStep.answer($0, $1) } }
  var function: snq_take_codes_function
  /// Everything but the pointers that depend on the window; codes and zeros are those of the first row.
  var arguments: snq_take_codes_args
  var target: ActivationTarget

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.codes += window.firstRow * call.codeStride
    if let zeros = call.zeros { call.zeros = zeros + window.firstRow * Int(call.levelCount) }
    target.place(&call.levels, frame, window)
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
    target.prepare(frame, window, rows)
  }
}
