internal import CKernelABI

// Sizes only: one function serves the kernels of every instruction set, which share one scratch layout.

@c @implementation
func snq_attention_integer_scratch(_ sequence: UInt32, _ headDim: UInt32) -> Int {
  guard attentionSizesAreValid(Int(sequence), headDim, most: mostIntegerKeys) else { return 0 }
  return IntegerAttentionScratch.byteCount(Int(sequence), Int(headDim))
}

@c @implementation
func snq_attention_float_scratch(_ sequence: UInt32, _ headDim: UInt32) -> Int {
  guard attentionSizesAreValid(Int(sequence), headDim, most: mostFloatKeys) else { return 0 }
  return FloatAttentionScratch.byteCount(Int(sequence), Int(headDim))
}

@c @implementation
func snq_attention_codes_scratch(_ sequence: UInt32, _ headDim: UInt32) -> Int {
  guard attentionSizesAreValid(Int(sequence), headDim, most: mostFloatKeys) else { return 0 }
  return CodeAttentionScratch.byteCount(Int(sequence), Int(headDim))
}
