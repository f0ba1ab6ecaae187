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

// Bytes 16 to 31.
SNQ_INLINE("avx2") __m128i snq_256_upper_bytes(__m256i a) { return _mm256_extracti128_si256(a, 1); }

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
// Whether the sixteen numbers are first, first + 1, ...
SNQ_INLINE("avx2") int snq_256_is_run(const uint32_t *numbers) {
  __m256i first = _mm256_set1_epi32((int)numbers[0]);
  __m256i low = _mm256_add_epi32(first, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  __m256i high = _mm256_add_epi32(first, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
  __m256i same = _mm256_and_si256(
      _mm256_cmpeq_epi32(low, _mm256_loadu_si256((const __m256i_u *)numbers)),
      _mm256_cmpeq_epi32(high, _mm256_loadu_si256((const __m256i_u *)(numbers + 8))));
  return _mm256_movemask_epi8(same) == -1;
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
// The codes max(integer + zero, 0) of 32 integers whose sums with zero are at most 255; zero in 0...255, in every 16-bit
// lane. Saturation is what cuts off: integers far below 0 too.
SNQ_INLINE("avx2") __m256i snq_256_pack_codes(__m256i a, __m256i b, __m256i c, __m256i d, __m256i zero) {
  __m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
  __m256i cd = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero);
  return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
// Sixteen words each to unsigned bytes, saturating, in order.
SNQ_INLINE("avx2") __m256i snq_256_pack_words(__m256i a, __m256i b) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}
// Per 32-bit lane the exact sum of four products of unsigned bytes `a` and signed bytes `b`, in two
// vpmaddwd: vpmaddubsw would saturate.
SNQ_INLINE("avx2") __m256i snq_256_dot_bytes(__m256i sum, __m256i a, __m256i b) {
  __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(0xff)),
                                   _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

// Lane r is the maximum of the eight numbers at rows[r]; no NaN.
SNQ_INLINE("avx") __m256 snq_256_row_maxima(const __m256 rows[8]) {
  __m256 four[2];
  for (int i = 0; i < 2; i++) {
    const __m256 *r = rows + 4 * i;
    __m256 ab = _mm256_max_ps(_mm256_unpacklo_ps(r[0], r[1]), _mm256_unpackhi_ps(r[0], r[1]));
    __m256 cd = _mm256_max_ps(_mm256_unpacklo_ps(r[2], r[3]), _mm256_unpackhi_ps(r[2], r[3]));
    four[i] = _mm256_max_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  }
  return _mm256_max_ps(_mm256_permute2f128_ps(four[0], four[1], 0x20),
                       _mm256_permute2f128_ps(four[0], four[1], 0x31));
}
// Lane r is the maximum of the sixteen numbers at rows + 16 * r, for eight rows; no NaN.
SNQ_INLINE("avx") __m256 snq_256_block_maxima(const float *rows) {
  __m256 halves[8];
  for (int r = 0; r < 8; r++) {
    halves[r] = _mm256_max_ps(_mm256_loadu_ps(rows + 16 * r), _mm256_loadu_ps(rows + 16 * r + 8));
  }
  return snq_256_row_maxima(halves);
}

SNQ_INLINE("avx2") __m128i snq_256_upper(__m256i a) { return _mm256_extracti128_si256(a, 1); }
// The lower 16 bytes of both, and the upper ones.
SNQ_INLINE("avx") __m256 snq_256_lower_halves(__m256 a, __m256 b) { return _mm256_permute2f128_ps(a, b, 0x20); }
SNQ_INLINE("avx") __m256 snq_256_upper_halves(__m256 a, __m256 b) { return _mm256_permute2f128_ps(a, b, 0x31); }
// Eight rows of eight numbers, sixteen apart, to columns that are sixteen apart.
SNQ_INLINE("avx") void snq_256_transpose_8(const float *rows, float *columns) {
  __m256 pairs[8], fours[8];
  for (int i = 0; i < 4; i++) {
    __m256 a = _mm256_loadu_ps(rows + 32 * i), b = _mm256_loadu_ps(rows + 32 * i + 16);
    pairs[2 * i] = _mm256_unpacklo_ps(a, b);
    pairs[2 * i + 1] = _mm256_unpackhi_ps(a, b);
  }
  for (int i = 0; i < 2; i++) {
    const __m256 *p = pairs + 4 * i;
    fours[4 * i] = _mm256_shuffle_ps(p[0], p[2], 0x44);
    fours[4 * i + 1] = _mm256_shuffle_ps(p[0], p[2], 0xee);
    fours[4 * i + 2] = _mm256_shuffle_ps(p[1], p[3], 0x44);
    fours[4 * i + 3] = _mm256_shuffle_ps(p[1], p[3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(columns + 16 * i, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
    _mm256_storeu_ps(columns + 16 * (i + 4), _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
  }
}
// Sixteen rows of sixteen numbers to columns.
SNQ_INLINE("avx") void snq_256_transpose_16(const float *rows, float *columns) {
  snq_256_transpose_8(rows, columns);
  snq_256_transpose_8(rows + 8, columns + 128);
  snq_256_transpose_8(rows + 128, columns + 8);
  snq_256_transpose_8(rows + 136, columns + 136);
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
SNQ_INLINE("avx512f") __m512 snq_512_gather(const float *source, __m512i indices) {
  return _mm512_i32gather_ps(indices, source, 4);
}
// Whether every lane is below 32, unsigned.
SNQ_INLINE("avx512f") int snq_512_below_32(__m512i a) {
  return _mm512_cmplt_epu32_mask(a, _mm512_set1_epi32(32)) == 0xffff;
}
// Lane r is the maximum of the sixteen numbers at rows + 16 * r; no NaN.
SNQ_INLINE("avx512f") __m512 snq_512_block_maxima(const float *rows) {
  __m512 four[4];
  for (int i = 0; i < 4; i++) {
    __m512 a = _mm512_loadu_ps(rows + 64 * i), b = _mm512_loadu_ps(rows + 64 * i + 16);
    __m512 c = _mm512_loadu_ps(rows + 64 * i + 32), d = _mm512_loadu_ps(rows + 64 * i + 48);
    __m512 ab = _mm512_max_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    __m512 cd = _mm512_max_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    four[i] = _mm512_max_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
  }
  __m512 low = _mm512_max_ps(_mm512_shuffle_f32x4(four[0], four[1], 0x44),
                             _mm512_shuffle_f32x4(four[0], four[1], 0xee));
  __m512 high = _mm512_max_ps(_mm512_shuffle_f32x4(four[2], four[3], 0x44),
                              _mm512_shuffle_f32x4(four[2], four[3], 0xee));
  return _mm512_max_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
}
// The low bytes of the 32-bit lanes of two registers, in order.
SNQ_INLINE("avx512f") __m256i snq_512_low_bytes(__m512i low, __m512i high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(low)), _mm512_cvtepi32_epi8(high),
                                 1);
}
// Like snq_256_pack_codes, of 64 integers; in each 16 bytes those of the same 16 bytes of a, b, c and d.
SNQ_INLINE("avx512f,avx512bw") __m512i snq_512_pack_lanes(__m512i a, __m512i b, __m512i c, __m512i d, __m512i zero) {
  __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
  __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
  return _mm512_packus_epi16(ab, cd);
}
// In order.
SNQ_INLINE("avx512f,avx512bw") __m512i snq_512_pack_codes(__m512i a, __m512i b, __m512i c, __m512i d, __m512i zero) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                                  snq_512_pack_lanes(a, b, c, d, zero));
}
SNQ_INLINE("sse2") __m128i snq_load_128(const void *bytes) { return _mm_loadu_si128((const __m128i_u *)bytes); }
SNQ_INLINE("sse2") void snq_store_128(void *bytes, __m128i vector) { _mm_storeu_si128((__m128i_u *)bytes, vector); }
// The first `count` (0 to 31) bytes.
SNQ_INLINE("avx2") void snq_256_store_first(void *bytes, __m256i vector, long count) {
  uint8_t *target = (uint8_t *)bytes;
  __m128i rest = _mm256_castsi256_si128(vector);
  uint64_t eight;
  if (count & 16) {
    _mm_storeu_si128((__m128i_u *)target, rest);
    target += 16;
    rest = _mm256_extracti128_si256(vector, 1);
  }
  eight = (uint64_t)_mm_cvtsi128_si64(rest);
  if (count & 8) {
    memcpy(target, &eight, 8);
    target += 8;
    eight = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(rest, rest));
  }
  if (count & 4) {
    memcpy(target, &eight, 4);
    target += 4;
    eight >>= 32;
  }
  if (count & 2) {
    memcpy(target, &eight, 2);
    target += 2;
    eight >>= 16;
  }
  if (count & 1) *target = (uint8_t)eight;
}
// Sixteen rows of four 32-bit words, row 4 * l + k at `words` + 16 * (4 * k + l) bytes, to four columns of
// sixteen words, of which the first `count` are stored.
SNQ_INLINE("avx512f") void snq_512_store_columns(const void *words, void *columns, long count) {
  const char *source = (const char *)words;
  __m512i a = _mm512_loadu_si512(source), b = _mm512_loadu_si512(source + 64);
  __m512i c = _mm512_loadu_si512(source + 128), d = _mm512_loadu_si512(source + 192);
  __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
  char *target = (char *)columns;
  _mm512_storeu_si512(target, _mm512_unpacklo_epi64(ab, cd));
  if (count > 1) _mm512_storeu_si512(target + 64, _mm512_unpackhi_epi64(ab, cd));
  ab = _mm512_unpackhi_epi32(a, b), cd = _mm512_unpackhi_epi32(c, d);
  if (count > 2) _mm512_storeu_si512(target + 128, _mm512_unpacklo_epi64(ab, cd));
  if (count > 3) _mm512_storeu_si512(target + 192, _mm512_unpackhi_epi64(ab, cd));
}
SNQ_INLINE("avx512f") __m256i snq_512_upper_int32(__m512i a) { return _mm512_extracti64x4_epi64(a, 1); }

// 16-byte quarters of two vectors: (a0, b0, a2, b2), (a1, b1, a3, b3); then the lower and upper halves of pairs of these:
// four such steps transpose 4 x 4 quarters.
SNQ_INLINE("avx512f") __m512i snq_512_even_quarters(__m512i a, __m512i b) {
  return _mm512_permutex2var_epi64(a, _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0), b);
}
SNQ_INLINE("avx512f") __m512i snq_512_odd_quarters(__m512i a, __m512i b) {
  return _mm512_permutex2var_epi64(a, _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2), b);
}
SNQ_INLINE("avx512f") __m512i snq_512_join_even(__m512i a, __m512i b) {
  return _mm512_permutex2var_epi64(a, _mm512_set_epi64(11, 10, 9, 8, 3, 2, 1, 0), b);
}
SNQ_INLINE("avx512f") __m512i snq_512_join_odd(__m512i a, __m512i b) {
  return _mm512_permutex2var_epi64(a, _mm512_set_epi64(15, 14, 13, 12, 7, 6, 5, 4), b);
}

#endif
