// Wrappers that the matrix kernels need.
#ifndef SONIQ_MATMUL_INTRINSICS_H
#define SONIQ_MATMUL_INTRINSICS_H
#include <stdint.h>
#include <string.h>

// Asks for a cache line in L2; any address is allowed, nothing is read.
static inline __attribute__((always_inline, nodebug)) void snq_prefetch(const uint8_t *line) {
  __builtin_prefetch(line, 0, 2);
}
// The same, into the first cache.
static inline __attribute__((always_inline, nodebug)) void snq_prefetch_first(const void *line) {
  __builtin_prefetch(line, 0, 3);
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

// Sixteen integers plus zero as bytes, in order, cut off at 0 and 255.
SNQ_INLINE("avx2") __m128i snq_pack_codes_256(__m256i low, __m256i high, __m256i zero) {
  __m256i words = _mm256_adds_epi16(_mm256_packs_epi32(low, high), zero);
  words = _mm256_permute4x64_epi64(words, 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// The first `count` (up to 16) bytes from any address, zeros behind them.
SNQ_INLINE("sse2") __m128i snq_first_bytes_128(const void *bytes, int count) {
  char all[16] = {0};
  for (int i = 0; i < count && i < 16; i++) all[i] = ((const char *)bytes)[i];
  return _mm_loadu_si128((const __m128i_u *)all);
}

// The same of up to 32 bytes.
SNQ_INLINE("avx") __m256i snq_first_bytes_256(const void *bytes, long count) {
  char all[32] = {0};
  for (long i = 0; i < count && i < 32; i++) all[i] = ((const char *)bytes)[i];
  return _mm256_loadu_si256((const __m256i_u *)all);
}

// Sixteen binary16 numbers from any address, exactly.
SNQ_INLINE("avx512f") __m512 snq_512_from_halves(const void *halves) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)halves));
}
// Sixteen unsigned bytes, one a lane.
SNQ_INLINE("avx512f") __m512i snq_512_from_bytes(const void *bytes) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)bytes));
}

// Eight binary16 numbers from any address, exactly.
SNQ_INLINE("avx,f16c") __m256 snq_256_from_halves(const void *halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)halves));
}
// Eight unsigned bytes, one a lane.
SNQ_INLINE("avx2") __m256i snq_256_from_bytes(const void *bytes) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)bytes));
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

// Indices of 4 tables of 16 bytes side by side: the lower nibble of every byte, and which byte of its lane it is.
SNQ_INLINE("avx512f") __m512i snq_low_indices_512(__m512i bits) {
  return _mm512_ternarylogic_epi32(bits, _mm512_set1_epi8(0x0f), _mm512_set1_epi32(0x30201000), 0xea);
}

// The same of the upper nibbles.
SNQ_INLINE("avx512f") __m512i snq_high_indices_512(__m512i bits) {
  return snq_low_indices_512(_mm512_srli_epi32(bits, 4));
}

// The lower nibble of every byte of `low`, the upper one of `high`.
SNQ_INLINE("avx512f") __m512i snq_select_nibbles_512(__m512i low, __m512i high) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x0f), low, high, 0xca);
}

// Bits 0..3 of every byte to its even places, bits 4..7 to the odd ones.
SNQ_INLINE("avx512f,gfni") __m512i snq_interleave_nibbles_512(__m512i bytes) {
  return _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(0x0110022004400880), 0);
}

// 16 bytes given as two words, in every 128-bit lane.
SNQ_INLINE("avx512f") __m512i snq_repeat_512(uint64_t low, uint64_t high) {
  return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)high, (long long)low));
}

// 16 bytes from any address, in every 128-bit lane.
SNQ_INLINE("avx512f") __m512i snq_broadcast16_512(const uint8_t *bytes) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i_u *)bytes));
}

