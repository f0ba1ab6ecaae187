// Wrappers that the matrix kernels need.
#ifndef SONIQ_MATMUL_INTRINSICS_H
#define SONIQ_MATMUL_INTRINSICS_H
#include <stdint.h>
#include <string.h>

// Asks for a cache line in L2; any address is allowed, nothing is read.
static inline __attribute__((always_inline, nodebug)) void snq_prefetch(const uint8_t *line) {
  __builtin_prefetch(line, 0, 2);
}

// Four codes in every 32-bit lane; no alignment needed.
SNQ_INLINE("avx512f") __m512i snq_broadcast4_512(const uint8_t *codes) {
  int32_t four;
  memcpy(&four, codes, sizeof four);
  return _mm512_set1_epi32(four);
}

SNQ_INLINE("avx2") __m256i snq_broadcast4_256(const uint8_t *codes) {
  int32_t four;
  memcpy(&four, codes, sizeof four);
  return _mm256_set1_epi32(four);
}

// 32 bytes from any address; the intrinsics ask for a pointer to vectors.
SNQ_INLINE("avx2") __m256i snq_load_256(const void *bytes) {
  return _mm256_loadu_si256((const __m256i_u *)bytes);
}

SNQ_INLINE("avx2") void snq_store_256(void *bytes, __m256i vector) {
  _mm256_storeu_si256((__m256i_u *)bytes, vector);
}

// The upper nibble of every byte, moved down.
SNQ_INLINE("avx512f") __m512i snq_high_nibbles_512(__m512i bytes) {
  return _mm512_and_si512(_mm512_srli_epi32(bytes, 4), _mm512_set1_epi8(0x0f));
}

SNQ_INLINE("avx2") __m256i snq_high_nibbles_256(__m256i bytes) {
  return _mm256_and_si256(_mm256_srli_epi32(bytes, 4), _mm256_set1_epi8(0x0f));
}

// taken | (bits & mask), one instruction.
SNQ_INLINE("avx512f") __m512i snq_or_and_512(__m512i taken, __m512i bits, __m512i mask) {
  return _mm512_ternarylogic_epi64(taken, bits, mask, 0xf8);
}

// taken | value where the bit that `test` names is set in the byte that `pick` names.
SNQ_INLINE("avx2") __m256i snq_or_bits_256(__m256i taken, __m256i bits, __m256i pick, __m256i test,
                                           __m256i value) {
  __m256i tested = _mm256_and_si256(_mm256_shuffle_epi8(bits, pick), test);
  return _mm256_or_si256(taken, _mm256_and_si256(_mm256_cmpeq_epi8(tested, test), value));
}

#endif
