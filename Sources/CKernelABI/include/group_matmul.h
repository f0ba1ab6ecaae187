// Matrices whose weights have scales per group of channels, and the quantiser of their activations: see CKernelABI.h.
#ifndef SONIQ_GROUP_MATMUL_H
#define SONIQ_GROUP_MATMUL_H

#include <stddef.h>
#include <stdint.h>

// ---------------------------------------------------------------------------------------------------
// The channels of a level are cut into groups of `groupLength`, from its first channel on; the last group may be
// shorter. Padding channels belong to the last group and hold t = 0 and q = 0. A stored weight t, unsigned in every
// layout, and an activation code q, a signed byte, stand for
//     weight      groupScale[g][o] * w + groupOffset[g][o]     w = weightMultiplier * t - weightConstant, or codebook[t]
//     activation  rowScale[row][h] * q                         -127 <= q <= 127
// g is the group of the channel, h its group of `rowGroupLength` channels, which are whole groups of weights.
//
// Float result, per (row, o), in this order, every step one IEEE binary32 operation:
//     y = (mode == SNQ_START) ? (bias ? bias[o] : 0) : output[row][o]
//     for each h in order:
//       z = +0
//       for each group g of h in order:
//         z = fma(float(I), s, z)                  I = sum of w*q over the group, exact; |I| < 2^24, so float(I) is I
//         if groupOffsets: z = fma(float(Q), d, z)     Q = sum of q over the group
//       y = fma(z, rowScale[row][h], y)
// s and d are groupScale and groupOffset as binary32: SNQ_GROUP_FLOAT32 as they are, SNQ_GROUP_FLOAT16 converted, which
// is exact, SNQ_GROUP_UINT8 as outputScale[o] * float(byte) and outputOffset[o] * float(byte), rounded once.
// ---------------------------------------------------------------------------------------------------

enum {
  // A layout beside SNQ_NIBBLES and SNQ_PLANES, for 5 to 8 bits: 64-byte tile = 16 outputs x 4 channels; lane o, byte b
  // = t(o, 4*tile + b). As SNQ_BYTES, but unsigned: the activations are what is signed here.
  SNQ_UNSIGNED_BYTES = 4,
};

enum { SNQ_GROUP_FLOAT32 = 1, SNQ_GROUP_FLOAT16 = 2, SNQ_GROUP_UINT8 = 3 };

typedef struct {
  const uint8_t *weights;  // panel 0; 64-byte aligned
  size_t panelStride;      // bytes, multiple of 64
  size_t planeStride;      // bytes, SNQ_PLANES only
  uint32_t layout;         // SNQ_NIBBLES, SNQ_PLANES, SNQ_UNSIGNED_BYTES
  uint32_t weightBits;
  uint32_t channels;        // true K of the level
  uint32_t paddedChannels;  // multiple of 4 (bytes), 8 (nibbles), 32 (planes)
  uint32_t outputs;         // true N; what is kept for each output is padded with 0 to a multiple of 16
  uint32_t groupLength;     // 16, 32, 64 or 128; 0: all channels are one group, and I is any int32
  int32_t weightMultiplier;
  int32_t weightConstant;
  const int8_t *codebook;  // 2^weightBits weights (weightBits <= 4), or null
  uint32_t scaleType;      // SNQ_GROUP_*, of offsets too
  // [panel][group][16 outputs]: what a panel needs lies together, like its weights. 64-byte aligned. ceil(channels /
  // groupLength) groups.
  const void *groupScales;
  const void *groupOffsets;   // or null
  const float *outputScale;   // [padded outputs], SNQ_GROUP_UINT8 only
  const float *outputOffset;  // the same of groupOffsets
  const int8_t *codes;        // [rows][codeStride], the whole of paddedChannels readable
  size_t codeStride;          // bytes
  const int32_t *groupSums;   // [rows][groupSumStride] Q of every group
  size_t groupSumStride;
  const float *rowScales;  // [rows][rowScaleStride], one for each h
  size_t rowScaleStride;   // 0: all rows have the first one's
  uint32_t rowGroupLength;  // a multiple of groupLength; 0: all channels of a row have one scale
  uint32_t mode;            // SNQ_START or SNQ_ACCUMULATE
  const float *bias;        // [padded outputs] or null; SNQ_START only
  float *output;            // [rows][outputStride]; only the first `outputs` of a row are written
  size_t outputStride;
  uint8_t *scratch;  // 64-byte aligned memory of the thread, as much as the kernel's registry row says, or null
} snq_group_matmul_args;

// Rows for which the kernels keep two numbers of every group in snq_group_matmul_args.scratch.
enum { SNQ_GROUP_SCRATCH_ROWS = 66 };
// Bytes of it that the AVX2 kernels use.
enum { SNQ_GROUP_SCRATCH_AVX2 = 42368 };
// And those of AArch64.
enum { SNQ_GROUP_SCRATCH_NEON = 53248 };

typedef void (*snq_group_matmul_function)(const snq_group_matmul_args *args, uint32_t rowBegin, uint32_t rowEnd,
                                          uint32_t panelBegin, uint32_t panelEnd);

// ---------------------------------------------------------------------------------------------------
// Quantiser of such activations: p bits, top = 2^(p-1) - 1, for each h of a row
//     step = guard(max|x| / top), by the quantiser's rules of CKernelABI.h, or the given one
//     q = rne(min(max(x * (1 / step), -top), top))        rowScale = step
// So infinities saturate, NaN is passed over by the maximum and has code -top; nothing traps.
// ---------------------------------------------------------------------------------------------------

typedef struct {
  uint32_t begin;           // first sorted channel of the level's run
  uint32_t channels;        // channels of the run
  uint32_t paddedChannels;  // codes are zero-filled up to here
  uint32_t bits;            // 2..8
  uint32_t groupLength;     // of the sums: 16, 32, 64 or 128; 0: all channels
  uint32_t rowGroupLength;  // of the scales: a multiple of groupLength; 0: all channels
  uint32_t isStatic;
  float scale;  // static only: rowScale of every h
  int8_t *codes;
  size_t codeStride;  // bytes
  int32_t *groupSums;
  size_t groupSumStride;
  float *rowScales;
  size_t rowScaleStride;
} snq_group_activation_level;

enum { SNQ_GROUP_LEVELS = 4 };

typedef struct {
  const float *input;  // [rows][inputStride]
  size_t inputStride;
  uint32_t channels;
  const uint32_t *gather;  // sorted position -> channel, or null for identity; entries < channels
  float *scratch;          // as in snq_quantize_args
  uint32_t levelCount;     // 1..SNQ_GROUP_LEVELS
  snq_group_activation_level levels[SNQ_GROUP_LEVELS];
} snq_quantize_groups_args;

typedef void (*snq_quantize_groups_function)(const snq_quantize_groups_args *args, uint32_t rowBegin,
                                             uint32_t rowEnd);

#endif
