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

/// How many rows a call usually has: one (a matrix-vector product) or more. Kernels are exact for any
/// number; the shape only says what their register tile is made for.
package enum RowShape: String, Sendable, Hashable, CaseIterable {
  case oneRow
  case manyRows
}

/// A matrix kernel and the weights it accepts.
package struct MatmulKernel: Sendable {
  package let row: KernelRow<MatmulFunction>
  package let layouts: [WeightLayout]
  package let weightBits: ClosedRange<Int>
  package let shapes: [RowShape]
  /// Takes `snq_matmul_args.next`, a second level of any layout that such kernels accept.
  package var fusesLevels = false

  package var name: String { row.name }
  package var instructionSet: InstructionSet { row.instructionSet }

  package func accepts(weightBits bits: Int, _ shape: RowShape) -> Bool {
    weightBits.contains(bits) && layouts.contains(WeightLayout(bits: bits)) && shapes.contains(shape)
  }
}

/// The kernels that one layer got, and why not faster ones.
package struct MatmulChoice: Sendable {
  package let oneRow: KernelRow<MatmulFunction>
  package let manyRows: KernelRow<MatmulFunction>
  /// Both kernels take `snq_matmul_args.next` when the second level's kernels do so too.
  package let fusesLevels: Bool
  /// Why a kernel of the newest allowed instruction set was not chosen; nil when it was.
  package let refusal: String?

  /// The kernel for a call with this many rows.
  @inlinable
  package func kernel(rowCount: Int) -> KernelRow<MatmulFunction> { rowCount == 1 ? oneRow : manyRows }
}
