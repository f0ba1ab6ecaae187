// NEON for Swift: the functions of <arm_neon.h> arrive by import; those that are macros (an immediate operand, a load,
// a store) get one inline wrapper here. What all kernels need, and the row operation kernels.
#ifndef SONIQ_NEON_ROW_INTRINSICS_H
#define SONIQ_NEON_ROW_INTRINSICS_H
#include <stdint.h>

#ifndef SNQ_NEON
#define SNQ_NEON(features) static inline __attribute__((always_inline, nodebug, target(features)))
#endif

// --- Loads and stores of any address ---

SNQ_NEON("neon") uint8x16_t snq_load_u8(const uint8_t *bytes) { return vld1q_u8(bytes); }
SNQ_NEON("neon") uint8x8_t snq_load_half_u8(const uint8_t *bytes) { return vld1_u8(bytes); }
SNQ_NEON("neon") int8x16_t snq_load_s8(const int8_t *bytes) { return vld1q_s8(bytes); }
SNQ_NEON("neon") int32x4_t snq_load_s32(const int32_t *lanes) { return vld1q_s32(lanes); }
SNQ_NEON("neon") uint32x4_t snq_load_u32(const uint32_t *lanes) { return vld1q_u32(lanes); }
SNQ_NEON("neon") float32x4_t snq_load_f32(const float *lanes) { return vld1q_f32(lanes); }
SNQ_NEON("neon") void snq_store_u8(uint8_t *bytes, uint8x16_t vector) { vst1q_u8(bytes, vector); }
SNQ_NEON("neon") void snq_store_s32(int32_t *lanes, int32x4_t vector) { vst1q_s32(lanes, vector); }
SNQ_NEON("neon") void snq_store_f32(float *lanes, float32x4_t vector) { vst1q_f32(lanes, vector); }
// Lane `lane` (a literal) alone.
#define SNQ_STORE_LANE(lane)                                                           \
  SNQ_NEON("neon") void snq_store_u32_lane##lane(uint8_t *bytes, uint8x16_t vector) { \
    uint32_t word = vgetq_lane_u32(vreinterpretq_u32_u8(vector), lane);               \
    __builtin_memcpy(bytes, &word, sizeof word);                                      \
  }
SNQ_STORE_LANE(0)
SNQ_STORE_LANE(1)
SNQ_STORE_LANE(2)
SNQ_STORE_LANE(3)
#undef SNQ_STORE_LANE
// Four binary16 numbers, exactly.
SNQ_NEON("neon") float32x4_t snq_load_halves(const uint16_t *halves) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
}

