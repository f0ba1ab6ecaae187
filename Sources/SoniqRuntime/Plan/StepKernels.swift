import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

/// The kernels that the steps of a session call: the fastest that may be used. Shared by all that plan with them, which
/// may be done on a small stack.
final class StepKernels: Sendable {
  let matrices: KernelTable
  let quantize: KernelRow<snq_quantize_function>
  let takeCodes: KernelRow<snq_take_codes_function>
  let prepare: KernelRow<snq_prepare_function>
  let activation: KernelRow<snq_activation_function>
  let depthwise: KernelRow<snq_depthwise_function>
  let floatDepthwise: KernelRow<snq_depthwise_float_function>

  /// The class of the most rows that a call can have: no copies are made for what cannot happen.
  let mostRows: RowClass
  /// Kernels may get the weights in another layout than the file's.
  let allowsCopies: Bool
  /// Why there is no faster kernel for depthwise convolutions.
  let depthwiseRefusals: [String]

  var instructionSet: InstructionSet { matrices.instructionSet }

  /// - Parameters:
  ///   - available: what the CPU has and no cap forbids.
  ///   - profile: what kernels cost.
  ///   - mostRows: of any call.
  ///   - allowsCopies: see `allowsCopies`.
  init(on available: Capabilities, profile: KernelProfile, mostRows: RowClass, allowsCopies: Bool) {
    self.mostRows = mostRows
    self.allowsCopies = allowsCopies
    matrices = KernelTable(available: available, profile: profile, allowsCopies: allowsCopies)
    quantize = RowKernelRegistry.quantize.chosen(on: available)
    takeCodes = RowKernelRegistry.takeCodes.chosen(on: available)
    prepare = RowKernelRegistry.prepare.chosen(on: available)
    activation = RowKernelRegistry.activation.chosen(on: available)
    let fastest = RowKernelRegistry.depthwise.chosen(on: available)
    depthwise =
      allowsCopies ? fastest : RowKernelRegistry.depthwise.chosen(on: available, without: .tiledDepthwise)
    depthwiseRefusals =
      fastest.name == depthwise.name
      ? [] : ["\(fastest.name): needs a copy of the weights, and copies are turned off"]
    floatDepthwise = RowKernelRegistry.floatDepthwise.chosen(on: available)
  }

  /// What the CPU, SONIQ_MAX_ISA and the option allow together.
  ///
  /// - Throws: `unknownInstructionSet` when the variable or the option names none.
  convenience init(
    maximum: String?, profile: KernelProfile, mostRows: RowClass, allowsCopies: Bool
  ) throws(RuntimeError) {
    var available = Capabilities.detected()
    do throws(UnknownInstructionSet) {
      for name in [InstructionSet.environmentCap(), maximum] {
        available = available.capped(by: try InstructionSet.cap(named: name))
      }
    } catch {
      throw RuntimeError(.unknownInstructionSet, subject: error.name)
    }
    self.init(on: available, profile: profile, mostRows: mostRows, allowsCopies: allowsCopies)
  }

  /// The kernel of an operation that has one for each instruction set.
  func row<Function>(_ family: KernelFamily<Function>) -> KernelRow<Function> {
    family.chosen(on: matrices.available)
  }

  /// The kernel of a level for some number of rows.
  func choice(_ matrix: PackedMatrix, level index: Int, _ rows: RowClass) -> MatmulChoice {
    let level = matrix.levels[index]
    let weight = level.level.weight
    let shape = MatmulShape(
      weightBits: weight.kernelBits, layout: weight.layout, activationBits: level.level.activation.bits,
      channels: level.channels * level.taps, taps: level.taps, outputs: matrix.outputs,
      rows: min(rows, mostRows),
      hasCompanion: matrix.levels.count == 2)
    return weight.kind == .codebook ? matrices.codebook(shape) : matrices.matmul(shape)
  }

  /// The kernels of a linear layer.
  func layer(_ matrix: PackedMatrix) -> LayerPlan {
    LayerPlan(
      matrix,
      choices: matrix.levels.indices.map { index in
        RowClass.allCases.map { choice(matrix, level: index, $0) }
      })
  }

  /// Scratch of a lane for attention over `sequence` positions; nil when the kernels refuse the sizes.
  func attentionScratchBytes(sequence: Int, headLength: Int, numbers: AttentionNumbers) -> Int? {
    guard let sequence = UInt32(exactly: sequence), let length = UInt32(exactly: headLength) else {
      return nil
    }
    let bytes = numbers.scratchBytes(keys: sequence, headLength: length)
    return bytes > 0 ? bytes : nil
  }
}
