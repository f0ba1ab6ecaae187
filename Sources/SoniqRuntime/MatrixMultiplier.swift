package import SoniqGraph

/// One packed matrix, ready to multiply: the runtime without a graph. One thread may use it at a time.
package final class MatrixMultiplier: @unchecked Sendable {
  package let matrix: PackedMatrix

  /// - Parameters:
  ///   - matrix: validated here.
  ///   - owner: keeps the bytes of `matrix` alive.
  ///   - maximumRows: the most rows of one `multiply`, 1 or more.
  ///   - options: `maximums`, `workspace` and `keptValues` are not used.
  /// - Throws: `invalidGraph` when the matrix is not valid, else as `Session.init`.
  package init(
    _ matrix: PackedMatrix, owner: AnyObject?, maximumRows: Int, options: SessionOptions = SessionOptions()
  ) throws(RuntimeError) {
    self.matrix = matrix
    throw RuntimeError(.invalidOption, subject: "matrix (not built yet)")
  }

  /// output[r][o] = sum over k of weight[o][k] * input[r][k] + bias[o], activations quantised by level.
  ///
  /// - Parameters:
  ///   - input: [rows][inputStride] float32, the first `inputs` of each row are read.
  ///   - inputStride: floats between rows, at least `inputs`.
  ///   - rows: 0 ... `maximumRows`.
  ///   - output: [rows][outputStride] float32, the first `outputs` of each row are written.
  ///   - outputStride: floats between rows, at least `outputs`.
  /// - Throws: `invalidArgument`, `hostParallelForFailed`.
  package func multiply(
    input: UnsafePointer<Float>, inputStride: Int, rows: Int, output: UnsafeMutablePointer<Float>,
    outputStride: Int
  ) throws(RuntimeError) {}

  /// The exact integer dot products of every level, summed: output[r][o] = sum of w * u.
  ///
  /// - Parameters:
  ///   - codes: [rows][inputs] activation codes in the order of the matrix's input channels.
  ///   - zeros: for affine levels, the code of the number 0 in each row, [rows][levels]; nil: 0.
  ///   - rows: 0 ... `maximumRows`.
  ///   - output: [rows][outputStride] int32.
  ///   - outputStride: elements between rows, at least `outputs`.
  /// - Throws: `invalidArgument`, `hostParallelForFailed`.
  package func multiply(
    codes: UnsafePointer<UInt8>, zeros: UnsafePointer<Int32>?, rows: Int,
    output: UnsafeMutablePointer<Int32>, outputStride: Int
  ) throws(RuntimeError) {}

  /// What multiplies: kernel, level and the refusals.
  package var kernelReport: [KernelReportEntry] { [] }
  /// Threads at work, the caller's included.
  package var threadCount: Int { 1 }
}
