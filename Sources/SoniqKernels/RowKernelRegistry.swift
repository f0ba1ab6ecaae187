package import CKernelABI

/// The row kernels: one family per operation, all with equal bits. The kernels are listed in `Registry`.
package enum RowKernelRegistry {
  package static let quantize = KernelFamily(PortableKernels.quantize) { $0.quantize }
  /// Codes with scales and sums per group of channels.
  package static let quantizeGroups = KernelFamily(PortableKernels.quantizeGroups) { $0.quantizeGroups }
  package static let takeCodes = KernelFamily(PortableKernels.takeCodes) { $0.takeCodes }
  /// Keys and values to the codes of a growing state.
  package static let appendCodes = KernelFamily(PortableKernels.appendCodes) { $0.appendCodes }
  /// Codes to the other forms of `ActivationForm`.
  package static let prepare = KernelFamily(PortableKernels.prepare) { $0.prepare }
  package static let layerNorm = KernelFamily(PortableKernels.layerNorm) { $0.layerNorm }
  package static let activation = KernelFamily(PortableKernels.activation) { $0.activation }
  package static let add = KernelFamily(PortableKernels.add) { $0.add }
  package static let lookup = KernelFamily(PortableKernels.lookup) { $0.lookup }
  package static let pool = KernelFamily(PortableKernels.pool) { $0.pool }
  package static let normalize = KernelFamily(PortableKernels.normalize) { $0.normalize }
  package static let depthwise = KernelFamily(PortableKernels.depthwise) { $0.depthwise }
  package static let floatDepthwise = KernelFamily(PortableKernels.floatDepthwise) { $0.floatDepthwise }
  /// Scratch per thread: `snq_attention_integer_scratch`.
  package static let integerAttention = KernelFamily(PortableKernels.integerAttention) { $0.integerAttention }
  /// Scratch per thread: `snq_attention_float_scratch`.
  package static let floatAttention = KernelFamily(PortableKernels.floatAttention) { $0.floatAttention }
  /// Scratch per thread: `snq_attention_codes_scratch`.
  package static let codeAttention = KernelFamily(PortableKernels.codeAttention) { $0.codeAttention }
}
