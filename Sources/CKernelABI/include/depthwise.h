// Depthwise convolution: part of the contract of CKernelABI.h, which includes it behind what it uses.
#ifndef SONIQ_DEPTHWISE_H
#define SONIQ_DEPTHWISE_H

#include <stddef.h>
#include <stdint.h>

// ---------------------------------------------------------------------------------------------------
// Convolution whose every channel has taps of its own. Rows are neighbouring output pixels.
//     I[c] = sum over taps of weight[tap][c] * (q[tap pixel][c] - zero), exact in int32
//     y = bias ? bias[c] : 0;  y = fma(float(I), weightScale[c] * scale, y)
// ---------------------------------------------------------------------------------------------------
typedef struct {
  const uint8_t *codes;  // pixel under the first tap of row 0; pixels are paddedChannels bytes
  size_t rowStep;        // bytes from one row's first pixel to the next's
  const int32_t *tapOffsets;  // [taps] bytes from a row's first pixel
  uint32_t taps;
  uint32_t channels;
  uint32_t paddedChannels;  // multiple of 16; arrays below are as long, padded with 0
  const int8_t *weights;    // [taps][paddedChannels]
  // The same for kernels that take four rows of a window at a time: for every 64 channels (the last
  // ones padded with 0), both halves, every 4 rows (padded with 0) and every column of the window two blocks of 64
  // bytes; byte 4j + t of 16 bytes l of block b of half h is the tap of row t, channel 16l + 4(2h + b) + j. 64-byte
  // aligned; null where no such kernel runs. With tiles zeroSums, weightScale and bias have that order too (16 numbers
  // a block) and the same padding.
  const int8_t *tiles;
  uint32_t windowWidth;
  // Of kernels with tiles: so many neighbouring rows (rowStep = paddedChannels = channels = 64 / pixels, and outputs
  // as close) are taken as one of 64 channels; tiles and numbers are repeated accordingly. 0 or 1: none.
  uint32_t pixels;
  const int32_t *zeroSums;  // [paddedChannels] zero * sum over taps of weight
  float scale;
  const float *weightScale;
  const float *bias;         // or null
  float *output;             // [rows][outputStride]; only `channels` of a row are written
  size_t outputStride;
  snq_code_sink sink;  // kernels whose registry row says so
} snq_depthwise_args;

typedef void (*snq_depthwise_function)(const snq_depthwise_args *args, uint32_t rowBegin, uint32_t rowEnd);

// The same in float32, from windows that were copied together: y = bias; for taps: y = fma(weight, input, y)
typedef struct {
  const float *input;    // [rows][taps][channels]
  const float *weights;  // [taps][channels]
  const float *bias;     // [channels] or null
  uint32_t taps;
  uint32_t channels;
  float *output;
  size_t outputStride;
  // Of one channel and outputStride 1, else null: [taps]; the input of row r is input[tapOffsets[tap] + r].
  const int32_t *tapOffsets;
} snq_depthwise_float_args;

typedef void (*snq_depthwise_float_function)(const snq_depthwise_float_args *args, uint32_t rowBegin,
                                             uint32_t rowEnd);

#endif
