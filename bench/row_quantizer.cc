#include "row_quantizer.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "isa.h"

#define FOR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#define FOR_AVX2 __attribute__((target("avx2,fma")))
#define INLINED __attribute__((always_inline)) inline

namespace {

struct Range {
  float low = 0, high = 0;

  void Add(float value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// How a row's floats become codes: input * inverse + zero, rounded and kept within 0..largest.
struct Rounding {
  Rounding(Range range, float largest) : largest(largest) {
    scale = range.high > range.low ? (range.high - range.low) / largest : 1;
    inverse = 1 / scale;
    zero = std::nearbyint(-range.low * inverse);
  }

  uint8_t Code(float value) const {
    return uint8_t(std::min(largest, std::max(0.0f, std::nearbyint(value * inverse + zero))));
  }

  float largest, scale, inverse, zero;
};

FOR_AVX512 RowParameters QuantizeAvx512(const float* input, size_t channels, uint8_t* codes) {
  const size_t whole = channels / 64 * 64;
  __m512 lows[4] = {}, highs[4] = {};
  for (size_t i = 0; i < whole; i += 64) {
    for (int part = 0; part < 4; part++) {
      const __m512 values = _mm512_loadu_ps(input + i + 16 * part);
      lows[part] = _mm512_min_ps(lows[part], values);
      highs[part] = _mm512_max_ps(highs[part], values);
    }
  }
  Range range;
  for (int part = 0; part < 4; part++) {
    range.Add(_mm512_reduce_min_ps(lows[part]));
    range.Add(_mm512_reduce_max_ps(highs[part]));
  }
  for (size_t i = whole; i < channels; i++) range.Add(input[i]);
  const Rounding rounding(range, 255);
  const __m512 inverse = _mm512_set1_ps(rounding.inverse), zero = _mm512_set1_ps(rounding.zero);
  for (size_t i = 0; i < whole; i += 16) {
    const __m512i values = _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_loadu_ps(input + i), inverse, zero));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i),
                     _mm512_cvtusepi32_epi8(_mm512_max_epi32(values, _mm512_setzero_si512())));
  }
  for (size_t i = whole; i < channels; i++) codes[i] = rounding.Code(input[i]);
  return {rounding.scale, int32_t(rounding.zero)};
}

FOR_AVX2 RowParameters QuantizeAvx2(const float* input, size_t channels, uint8_t* codes) {
  const size_t whole = channels / 32 * 32;
  __m256 lows[4] = {}, highs[4] = {};
  for (size_t i = 0; i < whole; i += 32) {
    for (int part = 0; part < 4; part++) {
      const __m256 values = _mm256_loadu_ps(input + i + 8 * part);
      lows[part] = _mm256_min_ps(lows[part], values);
      highs[part] = _mm256_max_ps(highs[part], values);
    }
  }
  Range range;
  for (int part = 0; part < 4; part++) {
    for (int lane = 0; lane < 8; lane++) {
      range.Add(lows[part][lane]);
      range.Add(highs[part][lane]);
    }
  }
  for (size_t i = whole; i < channels; i++) range.Add(input[i]);
  const Rounding rounding(range, 127);
  const __m256 inverse = _mm256_set1_ps(rounding.inverse), zero = _mm256_set1_ps(rounding.zero);
  // Packing works within halves of 128 bits: dwords 0 4 1 5 2 6 3 7 put groups of four codes in order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (size_t i = 0; i < whole; i += 32) {
    __m256i values[4];
    for (int part = 0; part < 4; part++) {
      values[part] = _mm256_cvtps_epi32(_mm256_fmadd_ps(_mm256_loadu_ps(input + i + 8 * part), inverse, zero));
    }
    const __m256i packed = _mm256_packus_epi16(_mm256_packs_epi32(values[0], values[1]),
                                               _mm256_packs_epi32(values[2], values[3]));
    const __m256i bounded = _mm256_min_epu8(packed, _mm256_set1_epi8(127));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i), _mm256_permutevar8x32_epi32(bounded, order));
  }
  for (size_t i = whole; i < channels; i++) codes[i] = rounding.Code(input[i]);
  return {rounding.scale, int32_t(rounding.zero)};
}

RowParameters QuantizePortable(const float* input, size_t channels, uint8_t* codes) {
  Range range;
  for (size_t i = 0; i < channels; i++) range.Add(input[i]);
  const Rounding rounding(range, 127);
  const __m128 inverse = _mm_set1_ps(rounding.inverse), zero = _mm_set1_ps(rounding.zero);
  const size_t whole = channels / 16 * 16;
  for (size_t i = 0; i < whole; i += 16) {
    __m128i values[4];
    for (int part = 0; part < 4; part++) {
      values[part] = _mm_cvtps_epi32(_mm_add_ps(_mm_mul_ps(_mm_loadu_ps(input + i + 4 * part), inverse), zero));
    }
    const __m128i packed =
        _mm_packus_epi16(_mm_packs_epi32(values[0], values[1]), _mm_packs_epi32(values[2], values[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), _mm_min_epu8(packed, _mm_set1_epi8(127)));
  }
  for (size_t i = whole; i < channels; i++) codes[i] = rounding.Code(input[i]);
  return {rounding.scale, int32_t(rounding.zero)};
}

// Plain: the compiler makes of it what there is to make.
INLINED void Scale(const int32_t* __restrict sums, size_t outputs, RowParameters row,
                   const float* __restrict weight_scales, const int32_t* __restrict weight_sums,
                   float* __restrict output) {
  for (size_t i = 0; i < outputs; i++) {
    output[i] = float(sums[i] - row.zero * weight_sums[i]) * (row.scale * weight_scales[i]);
  }
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,prefer-vector-width=512"))) void ScaleAvx512(
    const int32_t* sums, size_t outputs, RowParameters row, const float* weight_scales, const int32_t* weight_sums,
    float* output) {
  Scale(sums, outputs, row, weight_scales, weight_sums, output);
}

FOR_AVX2 void ScaleAvx2(const int32_t* sums, size_t outputs, RowParameters row, const float* weight_scales,
                        const int32_t* weight_sums, float* output) {
  Scale(sums, outputs, row, weight_scales, weight_sums, output);
}

void ScalePortable(const int32_t* sums, size_t outputs, RowParameters row, const float* weight_scales,
                   const int32_t* weight_sums, float* output) {
  Scale(sums, outputs, row, weight_scales, weight_sums, output);
}

// Split over threads as the product is. A single row is too short to be split.
template <typename Body>
void ForEachRow(size_t rows, Body body) {
  if (rows == 1) return body(0);
#pragma omp parallel for schedule(static)
  for (size_t row = 0; row < rows; row++) body(row);
}

}  // namespace

void QuantizeRows(const float* input, size_t rows, size_t channels, uint8_t* codes, RowParameters* parameters) {
  const auto quantize = UsesAvx512() ? QuantizeAvx512 : UsesAvx2() ? QuantizeAvx2 : QuantizePortable;
  ForEachRow(rows, [=](size_t row) {
    parameters[row] = quantize(input + row * channels, channels, codes + row * channels);
  });
}

void ScaleRows(const int32_t* sums, size_t rows, size_t outputs, const RowParameters* parameters,
               const float* weight_scales, const int32_t* weight_sums, float* output) {
  const auto scale = UsesAvx512() ? ScaleAvx512 : UsesAvx2() ? ScaleAvx2 : ScalePortable;
  ForEachRow(rows, [=](size_t row) {
    scale(sums + row * outputs, outputs, parameters[row], weight_scales, weight_sums, output + row * outputs);
  });
}
