import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

/// The kernels that the steps of a session call: those of one instruction set.
struct StepKernels {
  let matrices: KernelTable
  let quantize: KernelRow<snq_quantize_function>
  let takeCodes: KernelRow<snq_take_codes_function>
  let prepare: KernelRow<snq_prepare_function>
  let layerNorm: KernelRow<snq_layer_norm_function>
  let activation: KernelRow<snq_activation_function>
  let add: KernelRow<snq_add_function>
  let lookup: KernelRow<snq_lookup_function>
  let pool: KernelRow<snq_pool_function>
  let normalize: KernelRow<snq_normalize_function>
  let depthwise: KernelRow<snq_depthwise_function>
  let floatDepthwise: KernelRow<snq_depthwise_float_function>
  let integerAttention: KernelRow<snq_attention_function>
  let floatAttention: KernelRow<snq_attention_function>

  /// The class of the most rows that a call can have: no copies are made for what cannot happen.
  let mostRows: RowClass
  /// Kernels may get the weights in another layout than the file's.
  let allowsCopies: Bool
  /// Why there is no faster kernel for depthwise convolutions.
  let depthwiseRefusals: [String]

  var instructionSet: InstructionSet { matrices.instructionSet }

  /// - Parameters:
  ///   - limit: an instruction set that this CPU runs.
  ///   - profile: what kernels cost.
  ///   - mostRows: of any call.
  ///   - allowsCopies: see `allowsCopies`.
  init(upTo limit: InstructionSet, profile: KernelProfile, mostRows: RowClass, allowsCopies: Bool) {
    self.mostRows = mostRows
    self.allowsCopies = allowsCopies
    matrices = KernelTable(instructionSet: limit, profile: profile, allowsCopies: allowsCopies)
    quantize = RowKernelRegistry.quantize.chosen(upTo: limit)
    takeCodes = RowKernelRegistry.takeCodes.chosen(upTo: limit)
    prepare = RowKernelRegistry.prepare.chosen(upTo: limit)
    layerNorm = RowKernelRegistry.layerNorm.chosen(upTo: limit)
    activation = RowKernelRegistry.activation.chosen(upTo: limit)
    add = RowKernelRegistry.add.chosen(upTo: limit)
    lookup = RowKernelRegistry.lookup.chosen(upTo: limit)
    pool = RowKernelRegistry.pool.chosen(upTo: limit)
    normalize = RowKernelRegistry.normalize.chosen(upTo: limit)
    let fastest = RowKernelRegistry.depthwise.chosen(upTo: limit)
    depthwise =
      allowsCopies ? fastest : RowKernelRegistry.depthwise.chosen(upTo: limit, without: .tiledDepthwise)
    depthwiseRefusals =
      fastest.name == depthwise.name
      ? [] : ["\(fastest.name): needs a copy of the weights, and copies are turned off"]
    floatDepthwise = RowKernelRegistry.floatDepthwise.chosen(upTo: limit)
    integerAttention = RowKernelRegistry.integerAttention.chosen(upTo: limit)
    floatAttention = RowKernelRegistry.floatAttention.chosen(upTo: limit)
  }

  /// The instruction set that the CPU, SONIQ_MAX_ISA and the option allow together.
  ///
  /// - Throws: `unknownInstructionSet` when the variable or the option names none.
  init(
    maximum: String?, profile: KernelProfile, mostRows: RowClass, allowsCopies: Bool
  ) throws(RuntimeError) {
    let features = CPUFeatures.detect()
    var limit = features.instructionSet
    do throws(UnknownInstructionSet) {
      for name in [CPUFeatures.environmentCap(), maximum] {
        limit = min(limit, features.instructionSet(cappedBy: try InstructionSet.cap(named: name)))
      }
    } catch {
      throw RuntimeError(.unknownInstructionSet, subject: error.name)
    }
    self.init(upTo: limit, profile: profile, mostRows: mostRows, allowsCopies: allowsCopies)
  }

  /// The kernel of a level for every row class.
  func choices(_ matrix: PackedMatrix, level index: Int) -> [MatmulChoice] {
    let level = matrix.levels[index]
    return RowClass.allCases.map { rows in
      matrices.matmul(
        MatmulShape(
          weightBits: level.level.weight.bits, activationBits: level.level.activation.bits,
          channels: level.channels * level.taps, outputs: matrix.outputs, rows: min(rows, mostRows),
          hasCompanion: matrix.levels.count == 2))
    }
  }

  /// The kernel of a matrix whose step writes codes, for any number of rows: that of many rows.
  func sinkChoices(_ matrix: PackedMatrix) -> [MatmulChoice] {
    let choices = choices(matrix, level: 0)
    return choices.map { _ in choices[RowClass.many.rawValue] }
  }

  /// Whether a step can write codes in place of floats: one level whose rows have one scale, no offsets, no activation
  /// function of its own.
  func writesCodes(_ work: ScheduledWork) -> Bool {
    func isPlain(_ matrix: PackedMatrix) -> Bool {
      guard matrix.levels.count == 1, matrix.levels[0].offsets == nil,
        case .fixed = matrix.levels[0].level.activation.scaling
      else { return false }
      return true
    }
    switch work {
    case .matmul(let matrix, nil): return isPlain(matrix) && sinkChoices(matrix)[0].kernel.writesCodes
    case .convolution(let convolution, nil):
      return convolution.matrices.allSatisfy {
        isPlain($0)
          && ConvolutionLevelPlan($0, level: 0, convolution.geometry, self).choice.kernel.writesCodes
      }
    case .depthwise(_, nil): return depthwise.traits.contains(.tiledDepthwise)
    default: return false
    }
  }

  /// The most bytes that a kernel of a level wants a row of codes prepared to; 0 when none wants that.
  func preparedRowBytes(_ matrix: PackedMatrix, level index: Int) -> Int {
    choices(matrix, level: index).map { preparedStride($0, matrix.levels[index]) }.max() ?? 0
  }

  /// Bytes of scratch that a kernel of a level uses.
  func scratchBytes(_ choice: MatmulChoice, _ level: MatrixLevel) -> Int {
    choice.kernel.scratchBytes(paddedChannels: level.storedChannels)
  }

  /// The most scratch that a call for this matrix needs, all levels together.
  func scratchBytes(_ matrix: PackedMatrix) -> Int {
    matrix.levels.indices.reduce(0) { sum, index in
      sum + (choices(matrix, level: index).map { scratchBytes($0, matrix.levels[index]) }.max() ?? 0)
    }
  }

  func preparedStride(_ choice: MatmulChoice, _ level: MatrixLevel) -> Int {
    choice.kernel.form.rowStride(
      paddedChannels: level.storedChannels, activationBits: level.level.activation.bits)
  }

  /// Scratch of a lane for attention over `sequence` positions; nil when the kernels refuse the sizes.
  func attentionScratchBytes(sequence: Int, headLength: Int, isInteger: Bool) -> Int? {
    guard let sequence = UInt32(exactly: sequence), let length = UInt32(exactly: headLength) else {
      return nil
    }
    let bytes =
      isInteger
      ? snq_attention_integer_scratch(sequence, length) : snq_attention_float_scratch(sequence, length)
    return bytes > 0 ? Int(bytes) : nil
  }
}