// Where each bit of two lanes of planes comes from: bit 8b + i of a lane is channel 4b + i, and bit 8b + 4 + i
// channel 16 + 4b + i.
SNQ_INLINE("avx512f") __m512i snq_plane_order_512(void) {
  return _mm512_set_epi64(0x3f3e3d3c2f2e2d2c, 0x3b3a39382b2a2928, 0x3736353427262524, 0x3332313023222120,
                          0x1f1e1d1c0f0e0d0c, 0x1b1a19180b0a0908, 0x1716151407060504, 0x1312111003020100);
}

// Control of a byte shuffle that builds tables: entry n of the table in lane b takes byte 4b + place where bit
// `place` of n is set, else 0. `place` is a literal.
SNQ_INLINE("avx512f") __m512i snq_table_pick_512(int place) {
  const uint64_t off = 0x8080808080808080;
  // Bytes whose index (0..7) has the bit `place` set; bit 3 is that of the upper word.
  const uint64_t set = place == 0   ? 0xff00ff00ff00ff00
                       : place == 1 ? 0xffff0000ffff0000
                       : place == 2 ? 0xffffffff00000000
                                    : 0xffffffffffffffff;
  const uint64_t step = 0x0101010101010101;
  __m512i words = _mm512_setzero_si512();
  uint64_t lanes[8];
  for (int lane = 0; lane < 4; lane++) {
    uint64_t picked = (step * (uint64_t)(4 * lane + place) & set) | (off & ~set);
    lanes[2 * lane] = place == 3 ? off : picked;
    lanes[2 * lane + 1] = picked;
  }
  words = _mm512_set_epi64((long long)lanes[7], (long long)lanes[6], (long long)lanes[5], (long long)lanes[4],
                           (long long)lanes[3], (long long)lanes[2], (long long)lanes[1], (long long)lanes[0]);
  return words;
}

// Stores to any address.
static inline __attribute__((always_inline, nodebug)) void snq_store_u64(uint8_t *target, uint64_t value) {
  memcpy(target, &value, sizeof value);
}

static inline __attribute__((always_inline, nodebug)) void snq_store_u32(uint8_t *target, uint32_t value) {
  memcpy(target, &value, sizeof value);
}

// 16 bytes from any address, in both 128-bit lanes.
SNQ_INLINE("avx2") __m256i snq_broadcast16_256(const void *bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)bytes));
}

