// Row operation kernels: quantiser, layer norm, activations, addition, lookup, pooling, attention.
#ifndef SONIQ_ROW_PROTOTYPES_H
#define SONIQ_ROW_PROTOTYPES_H

#define SNQ_ROW_KERNEL(operation, isa) \
  void snq_##operation##__##isa(const snq_##operation##_args *args, uint32_t rowBegin, uint32_t rowEnd)
#define SNQ_ATTENTION(operation, isa) \
  void snq_##operation##__##isa(const snq_attention_args *args, uint32_t unitBegin, uint32_t unitEnd)
// What every instruction set has, from one source: Sources/KernelsShared.
#define SNQ_ROW_KERNELS(isa)             \
  SNQ_ROW_KERNEL(quantize, isa);         \
  SNQ_ROW_KERNEL(quantize_groups, isa);  \
  SNQ_ROW_KERNEL(take_codes, isa);       \
  SNQ_ROW_KERNEL(append_codes, isa);     \
  SNQ_ROW_KERNEL(layer_norm, isa);       \
  SNQ_ROW_KERNEL(activation, isa);       \
  SNQ_ROW_KERNEL(add, isa);              \
  SNQ_ROW_KERNEL(lookup, isa);           \
  SNQ_ROW_KERNEL(pool, isa);             \
  SNQ_ROW_KERNEL(normalize, isa);        \
  SNQ_ROW_KERNEL(depthwise_float, isa);  \
  SNQ_ATTENTION(attention_integer, isa); \
  SNQ_ATTENTION(attention_float, isa);   \
  SNQ_ATTENTION(attention_codes, isa)

SNQ_ROW_KERNELS(portable);
SNQ_ROW_KERNELS(avx2);
SNQ_ROW_KERNELS(avx512);
SNQ_ROW_KERNELS(neon);

SNQ_ROW_KERNEL(depthwise, portable);
SNQ_ROW_KERNEL(depthwise, avx2);
SNQ_ROW_KERNEL(depthwise, avx512);
SNQ_ROW_KERNEL(depthwise, neon);
SNQ_ROW_KERNEL(prepare, portable);
SNQ_ROW_KERNEL(prepare, avx2);
SNQ_ROW_KERNEL(prepare, neon);
// Of the module KernelsAVX2 alone.
void snq_take_codes_shuffled__avx2(const snq_take_codes_args *args, uint32_t rowBegin, uint32_t rowEnd);
// Of the module KernelsAVX512VBMI.
void snq_take_codes_vbmi__avx512(const snq_take_codes_args *args, uint32_t rowBegin, uint32_t rowEnd);
void snq_prepare_vbmi__avx512(const snq_prepare_args *args, uint32_t rowBegin, uint32_t rowEnd);

// Bytes of scratch that one thread needs, for every instruction set; 0 when the sizes are out of range
// (sequence 0 or above 65536, headDim not a multiple of 4 in 4...256).
size_t snq_attention_integer_scratch(uint32_t sequence, uint32_t headDim);
size_t snq_attention_float_scratch(uint32_t sequence, uint32_t headDim);
size_t snq_attention_codes_scratch(uint32_t sequence, uint32_t headDim);

// A module that shares the source names its instruction set, SNQ_OWN (Package.swift). The source implements these, whose
// symbols are those of the module's own: SharedRowKernels.swift is then one file for all.
#ifdef SNQ_OWN
#define SNQ_TEXT_OF(name) #name
#define SNQ_TEXT(name) SNQ_TEXT_OF(name)
#define SNQ_OWN_ROW_KERNEL(operation)                                                                            \
  void snq_##operation##__own(const snq_##operation##_args *args, uint32_t rowBegin, uint32_t rowEnd)           \
      __asm__("snq_" #operation "__" SNQ_TEXT(SNQ_OWN))
#define SNQ_OWN_ATTENTION(operation)                                                                             \
  void snq_##operation##__own(const snq_attention_args *args, uint32_t unitBegin, uint32_t unitEnd)             \
      __asm__("snq_" #operation "__" SNQ_TEXT(SNQ_OWN))

SNQ_OWN_ROW_KERNEL(quantize);
SNQ_OWN_ROW_KERNEL(quantize_groups);
SNQ_OWN_ROW_KERNEL(take_codes);
SNQ_OWN_ROW_KERNEL(append_codes);
SNQ_OWN_ROW_KERNEL(layer_norm);
SNQ_OWN_ROW_KERNEL(activation);
SNQ_OWN_ROW_KERNEL(add);
SNQ_OWN_ROW_KERNEL(lookup);
SNQ_OWN_ROW_KERNEL(pool);
SNQ_OWN_ROW_KERNEL(normalize);
SNQ_OWN_ROW_KERNEL(depthwise_float);
SNQ_OWN_ATTENTION(attention_integer);
SNQ_OWN_ATTENTION(attention_float);
SNQ_OWN_ATTENTION(attention_codes);

#undef SNQ_OWN_ROW_KERNEL
#undef SNQ_OWN_ATTENTION
#undef SNQ_TEXT
#undef SNQ_TEXT_OF
#endif

#undef SNQ_ROW_KERNEL
#undef SNQ_ATTENTION
#undef SNQ_ROW_KERNELS

#endif
