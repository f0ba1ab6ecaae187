// Wrappers that the matrix kernels of AArch64 need.
#ifndef SONIQ_NEON_MATMUL_INTRINSICS_H
#define SONIQ_NEON_MATMUL_INTRINSICS_H
#include <stdint.h>

#ifndef SNQ_NEON
#define SNQ_NEON(features) static inline __attribute__((always_inline, nodebug, target(features)))
#endif

// sum + the 4 products of signed bytes of `tile` and of lane `lane` (a literal) of `codes`, in every 32-bit lane; the
// same of unsigned codes.
#define SNQ_DOT_LANE(lane)                                                                             \
  SNQ_NEON("dotprod") int32x4_t snq_dot_lane##lane(int32x4_t sum, int8x16_t tile, int8x16_t codes) {   \
    return vdotq_laneq_s32(sum, tile, codes, lane);                                                    \
  }                                                                                                    \
  SNQ_NEON("i8mm") int32x4_t snq_mixed_dot_lane##lane(int32x4_t sum, int8x16_t tile, int8x16_t codes) { \
    return vsudotq_laneq_s32(sum, tile, vreinterpretq_u8_s8(codes), lane);                             \
  }
SNQ_DOT_LANE(0)
SNQ_DOT_LANE(1)
SNQ_DOT_LANE(2)
SNQ_DOT_LANE(3)
#undef SNQ_DOT_LANE

// The same pointer, of which the optimiser knows nothing before the sums are there: what lies there is read no sooner, so
// that a loop has no more on its way than there are registers.
#define SNQ_AFTER(name, vector)                                                                  \
  SNQ_NEON("neon") const uint8_t *_Nonnull snq_after_##name(const uint8_t *_Nonnull pointer,      \
                                                            vector a, vector b, vector c, vector d) { \
    __asm__ volatile("" : "+r"(pointer) : "w"(a), "w"(b), "w"(c), "w"(d) : "memory");           \
    return pointer;                                                                              \
  }
SNQ_AFTER(s32, int32x4_t)
SNQ_AFTER(u16, uint16x8_t)
SNQ_AFTER(u8, uint8x16_t)
#undef SNQ_AFTER

// Four bytes from any address, and zeros behind them.
SNQ_NEON("neon") uint8x16_t snq_load_word_u8(const uint8_t *bytes) {
  uint32_t word;
  __builtin_memcpy(&word, bytes, sizeof word);
  return vreinterpretq_u8_u32(vsetq_lane_u32(word, vdupq_n_u32(0), 0));
}
// The same of eight.
SNQ_NEON("neon") uint8x16_t snq_load_double_u8(const uint8_t *bytes) {
  return vcombine_u8(vld1_u8(bytes), vdup_n_u8(0));
}
// The first `words` (0...4) times four bytes, zeros behind them.
SNQ_NEON("neon") uint8x16_t snq_load_words_u8(const uint8_t *bytes, long words) {
  uint8x16_t result = vdupq_n_u8(0);
  if (words > 3) return vld1q_u8(bytes);
  if (words > 0) result = snq_load_word_u8(bytes);
  if (words > 1) result = vreinterpretq_u8_u32(vld1q_lane_u32((const uint32_t *)(bytes + 4), vreinterpretq_u32_u8(result), 1));
  if (words > 2) result = vreinterpretq_u8_u32(vld1q_lane_u32((const uint32_t *)(bytes + 8), vreinterpretq_u32_u8(result), 2));
  return result;
}
// 128 in the first `words` times four bytes, zeros behind them.
SNQ_NEON("neon") uint8x16_t snq_flip_words_u8(long words) {
  static const uint32_t order[4] = {0, 1, 2, 3};
  uint32x4_t taken = vcltq_u32(vld1q_u32(order), vdupq_n_u32((uint32_t)words));
  return vandq_u8(vreinterpretq_u8_u32(taken), vdupq_n_u8(128));
}
// Lane 0 to any address.
SNQ_NEON("neon") void snq_store_word_u8(uint8_t *target, uint8x16_t bytes) {
  uint32_t word = vgetq_lane_u32(vreinterpretq_u32_u8(bytes), 0);
  __builtin_memcpy(target, &word, sizeof word);
}

