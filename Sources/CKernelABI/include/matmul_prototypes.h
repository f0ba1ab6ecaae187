// Matrix kernels: snq_matmul_<layout>_<rows>x<panels>__<isa>, rows x panels being the register tile; snq_group_matmul_
// where weights have scales per group.
#ifndef SONIQ_MATMUL_PROTOTYPES_H
#define SONIQ_MATMUL_PROTOTYPES_H

#define SNQ_MATMUL(name)                                                                          \
  void name(const snq_matmul_args *args, uint32_t rowBegin, uint32_t rowEnd, uint32_t panelBegin, \
            uint32_t panelEnd)
#define SNQ_FLOAT_MATMUL(name)                                                                 \
  void name(const snq_float_matmul_args *args, uint32_t rowBegin, uint32_t rowEnd,             \
            uint32_t panelBegin, uint32_t panelEnd)
#define SNQ_GROUP_MATMUL(name)                                                                 \
  void name(const snq_group_matmul_args *args, uint32_t rowBegin, uint32_t rowEnd,             \
            uint32_t panelBegin, uint32_t panelEnd)

SNQ_MATMUL(snq_matmul_any_8x1__portable);
SNQ_FLOAT_MATMUL(snq_float_matmul_1x1__portable);

SNQ_MATMUL(snq_matmul_bytes_6x1__avx2);
SNQ_MATMUL(snq_matmul_nibbles_6x1__avx2);
SNQ_MATMUL(snq_matmul_planes_6x1__avx2);
SNQ_MATMUL(snq_matmul_bit_serial_1x1__avx2);
SNQ_MATMUL(snq_matmul_tables_4x2__avx2);
SNQ_MATMUL(snq_matmul_half_tables_2x2__avx2);
SNQ_MATMUL(snq_matmul_bytes_vnni_6x1__avx2);
SNQ_MATMUL(snq_matmul_nibbles_vnni_6x1__avx2);
SNQ_MATMUL(snq_matmul_planes_vnni_6x1__avx2);
SNQ_FLOAT_MATMUL(snq_float_matmul_6x1__avx2);

SNQ_MATMUL(snq_matmul_bytes_6x4__avx512);
SNQ_MATMUL(snq_matmul_nibbles_6x4__avx512);
SNQ_MATMUL(snq_matmul_expanded_6x4__avx512);
SNQ_MATMUL(snq_matmul_bit_serial_6x4__avx512);
SNQ_MATMUL(snq_matmul_tables_6x4__avx512);
SNQ_MATMUL(snq_matmul_half_tables_6x4__avx512);
SNQ_FLOAT_MATMUL(snq_float_matmul_4x4__avx512);

SNQ_MATMUL(snq_matmul_bytes_4x1__neon);
SNQ_MATMUL(snq_matmul_nibbles_2x1__neon);
SNQ_MATMUL(snq_matmul_planes_2x1__neon);
SNQ_MATMUL(snq_matmul_bit_serial_4x1__neon);
SNQ_MATMUL(snq_matmul_tables_8x1__neon);
SNQ_MATMUL(snq_matmul_half_tables_4x1__neon);
SNQ_MATMUL(snq_matmul_bytes_4x1__dotprod);
SNQ_MATMUL(snq_matmul_nibbles_4x1__dotprod);
SNQ_MATMUL(snq_matmul_planes_4x1__dotprod);
SNQ_MATMUL(snq_matmul_bytes_6x1__i8mm);
SNQ_MATMUL(snq_matmul_nibbles_6x1__i8mm);
SNQ_MATMUL(snq_matmul_planes_6x1__i8mm);

SNQ_GROUP_MATMUL(snq_group_matmul_any_8x1__portable);
SNQ_GROUP_MATMUL(snq_group_matmul_bytes_6x2__avx2);
SNQ_GROUP_MATMUL(snq_group_matmul_nibbles_6x2__avx2);
SNQ_GROUP_MATMUL(snq_group_matmul_bytes_vnni_6x2__avx2);
SNQ_GROUP_MATMUL(snq_group_matmul_nibbles_vnni_6x2__avx2);
SNQ_GROUP_MATMUL(snq_group_matmul_bytes_6x2__avx512);
SNQ_GROUP_MATMUL(snq_group_matmul_nibbles_6x2__avx512);
SNQ_GROUP_MATMUL(snq_group_matmul_bytes_4x1__neon);
SNQ_GROUP_MATMUL(snq_group_matmul_nibbles_4x1__neon);
SNQ_GROUP_MATMUL(snq_group_matmul_bytes_4x1__dotprod);
SNQ_GROUP_MATMUL(snq_group_matmul_nibbles_4x1__dotprod);
SNQ_GROUP_MATMUL(snq_group_matmul_bytes_4x1__i8mm);
SNQ_GROUP_MATMUL(snq_group_matmul_nibbles_4x1__i8mm);

#undef SNQ_MATMUL
#undef SNQ_FLOAT_MATMUL
#undef SNQ_GROUP_MATMUL

#endif
