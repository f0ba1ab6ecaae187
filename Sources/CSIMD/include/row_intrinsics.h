// Wrappers that the row operation kernels need.
#ifndef SONIQ_ROW_INTRINSICS_H
#define SONIQ_ROW_INTRINSICS_H

// --- AVX and AVX2 ---

SNQ_INLINE("avx") __m256 snq_256_less(__m256 a, __m256 b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
SNQ_INLINE("avx") __m256 snq_256_floor(__m256 a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
SNQ_INLINE("avx") __m256 snq_256_nearest(__m256 a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// The last steps of the 16-lane rule: lanes i and i+4, i+2, i+1, lower lane first.
SNQ_INLINE("avx") float snq_256_sum(__m256 a) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
SNQ_INLINE("avx") float snq_256_minimum(__m256 a) {
  __m128 four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}
SNQ_INLINE("avx") float snq_256_maximum(__m256 a) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
SNQ_INLINE("avx2") int32_t snq_256_sum_int32(__m256i a) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xee));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0x55)));
}
// Sixteen 32-bit lanes, all in 0...255 or -128...127, to their low bytes in order.
SNQ_INLINE("avx2") __m128i snq_256_low_bytes(__m256i low, __m256i high) {
  const __m256i pick = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                                        0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  __m256i a = _mm256_shuffle_epi8(low, pick), b = _mm256_shuffle_epi8(high, pick);
  __m128i first = _mm_unpacklo_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  __m128i second = _mm_unpacklo_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  return _mm_unpacklo_epi64(first, second);
}
// Per 32-bit lane the exact sum of four products of unsigned bytes `a` and signed bytes `b`, in two
// vpmaddwd: vpmaddubsw would saturate.
SNQ_INLINE("avx2") __m256i snq_256_dot_bytes(__m256i sum, __m256i a, __m256i b) {
  __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                                   _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

// --- AVX-512 ---

SNQ_INLINE("avx512f") __mmask16 snq_512_less(__m512 a, __m512 b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
SNQ_INLINE("avx512f") __m512 snq_512_floor(__m512 a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
SNQ_INLINE("avx512f") __m512 snq_512_nearest(__m512 a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SNQ_INLINE("avx512f,avx512dq") __m256 snq_512_upper(__m512 a) { return _mm512_extractf32x8_ps(a, 1); }
SNQ_INLINE("avx512f") __m256i snq_512_upper_int32(__m512i a) { return _mm512_extracti64x4_epi64(a, 1); }

#endif