// The first `count` (0...16) numbers, +0 behind them: nothing else is read. From the last one on, so that every piece
// comes to the front and moves what is there back by its length.
SNQ_NEON("neon") float32x4x4_t snq_load_first_f32(const float *numbers, long count) {
  const float *end = numbers + count;
  const float32x4_t zero = vdupq_n_f32(0);
  float32x4x4_t all = {{zero, zero, zero, zero}};
  if (count & 16) {
    for (int i = 0; i < 4; i++) all.val[i] = vld1q_f32(numbers + 4 * i);
    return all;
  }
  if (count & 1) all.val[0] = vsetq_lane_f32(*--end, zero, 0);
  if (count & 2) all.val[0] = vcombine_f32(vld1_f32(end -= 2), vget_low_f32(all.val[0]));
  if (count & 4) {
    all.val[1] = all.val[0];
    all.val[0] = vld1q_f32(end -= 4);
  }
  if (count & 8) {
    all.val[2] = all.val[0];
    all.val[3] = all.val[1];
    all.val[1] = vld1q_f32(end -= 4);
    all.val[0] = vld1q_f32(end -= 4);
  }
  return all;
}
// The first `count` (0...16) of sixteen numbers.
SNQ_NEON("neon") void snq_store_first_f32(float *target, float32x4x4_t all, long count) {
  if (count & 16) {
    for (int i = 0; i < 4; i++) vst1q_f32(target + 4 * i, all.val[i]);
    return;
  }
  if (count & 8) {
    vst1q_f32(target, all.val[0]);
    vst1q_f32(target + 4, all.val[1]);
    target += 8;
    all.val[0] = all.val[2];
    all.val[1] = all.val[3];
  }
  if (count & 4) {
    vst1q_f32(target, all.val[0]);
    target += 4;
    all.val[0] = all.val[1];
  }
  float32x2_t pair = vget_low_f32(all.val[0]);
  if (count & 2) {
    vst1_f32(target, pair);
    target += 2;
    pair = vget_high_f32(all.val[0]);
  }
  if (count & 1) *target = vget_lane_f32(pair, 0);
}
// The first `count` (even, 0...16) binary16 numbers, +0 behind them.
SNQ_NEON("neon") float32x4x4_t snq_load_first_halves(const uint16_t *halves, long count) {
  const uint16_t *end = halves + count;
  uint32x2_t words = vdup_n_u32(0);
  float32x4x4_t all = {{vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)}};
  if (count & 16) {
    for (int i = 0; i < 4; i++) all.val[i] = snq_load_halves(halves + 4 * i);
    return all;
  }
  if (count & 2) {
    uint32_t word;
    __builtin_memcpy(&word, end -= 2, sizeof word);
    words = vset_lane_u32(word, words, 0);
    all.val[0] = vcvt_f32_f16(vreinterpret_f16_u32(words));
  }
  if (count & 4) {
    all.val[1] = all.val[0];
    all.val[0] = snq_load_halves(end -= 4);
  }
  if (count & 8) {
    all.val[2] = all.val[0];
    all.val[3] = all.val[1];
    all.val[1] = snq_load_halves(end -= 4);
    all.val[0] = snq_load_halves(end -= 4);
  }
  return all;
}
// The first `count` (0...15) bytes, 0 behind them.
SNQ_NEON("neon") uint8x16_t snq_load_first_u8(const uint8_t *bytes, long count) {
  const uint8_t *end = bytes + count;
  uint64_t low = 0, high = 0;
  uint32_t word;
  uint16_t half;
  if (count & 1) low = *--end;
  if (count & 2) {
    __builtin_memcpy(&half, end -= 2, sizeof half);
    low = low << 16 | half;
  }
  if (count & 4) {
    __builtin_memcpy(&word, end -= 4, sizeof word);
    low = low << 32 | word;
  }
  if (count & 8) {
    high = low;
    __builtin_memcpy(&low, end - 8, sizeof low);
  }
  return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)));
}
// The first `count` (0...16) of sixteen bytes.
SNQ_NEON("neon") void snq_store_first_u8(uint8_t *target, uint8x16_t bytes, long count) {
  if (count & 16) {
    vst1q_u8(target, bytes);
    return;
  }
  uint64_t word = vgetq_lane_u64(vreinterpretq_u64_u8(bytes), 0);
  if (count & 8) {
    vst1_u8(target, vget_low_u8(bytes));
    target += 8;
    word = vgetq_lane_u64(vreinterpretq_u64_u8(bytes), 1);
  }
  if (count & 4) {
    __builtin_memcpy(target, &word, 4);
    target += 4;
    word >>= 32;
  }
  if (count & 2) {
    __builtin_memcpy(target, &word, 2);
    target += 2;
    word >>= 16;
  }
  if (count & 1) *target = (uint8_t)word;
}

// Asks for a line in the first cache; any address is allowed, nothing is read.
static inline __attribute__((always_inline, nodebug)) void snq_neon_prefetch_first(const void *line) {
  __builtin_prefetch(line, 0, 3);
}

// --- Lanes ---

