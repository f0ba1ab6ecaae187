// What a host of oneDNN does around an integer product when its rows are floats.
#pragma once

#include <cstddef>
#include <cstdint>

struct RowParameters {
  float scale;
  int32_t zero;
};

// Codes of 8 bits (7 where the baseline's kernels saturate) with a scale and a zero for each row, found from its
// smallest and largest element.
void QuantizeRows(const float* input, size_t rows, size_t channels, uint8_t* codes, RowParameters* parameters);

// output = (sum - zero of the row * sum of the output's weights) * scale of the row * scale of the output.
void ScaleRows(const int32_t* sums, size_t rows, size_t outputs, const RowParameters* parameters,
               const float* weight_scales, const int32_t* weight_sums, float* output);
