// Row operation kernels: quantiser, layer norm, activations, addition, lookup, pooling, attention.
#ifndef SONIQ_ROW_PROTOTYPES_H
#define SONIQ_ROW_PROTOTYPES_H

#define SNQ_ROW_KERNEL(operation, isa) \
  void snq_##operation##__##isa(const snq_##operation##_args *args, uint32_t rowBegin, uint32_t rowEnd)
#define SNQ_ATTENTION(operation, isa) \
  void snq_##operation##__##isa(const snq_attention_args *args, uint32_t unitBegin, uint32_t unitEnd)
#define SNQ_ROW_KERNELS(isa)             \
  SNQ_ROW_KERNEL(quantize, isa);         \
  SNQ_ROW_KERNEL(quantize_groups, isa);  \
  SNQ_ROW_KERNEL(take_codes, isa);       \
  SNQ_ROW_KERNEL(layer_norm, isa);       \
  SNQ_ROW_KERNEL(activation, isa);       \
  SNQ_ROW_KERNEL(add, isa);              \
  SNQ_ROW_KERNEL(lookup, isa);           \
  SNQ_ROW_KERNEL(pool, isa);             \
  SNQ_ROW_KERNEL(normalize, isa);        \
  SNQ_ROW_KERNEL(depthwise, isa);        \
  SNQ_ROW_KERNEL(depthwise_float, isa);  \
  SNQ_ATTENTION(attention_integer, isa); \
  SNQ_ATTENTION(attention_float, isa)

SNQ_ROW_KERNELS(portable);
SNQ_ROW_KERNELS(avx2);
SNQ_ROW_KERNELS(avx512);

SNQ_ROW_KERNEL(prepare, portable);
SNQ_ROW_KERNEL(prepare, avx2);
// Of the module KernelsAVX512VBMI.
void snq_take_codes_vbmi__avx512(const snq_take_codes_args *args, uint32_t rowBegin, uint32_t rowEnd);
void snq_prepare_vbmi__avx512(const snq_prepare_args *args, uint32_t rowBegin, uint32_t rowEnd);

// Bytes of scratch that one thread needs, for every instruction set; 0 when the sizes are out of range
// (sequence 0 or above 65536, headDim not a multiple of 4 in 4...256).
size_t snq_attention_integer_scratch(uint32_t sequence, uint32_t headDim);
size_t snq_attention_float_scratch(uint32_t sequence, uint32_t headDim);

#undef SNQ_ROW_KERNEL
#undef SNQ_ATTENTION
#undef SNQ_ROW_KERNELS

#endif