// The last steps of the 16-lane rule: lanes i and i+2, i+1, lower lane first.
SNQ_NEON("neon") float snq_sum_f32(float32x4_t a) {
  return vpadds_f32(vadd_f32(vget_low_f32(a), vget_high_f32(a)));
}
SNQ_NEON("neon") float snq_minimum_f32(float32x4_t a) {
  float32x2_t low = vget_low_f32(a), high = vget_high_f32(a);
  float32x2_t two = vbsl_f32(vclt_f32(low, high), low, high);
  float first = vget_lane_f32(two, 0), second = vget_lane_f32(two, 1);
  return first < second ? first : second;
}
SNQ_NEON("neon") float snq_maximum_f32(float32x4_t a) {
  float32x2_t low = vget_low_f32(a), high = vget_high_f32(a);
  float32x2_t two = vbsl_f32(vcgt_f32(low, high), low, high);
  float first = vget_lane_f32(two, 0), second = vget_lane_f32(two, 1);
  return first > second ? first : second;
}
// Lane r is the maximum of the sixteen numbers at rows + 16 * r, for four rows; no NaN.
SNQ_NEON("neon") float32x4_t snq_row_maxima(const float *rows) {
  float32x4_t four[4];
  for (int r = 0; r < 4; r++) {
    const float *row = rows + 16 * r;
    four[r] = vmaxq_f32(vmaxq_f32(vld1q_f32(row), vld1q_f32(row + 4)),
                        vmaxq_f32(vld1q_f32(row + 8), vld1q_f32(row + 12)));
  }
  return vpmaxq_f32(vpmaxq_f32(four[0], four[1]), vpmaxq_f32(four[2], four[3]));
}
// Whether the sixteen numbers are first, first + 1, ...
SNQ_NEON("neon") int snq_is_run(const uint32_t *numbers) {
  const uint32x4_t order = {0, 1, 2, 3};
  uint32x4_t next = vaddq_u32(vdupq_n_u32(numbers[0]), order);
  uint32x4_t other = vdupq_n_u32(0);
  for (int i = 0; i < 4; i++) {
    other = vorrq_u32(other, veorq_u32(next, vld1q_u32(numbers + 4 * i)));
    next = vaddq_u32(next, vdupq_n_u32(4));
  }
  return vmaxvq_u32(other) == 0;
}
// source[indices[0...3]]. The compiler does not get to know that these lie in vectors already: it would take them out of
// there one by one.
SNQ_NEON("neon") float32x4_t snq_gather_f32(const float *source, const uint32_t *indices) {
  __asm__("" : "+r"(indices));
  float32x4_t four = vsetq_lane_f32(source[indices[0]], vdupq_n_f32(0), 0);
  four = vld1q_lane_f32(source + indices[1], four, 1);
  four = vld1q_lane_f32(source + indices[2], four, 2);
  return vld1q_lane_f32(source + indices[3], four, 3);
}
// Four rows of four words, sixteen words apart, to columns.
SNQ_NEON("neon") uint32x4x4_t snq_transposed_4(const void *first) {
  const uint32_t *rows = (const uint32_t *)first;
  uint32x4_t a = vld1q_u32(rows), b = vld1q_u32(rows + 16);
  uint32x4_t c = vld1q_u32(rows + 32), d = vld1q_u32(rows + 48);
  // Pairs of rows: columns 0 and 2, then 1 and 3.
  uint64x2_t ab02 = vreinterpretq_u64_u32(vtrn1q_u32(a, b)), ab13 = vreinterpretq_u64_u32(vtrn2q_u32(a, b));
  uint64x2_t cd02 = vreinterpretq_u64_u32(vtrn1q_u32(c, d)), cd13 = vreinterpretq_u64_u32(vtrn2q_u32(c, d));
  uint32x4x4_t columns;
  columns.val[0] = vreinterpretq_u32_u64(vtrn1q_u64(ab02, cd02));
  columns.val[1] = vreinterpretq_u32_u64(vtrn1q_u64(ab13, cd13));
  columns.val[2] = vreinterpretq_u32_u64(vtrn2q_u64(ab02, cd02));
  columns.val[3] = vreinterpretq_u32_u64(vtrn2q_u64(ab13, cd13));
  return columns;
}
// Sixteen rows of four words, row 4 * l + k at word 4 * (4 * k + l), to four columns of sixteen words, of which the
// first `count` are stored.
SNQ_NEON("neon") void snq_store_columns(const int32_t *words, int32_t *columns, long count) {
  for (int l = 0; l < 4; l++) {
    uint32x4x4_t block = snq_transposed_4(words + 4 * l);
    int32_t *target = columns + 4 * l;
    vst1q_s32(target, vreinterpretq_s32_u32(block.val[0]));
    if (count > 1) vst1q_s32(target + 16, vreinterpretq_s32_u32(block.val[1]));
    if (count > 2) vst1q_s32(target + 32, vreinterpretq_s32_u32(block.val[2]));
    if (count > 3) vst1q_s32(target + 48, vreinterpretq_s32_u32(block.val[3]));
  }
}
// Sixteen rows of sixteen numbers to columns.
SNQ_NEON("neon") void snq_transpose_16(const float *rows, float *columns) {
  for (int row = 0; row < 16; row += 4) {
    for (int column = 0; column < 16; column += 4) {
      uint32x4x4_t block = snq_transposed_4(rows + 16 * row + column);
      for (int i = 0; i < 4; i++) {
        vst1q_f32(columns + 16 * (column + i) + row, vreinterpretq_f32_u32(block.val[i]));
      }
    }
  }
}
// The codes max(integer + zero, 0) of sixteen integers, at most 255; zero in 0...255, in every lane. Saturation is what
// cuts off: integers far below 0 too.
SNQ_NEON("neon") uint8x16_t snq_pack_codes(int32x4x4_t integers, int16x8_t zero) {
  int16x8_t low = vqmovn_high_s32(vqmovn_s32(integers.val[0]), integers.val[1]);
  int16x8_t high = vqmovn_high_s32(vqmovn_s32(integers.val[2]), integers.val[3]);
  return vqmovun_high_s16(vqmovun_s16(vqaddq_s16(low, zero)), vqaddq_s16(high, zero));
}