// Within each 128-bit lane byte 4j + b from byte 4b + j: a 4 x 4 transposition, its own inverse.
SNQ_INLINE("avx2") __m256i snq_transpose_256(__m256i bytes) {
  return _mm256_shuffle_epi8(
      bytes, _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

// Bytes of 4 lanes to 4 dwords: dword p holds the bytes of place p ^ part (0..3, a literal) of every lane.
SNQ_INLINE("avx2") __m256i snq_spread_256(__m256i bytes, int part) {
  const int places = 0x03020100 ^ (0x01010101 * part);
  const int step = 0x0c080400;
  return _mm256_shuffle_epi8(
      bytes, _mm256_broadcastsi128_si256(_mm_setr_epi32(
                 step + 0x01010101 * (places & 255), step + 0x01010101 * (places >> 8 & 255),
                 step + 0x01010101 * (places >> 16 & 255), step + 0x01010101 * (places >> 24 & 255))));
}

// Dwords 0 and 2 of each 128-bit lane from `even`, 1 and 3 from `odd`.
SNQ_INLINE("avx2") __m256i snq_mix_odd_256(__m256i even, __m256i odd) {
  return _mm256_blend_epi32(even, odd, 0xaa);
}

// Dwords 0 and 1 of each 128-bit lane from `lower`, 2 and 3 from `upper`.
SNQ_INLINE("avx2") __m256i snq_mix_upper_256(__m256i lower, __m256i upper) {
  return _mm256_blend_epi32(lower, upper, 0xcc);
}

// Dword p of each 128-bit lane from dword p ^ 1, 2, 3.
SNQ_INLINE("avx2") __m256i snq_swap1_256(__m256i v) { return _mm256_shuffle_epi32(v, 0xb1); }
SNQ_INLINE("avx2") __m256i snq_swap2_256(__m256i v) { return _mm256_shuffle_epi32(v, 0x4e); }
SNQ_INLINE("avx2") __m256i snq_swap3_256(__m256i v) { return _mm256_shuffle_epi32(v, 0x1b); }

// Codes of 32 channels in the order of the bits of a lane of planes: fours of the lower 16 channels between fours
// of the upper 16.
SNQ_INLINE("avx2") __m256i snq_plane_order_256(__m256i codes) {
  return _mm256_permutevar8x32_epi32(codes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// Control of a byte shuffle that builds tables: entry n of the table in lane b (0, 1) takes byte 4 (pair + b) + place
// where bit `place` of n is set, else 0. `place` and `pair` (0, 2) are literals.
SNQ_INLINE("avx2") __m256i snq_table_pick_256(int place, int pair) {
  const uint64_t off = 0x8080808080808080;
  // Bytes whose index (0..7) has the bit `place` set; bit 3 is that of the upper word.
  const uint64_t set = place == 0   ? 0xff00ff00ff00ff00
                       : place == 1 ? 0xffff0000ffff0000
                       : place == 2 ? 0xffffffff00000000
                                    : 0xffffffffffffffff;
  const uint64_t step = 0x0101010101010101;
  const uint64_t first = (step * (uint64_t)(4 * pair + place) & set) | (off & ~set);
  const uint64_t second = (step * (uint64_t)(4 * pair + 4 + place) & set) | (off & ~set);
  return _mm256_set_epi64x((long long)second, (long long)(place == 3 ? off : second), (long long)first,
                           (long long)(place == 3 ? off : first));
}

// sum + the 4 products of unsigned bytes of `codes` and signed bytes of `weights` in every 32-bit lane, exactly.
// AVX-VNNI, or in a build for CPUs that have only the AVX-512 form (the tests on such machines) that one.
#ifdef SNQ_VNNI_EVEX
SNQ_INLINE("avx512vl,avx512vnni") __m256i snq_dot_256(__m256i sum, __m256i codes, __m256i weights) {
  return _mm256_dpbusd_epi32(sum, codes, weights);
}
#else
SNQ_INLINE("avx2,avxvnni") __m256i snq_dot_256(__m256i sum, __m256i codes, __m256i weights) {
  return _mm256_dpbusd_avx_epi32(sum, codes, weights);
}
#endif

// The same pointer, of which the optimiser knows nothing any more: what lies there is then read and written where
// the program says so, not kept in registers that a loop needs for something else.
static inline __attribute__((always_inline, nodebug)) void *snq_opaque(void *pointer) {
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

// The same vector. Sums in straight code are otherwise added in another order, which needs more registers than there are.
SNQ_INLINE("avx2") __m256i snq_opaque_256(__m256i vector) {
  __asm__("" : "+x"(vector));
  return vector;
}

// Aligns the frame of the function that calls it, and with it the vectors that the compiler keeps there: across the end of a
// cache line they are read at half the speed.
SNQ_INLINE("avx") void snq_align_frame(void) {
  __m256 vector;
  __asm__ volatile("" : : "m"(vector));
}

// Calls `body` with 81 vectors of memory on the stack, aligned and without content: an array of Swift would be filled
// with zeros first, which takes as long as a short row.
SNQ_INLINE("avx512f")
void snq_with_tile_memory(void *context, void (*body)(void *context, void *memory)) {
  __m512i memory[81];
  body(context, memory);
}

// The same of 128 shorter vectors.
SNQ_INLINE("avx")
void snq_with_sum_memory(void *context, void (*body)(void *context, void *memory)) {
  __m256i memory[128];
  body(context, memory);
}

#endif
