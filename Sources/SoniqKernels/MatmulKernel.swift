package import CKernelABI
package import SoniqCore

package typealias MatmulFunction =
  @convention(c) (
    UnsafePointer<snq_matmul_args>?, UInt32, UInt32, UInt32, UInt32
  ) -> Void

package typealias FloatMatmulFunction =
  @convention(c) (
    UnsafePointer<snq_float_matmul_args>?, UInt32, UInt32, UInt32, UInt32
  ) -> Void

/// What a kernel is asked to multiply: one level of a matrix by some rows.
package struct MatmulShape: Sendable, Hashable {
  /// 1...8.
  package var weightBits: Int
  /// 1...8.
  package var activationBits: Int
  /// Channels of the level.
  package var channels: Int
  package var outputs: Int
  package var rows: RowClass

  package init(weightBits: Int, activationBits: Int, channels: Int, outputs: Int, rows: RowClass) {
    self.weightBits = weightBits
    self.activationBits = activationBits
    self.channels = channels
    self.outputs = outputs
    self.rows = rows
  }
}

/// A matrix kernel and what it accepts. Kernels are exact for any number of rows, channels and outputs.
package struct MatmulKernel: Sendable {
  package var row: KernelRow<MatmulFunction>
  package let layouts: [WeightLayout]
  package let weightBits: ClosedRange<Int>
  /// The form that `snq_matmul_args.codes` must have.
  package var form = ActivationForm.codes
  /// Bytes of `snq_matmul_args.scratch` for each padded channel of the level; 0: none is read.
  package var scratchPerChannel = 0
  /// Takes `snq_matmul_args.next`, a second level for any kernel of the same instruction set that does so.
  package var fusesLevels = false
  /// What a CPU must have besides the instruction set; named by the feature's flag.
  package var needs: InstructionExtension?

  package var name: String { row.name }
  package var instructionSet: InstructionSet { row.instructionSet }

  package func accepts(weightBits bits: Int, activationBits: Int) -> Bool {
    weightBits.contains(bits) && layouts.contains(WeightLayout(bits: bits))
      && form.activationBits.contains(activationBits)
  }
}

/// The kernel that one level got for some number of rows, and why not others.
package struct MatmulChoice: Sendable {
  package let kernel: MatmulKernel
  /// Why kernels that could be thought faster were not taken, in plain words.
  package let refusals: [String]
}