// 32-bit or 64-bit lanes of both by turns, from the lower halves or from the upper ones.
#define SNQ_ZIP(name, which)                                                                                   \
  SNQ_NEON("neon") uint8x16_t snq_zip_##name##_u32(uint8x16_t a, uint8x16_t b) {                               \
    return vreinterpretq_u8_u32(vzip##which##q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));         \
  }                                                                                                            \
  SNQ_NEON("neon") uint8x16_t snq_zip_##name##_u64(uint8x16_t a, uint8x16_t b) {                               \
    return vreinterpretq_u8_u64(vzip##which##q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));         \
  }                                                                                                            \
  SNQ_NEON("neon") int32x4_t snq_zip_##name##_s64(int32x4_t a, int32x4_t b) {                                  \
    return vreinterpretq_s32_s64(vzip##which##q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));      \
  }
SNQ_ZIP(low, 1)
SNQ_ZIP(high, 2)
#undef SNQ_ZIP

// 0, 1, ... 15.
SNQ_NEON("neon") uint8x16_t snq_ascending_u8(void) {
  static const uint8_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return vld1q_u8(numbers);
}

// Byte 4j + b from byte 4b + j: a 4 x 4 transposition, its own inverse.
SNQ_NEON("neon") uint8x16_t snq_transpose_u8(uint8x16_t bytes) {
  static const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  return vqtbl1q_u8(bytes, vld1q_u8(order));
}

// Words of four rows side by side: word r of 16 bytes `w` is word w of row r.
SNQ_NEON("neon")
void snq_store_columns_u8(uint8_t *target, uint8x16_t row0, uint8x16_t row1, uint8x16_t row2, uint8x16_t row3) {
  uint32x4x4_t rows = {{vreinterpretq_u32_u8(row0), vreinterpretq_u32_u8(row1), vreinterpretq_u32_u8(row2),
                        vreinterpretq_u32_u8(row3)}};
  vst4q_u32((uint32_t *)target, rows);
}

// Every byte moved right or left by so many bits.
#define SNQ_RIGHT(bits) \
  SNQ_NEON("neon") uint8x16_t snq_right##bits##_u8(uint8x16_t bytes) { return vshrq_n_u8(bytes, bits); }
SNQ_RIGHT(1)
SNQ_RIGHT(2)
SNQ_RIGHT(3)
SNQ_RIGHT(4)
SNQ_RIGHT(5)
SNQ_RIGHT(6)
SNQ_RIGHT(7)
#undef SNQ_RIGHT
SNQ_NEON("neon") uint8x16_t snq_left1_u8(uint8x16_t bytes) { return vshlq_n_u8(bytes, 1); }
SNQ_NEON("neon") uint8x16_t snq_left2_u8(uint8x16_t bytes) { return vshlq_n_u8(bytes, 2); }
// The bits of `upper` above the lowest four of `lower`.
SNQ_NEON("neon") uint8x16_t snq_above_nibbles_u8(uint8x16_t lower, uint8x16_t upper) {
  return vsliq_n_u8(lower, upper, 4);
}

// The first `count` (1...3) lanes from any address, zeros behind them. Lane by lane: loops become calls of memcpy.
SNQ_NEON("neon") float32x4_t snq_load_some_f32(const float *lanes, long count) {
  float32x4_t four = vld1q_lane_f32(lanes, vdupq_n_f32(0), 0);
  if (count > 1) four = vld1q_lane_f32(lanes + 1, four, 1);
  if (count > 2) four = vld1q_lane_f32(lanes + 2, four, 2);
  return four;
}
SNQ_NEON("neon") int32x4_t snq_load_some_s32(const int32_t *lanes, long count) {
  int32x4_t four = vld1q_lane_s32(lanes, vdupq_n_s32(0), 0);
  if (count > 1) four = vld1q_lane_s32(lanes + 1, four, 1);
  if (count > 2) four = vld1q_lane_s32(lanes + 2, four, 2);
  return four;
}
// The first `count` lanes to any address; nothing is written behind them.
SNQ_NEON("neon") void snq_store_some_f32(float *lanes, float32x4_t vector, long count) {
  if (count > 0) lanes[0] = vgetq_lane_f32(vector, 0);
  if (count > 1) lanes[1] = vgetq_lane_f32(vector, 1);
  if (count > 2) lanes[2] = vgetq_lane_f32(vector, 2);
}
// The same of bytes, up to 15.
SNQ_NEON("neon") void snq_store_some_u8(uint8_t *bytes, uint8x16_t vector, long count) {
  for (; count > 0; count--) {
    *(volatile uint8_t *)bytes++ = vgetq_lane_u8(vector, 0);
    vector = vextq_u8(vector, vector, 1);
  }
}
SNQ_NEON("neon") void snq_store_some_s32(int32_t *lanes, int32x4_t vector, long count) {
  if (count > 0) lanes[0] = vgetq_lane_s32(vector, 0);
  if (count > 1) lanes[1] = vgetq_lane_s32(vector, 1);
  if (count > 2) lanes[2] = vgetq_lane_s32(vector, 2);
}

