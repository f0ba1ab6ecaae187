import CKernelABI
import SoniqKernels
import SoniqTestSupport

/// Rows of codes in one of the other forms, made by the portable kernel; noise between the rows.
final class PreparedRows {
  let bytes: GuardedBuffer<UInt8>
  let stride: Int

  init(
    _ form: ActivationForm, codes: UnsafePointer<UInt8>, codeStride: Int, rows: Int, paddedChannels: Int,
    activationBits: Int, kernel: KernelRow<snq_prepare_function> = RowKernelRegistry.prepare.reference
  ) {
    stride = form.rowStride(paddedChannels: paddedChannels, activationBits: activationBits)
    bytes = GuardedBuffer([UInt8](repeating: 0xa5, count: stride * rows))
    var args = snq_prepare_args(
      codes: codes, codeStride: codeStride, paddedChannels: UInt32(paddedChannels),
      activationBits: UInt32(activationBits), form: form.tag, prepared: bytes.start, preparedStride: stride,
      planeStride: paddedChannels / 8)
    kernel.function(&args, 0, UInt32(rows))
  }
}