// --- Products ---

// sum + the four products of signed bytes in every 32-bit lane, exactly unless both factors are -128 twice.
SNQ_NEON("neon") int32x4_t snq_add_products_s8(int32x4_t sum, int8x16_t a, int8x16_t b) {
  int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
}
// 128 times the sums of pairs of bytes.
SNQ_NEON("neon") int16x8_t snq_pairs_times_128(int8x16_t bytes) { return vshlq_n_s16(vpaddlq_s8(bytes), 7); }

// The upper byte of every word, unsigned.
SNQ_NEON("neon") int16x8_t snq_upper_bytes(int16x8_t words) {
  return vreinterpretq_s16_u16(vshrq_n_u16(vreinterpretq_u16_s16(words), 8));
}
// Four sums + words of `words` times word 0 or 1 of `two`.
SNQ_NEON("neon") int32x4_t snq_add_low_word0(int32x4_t sum, int16x8_t words, int16x4_t two) {
  return vmlal_lane_s16(sum, vget_low_s16(words), two, 0);
}
SNQ_NEON("neon") int32x4_t snq_add_high_word0(int32x4_t sum, int16x8_t words, int16x4_t two) {
  return vmlal_high_lane_s16(sum, words, two, 0);
}
SNQ_NEON("neon") int32x4_t snq_add_low_word1(int32x4_t sum, int16x8_t words, int16x4_t two) {
  return vmlal_lane_s16(sum, vget_low_s16(words), two, 1);
}
SNQ_NEON("neon") int32x4_t snq_add_high_word1(int32x4_t sum, int16x8_t words, int16x4_t two) {
  return vmlal_high_lane_s16(sum, words, two, 1);
}

// sum + vector * lane `lane` (a literal) of `four`, rounded once.
#define SNQ_FMA_LANE(lane)                                                                                \
  SNQ_NEON("neon")                                                                                        \
  float32x4_t snq_fma_lane##lane(float32x4_t sum, float32x4_t vector, float32x4_t four) {                 \
    return vfmaq_laneq_f32(sum, vector, four, lane);                                                      \
  }
SNQ_FMA_LANE(0)
SNQ_FMA_LANE(1)
SNQ_FMA_LANE(2)
SNQ_FMA_LANE(3)
#undef SNQ_FMA_LANE

// --- Prepared forms ---

// The lower nibbles of `low`, and above them those of `high`.
SNQ_NEON("neon") uint8x16_t snq_join_low_nibbles(uint8x16_t low, uint8x16_t high) {
  return vsliq_n_u8(low, high, 4);
}
// The upper nibbles of `low`, and above them those of `high`.
SNQ_NEON("neon") uint8x16_t snq_join_high_nibbles(uint8x16_t low, uint8x16_t high) {
  return vsriq_n_u8(high, low, 4);
}
SNQ_NEON("neon") uint8x16_t snq_upper_nibbles(uint8x16_t bytes) { return vshrq_n_u8(bytes, 4); }

// For every pair of codes the four sums of its subsets: (0, a, b, a + b), of the pairs 0...3 in `low`, 4...7 in `high`.
SNQ_NEON("neon") uint8x16x2_t snq_subset_sums(uint8x16_t codes) {
  uint16x8_t pairs = vreinterpretq_u16_u8(codes);
  uint16x8_t first = vshlq_n_u16(pairs, 8);
  uint16x8_t second = vmlaq_n_u16(first, vshrq_n_u16(pairs, 8), 0x101);
  uint8x16x2_t sums = {{vreinterpretq_u8_u16(vzip1q_u16(first, second)),  //
                        vreinterpretq_u8_u16(vzip2q_u16(first, second))}};
  return sums;
}

#endif