// --- ARMv8.0: products of bytes in 16 bits ---

// Four times bytes `first`, `first` + 1, and four times the two that lie four bytes behind them.
#define SNQ_REPEAT(first)                                                                                       \
  SNQ_NEON("neon") uint8x16_t snq_repeat##first##_u8(uint8x16_t codes) {                                         \
    static const uint8_t order[16] = {first,     first + 1, first,     first + 1, first,     first + 1,          \
                                      first,     first + 1, first + 4, first + 5, first + 4, first + 5,          \
                                      first + 4, first + 5, first + 4, first + 5};                               \
    return vqtbl1q_u8(codes, vld1q_u8(order));                                                                   \
  }
SNQ_REPEAT(0)
SNQ_REPEAT(2)
SNQ_REPEAT(8)
SNQ_REPEAT(10)
#undef SNQ_REPEAT

// 16-bit lanes of a and then of b: every second one from the first, or from the second, on.
SNQ_NEON("neon") uint8x16_t snq_even_u16(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vuzp1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
SNQ_NEON("neon") uint8x16_t snq_odd_u16(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vuzp2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
// Lane `lane` in every lane.
#define SNQ_REPEAT_LANE(lane)                                                                        \
  SNQ_NEON("neon") uint8x16_t snq_repeat_lane##lane##_u8(uint8x16_t codes) {                          \
    return vreinterpretq_u8_u32(vdupq_laneq_u32(vreinterpretq_u32_u8(codes), lane));                  \
  }
SNQ_REPEAT_LANE(0)
SNQ_REPEAT_LANE(1)
SNQ_REPEAT_LANE(2)
SNQ_REPEAT_LANE(3)
#undef SNQ_REPEAT_LANE
// Products of the lower or the upper 8 signed bytes; added to or taken off 16-bit sums.
SNQ_NEON("neon") int16x8_t snq_product_low(uint8x16_t a, uint8x16_t b) {
  return vmull_s8(vget_low_s8(vreinterpretq_s8_u8(a)), vget_low_s8(vreinterpretq_s8_u8(b)));
}
SNQ_NEON("neon") int16x8_t snq_product_high(uint8x16_t a, uint8x16_t b) {
  return vmull_high_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
}
SNQ_NEON("neon") int16x8_t snq_add_low(int16x8_t sum, uint8x16_t a, uint8x16_t b) {
  return vmlal_s8(sum, vget_low_s8(vreinterpretq_s8_u8(a)), vget_low_s8(vreinterpretq_s8_u8(b)));
}
SNQ_NEON("neon") int16x8_t snq_add_high(int16x8_t sum, uint8x16_t a, uint8x16_t b) {
  return vmlal_high_s8(sum, vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
}
SNQ_NEON("neon") int16x8_t snq_subtract_low(int16x8_t sum, uint8x16_t a, uint8x16_t b) {
  return vmlsl_s8(sum, vget_low_s8(vreinterpretq_s8_u8(a)), vget_low_s8(vreinterpretq_s8_u8(b)));
}
SNQ_NEON("neon") int16x8_t snq_subtract_high(int16x8_t sum, uint8x16_t a, uint8x16_t b) {
  return vmlsl_high_s8(sum, vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
}
// Sums of the pairs of lanes of a and then of b.
SNQ_NEON("neon") int32x4_t snq_sum_pairs_s32(int32x4_t a, int32x4_t b) { return vpaddq_s32(a, b); }
// + the sums of every 4 signed bytes.
SNQ_NEON("neon") int32x4_t snq_add_fours(int32x4_t sum, uint8x16_t bytes) {
  return vpadalq_s16(sum, vpaddlq_s8(vreinterpretq_s8_u8(bytes)));
}
// Lane 1 and lane 3.
SNQ_NEON("neon") int32_t snq_odd_lanes_s32(int32x4_t sums) {
  return vgetq_lane_s32(sums, 1) + vgetq_lane_s32(sums, 3);
}

// --- Bits and tables ---

// Four bytes from any address in every 32-bit lane.
SNQ_NEON("neon") uint8x16_t snq_repeat_word_u8(const uint8_t *bytes) {
  return vreinterpretq_u8_u32(vld1q_dup_u32((const uint32_t *)bytes));
}
// + the sums of the 4 bytes of every lane, times 2^shift.
SNQ_NEON("neon") int32x4_t snq_add_shifted_fours(int32x4_t sum, uint8x16_t bytes, int32x4_t shift) {
  return vaddq_s32(sum, vshlq_s32(vreinterpretq_s32_u32(vpaddlq_u16(vpaddlq_u8(bytes))), shift));
}

// Byte b of each of 16 lanes of 64 bytes.
typedef struct {
  uint8x16_t place0, place1, place2, place3;
} snq_places;
SNQ_NEON("neon") snq_places snq_load_places(const uint8_t *tile) {
  uint8x16x4_t places = vld4q_u8(tile);
  snq_places result = {places.val[0], places.val[1], places.val[2], places.val[3]};
  return result;
}
// The 16 bytes of `table` that the numbers 0...15 name.
SNQ_NEON("neon") uint8x16_t snq_look_up(const uint8_t *table, uint8x16_t numbers) {
  return vqtbl1q_u8(vld1q_u8(table), numbers);
}
// + the lower or the upper four 16-bit lanes times the factor.
SNQ_NEON("neon") int32x4_t snq_add_words_low(int32x4_t sum, uint16x8_t words, uint16x4_t factor) {
  return vreinterpretq_s32_u32(vmlal_u16(vreinterpretq_u32_s32(sum), vget_low_u16(words), factor));
}
SNQ_NEON("neon") int32x4_t snq_add_words_high(int32x4_t sum, uint16x8_t words, uint16x4_t factor) {
  return vreinterpretq_s32_u32(
      vmlal_u16(vreinterpretq_u32_s32(sum), vget_high_u16(words), factor));
}

// --- Scales per group ---

// Four binary16 numbers from any address, exactly; four unsigned bytes as numbers.
SNQ_NEON("neon") float32x4_t snq_load_halves_f32(const void *halves) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8((const uint8_t *)halves)));
}
SNQ_NEON("neon") float32x4_t snq_load_bytes_f32(const void *bytes) {
  uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vld1_dup_u32((const uint32_t *)bytes)));
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
}
// The first `count` (a power of two up to 16) bytes, zeros behind them.
SNQ_NEON("neon") uint8x16_t snq_load_table_u8(const void *bytes, long count) {
  const uint8_t *source = (const uint8_t *)bytes;
  if (count > 15) return vld1q_u8(source);
  uint8x16_t table = vdupq_n_u8(0);
  for (long i = count; i > 0; i--) table = vsetq_lane_u8(source[i - 1], vextq_u8(table, table, 15), 0);
  return table;
}
// sum + the 4 products of unsigned bytes of `tile` and of signed ones of lane `lane` of `codes`.
#define SNQ_GROUP_LANE(lane)                                                                                  \
  SNQ_NEON("i8mm") int32x4_t snq_unsigned_dot_lane##lane(int32x4_t sum, int8x16_t tile, int8x16_t codes) {    \
    return vusdotq_laneq_s32(sum, vreinterpretq_u8_s8(tile), codes, lane);                                    \
  }
SNQ_GROUP_LANE(0)
SNQ_GROUP_LANE(1)
SNQ_GROUP_LANE(2)
SNQ_GROUP_LANE(3)
#undef SNQ_GROUP_LANE

#endif
