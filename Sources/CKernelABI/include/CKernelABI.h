// The kernel contract: what every kernel of soniq receives and must produce.
//
// Kernels are `@c` Swift functions in KernelsPortable, KernelsAVX2 and KernelsAVX512. They are called
// through these prototypes only, never imported, so that no code compiled for a newer instruction set
// is inlined or merged into baseline code.
//
// Rules for all kernels: pointers and locals only; no allocation, no trap, no global state; read nothing
// outside the stated ranges, write nothing outside them; rows [rowBegin, rowEnd) and panels
// [panelBegin, panelEnd) may be split over threads in any way without changing a bit of the result.
#ifndef SONIQ_CKERNELABI_H
#define SONIQ_CKERNELABI_H

#include <stddef.h>
#include <stdint.h>

#include "word_steps.h"

// Output rows of one weight panel: one 32-bit lane each in a 64-byte tile.
#define SNQ_PANEL_OUTPUTS 16

// ---------------------------------------------------------------------------------------------------
// Integers. A stored weight t and a stored activation code q stand for the integers
//     w = weightMultiplier * t - weightConstant
//     u = activationMultiplier * q - rowParams.constant
// (bipolar p bits: multiplier 2, constant 2^p - 1; affine: multiplier 1, constant z. Stored bytes of
// 8-bit weights are signed, code - 128, all narrower weights are the unsigned code itself.)
// A level's exact dot product over its `channels` channels K is, in int32,
//     I[row,o] = sum w*u = mw*ma*sum(t*q) - mw*ca*sum(t) - ma*cw*sum(q) + K*cw*ca
// Padding channels hold t = 0 and q = 0, so they add nothing.
// ---------------------------------------------------------------------------------------------------

// Parameters of one quantised activation row at one level.
typedef struct {
  float scale;       // real value of one unit of u
  int32_t constant;  // c_a
  int32_t codeSum;   // sum of the codes q over the level's channels
} snq_row_params;

enum {
  SNQ_START = 0,       // output = bias (or 0 when bias is null) + this level
  SNQ_ACCUMULATE = 1,  // output = output + this level
  SNQ_INTEGER = 2,     // integerOutput = I exactly; scales and bias unused
  SNQ_INTEGER_ACCUMULATE = 3,
};

// Weight layouts. A panel holds 16 outputs x all padded channels of a level.
enum {
  // 64-byte tile = 16 outputs x 4 channels; lane o, byte b = t(o, 4*tile + b), signed.
  SNQ_BYTES = 1,
  // 64-byte tile = 16 outputs x 8 channels; lane o, byte b: low nibble t(o, 8*tile + b),
  // high nibble t(o, 8*tile + 4 + b), unsigned.
  SNQ_NIBBLES = 2,
  // weightBits planes, most significant first, planeStride bytes apart; in a plane a 64-byte tile =
  // 16 outputs x 32 channels; lane o, byte b: low nibble bit j = channel 32*tile + 4b + j,
  // high nibble bit j = channel 32*tile + 16 + 4b + j.
  SNQ_PLANES = 3,
};

// The form in which a kernel wants the activations of a level: as the quantiser leaves them, or prepared once
// for each row so that every output can use what was prepared. All forms hold the same codes. Padding
// channels are codes 0.
enum {
  // One code a byte, in the order of the channels.
  SNQ_CODES = 0,
  // Plane j (the bit 2^j of every code) starts paddedChannels / 8 * j bytes into the row (in images elsewhere: see
  // snq_prepare_args); in a plane every 32 channels are 4 bytes in the order of a lane of SNQ_PLANES: byte b, low nibble bit i = channel 4b + i, high
  // nibble bit i = channel 16 + 4b + i.
  SNQ_BIT_PLANES = 1,
  // For codes of at most 5 bits: byte 64h + 16b + n of the 128 bytes of every 32 channels is the sum of those of
  // the 4 codes of channels 16h + 4b + i whose bit i is set in n (n = 0..15). At most 124, so that two of
  // them may be added in a byte.
  SNQ_TABLES = 2,
  // For codes of 6 to 8 bits: for every 32 channels the 128 bytes of SNQ_TABLES of code & 15, then those of
  // code >> 4.
  SNQ_HALF_TABLES = 3,
};

// Prepares rows of codes.
typedef struct {
  const uint8_t *codes;  // [rows][codeStride], paddedChannels readable
  size_t codeStride;     // bytes
  uint32_t paddedChannels;  // multiple of 32
  uint32_t activationBits;
  uint32_t form;      // not SNQ_CODES
  uint8_t *prepared;  // [rows][preparedStride]; 64-byte aligned for tables
  size_t preparedStride;  // bytes; multiple of 64 for tables
  // SNQ_BIT_PLANES: bytes between the planes of a row. paddedChannels / 8 for rows that a matrix is multiplied with;
  // images for convolutions keep each plane of all pixels together.
  size_t planeStride;
} snq_prepare_args;

typedef void (*snq_prepare_function)(const snq_prepare_args *args, uint32_t rowBegin, uint32_t rowEnd);

// Outputs as codes of a fixed affine scale instead of as floats, where the next layer alone reads them: the very codes
// that the quantiser below makes of those floats. Only for kernels whose registry row says so.
typedef struct {
  uint8_t *codes;     // [rows][codeStride]; only the outputs of a row are written. Null: floats are written
  size_t codeStride;  // bytes
  float inverse;      // 1 / scale
  float high;         // largest code - zero
  int32_t zero;
} snq_code_sink;

// One level of one linear layer, applied to rows of activation codes.
//
// Float result, per (row, o), in this order, every step one IEEE binary32 operation:
//     y = (mode == SNQ_START) ? (bias ? bias[o] : 0) : output[row][o]
//     y = fma(float(I), weightScale[o] * rowParams.scale, y)
//     if weightOffset: y = fma(float(U) * rowParams.scale, weightOffset[o], y),
//                      U = activationMultiplier * codeSum - K * constant
typedef struct snq_matmul_args snq_matmul_args;

struct snq_matmul_args {
  const uint8_t *weights;  // panel 0; 64-byte aligned
  size_t panelStride;      // bytes, multiple of 64
  size_t planeStride;      // bytes, SNQ_PLANES only
  uint32_t layout;         // SNQ_BYTES, SNQ_NIBBLES, SNQ_PLANES
  uint32_t weightBits;     // 4 in nibbles, whatever the codes have; in bytes those of the codes from 5 on, below 8: t < 2^weightBits
  uint32_t activationBits;
  uint32_t channels;        // true K of the level
  uint32_t paddedChannels;  // multiple of 4 (bytes), 8 (nibbles), 32 (planes)
  uint32_t outputs;         // true N; arrays below are padded with 0 to a multiple of 16
  int32_t weightMultiplier;
  int32_t weightConstant;
  int32_t activationMultiplier;
  // [16] integers that t counts through, in place of t; weightMultiplier is 1, weightConstant 0 and storedSum their sum,
  // then. Null for all but the portable kernel.
  const int8_t *codebook;
  const float *weightScale;
  const float *weightOffset;  // null when absent
  const int32_t *storedSum;   // sum of t over the channels, per output
  const uint8_t *codes;       // [rows][codeStride] activations in `form`, the whole of paddedChannels readable
  size_t codeStride;          // bytes; a multiple of 64, and codes 64-byte aligned, unless form is SNQ_CODES
  uint32_t form;              // the kernel's own, by its registry row
  // Convolutions, for kernels whose registry row says that they take segments: the channels of a row lie in
  // `segments` pieces of segmentChannels (padded) each, `segmentStride` bytes apart (the rows of the image that a
  // window covers), and rows of codes may overlap. 0 or 1: one piece. Any other kernel is given one.
  uint32_t segments;
  uint32_t segmentChannels;
  size_t segmentStride;
  // Such kernels read codeSum only for weightConstant and weightOffset.
  // SNQ_BYTES, for kernels whose registry row says so: snq_word_steps of each panel, wordStepStride bytes apart, or null.
  const void *wordSteps;
  size_t wordStepStride;
  size_t codePlaneStride;  // SNQ_BIT_PLANES with segments: bytes between planes; else planes are as form says
  // 64-byte aligned memory of the thread, as much as the kernel's registry row says (one args value per thread,
  // then), or null.
  uint8_t *scratch;
  const snq_row_params *rows;
  size_t rowStride;   // snq_row_params elements between rows (levels are interleaved); 0: all rows have the first one's
  const float *bias;  // [padded outputs] or null; SNQ_START only
  float *output;      // [rows][outputStride]; only the first `outputs` of a row are written
  size_t outputStride;
  int32_t *integerOutput;  // SNQ_INTEGER*: [rows][outputStride]
  uint32_t mode;
  // The second level of the same rows and outputs, or null. Only for kernels whose registry row says that they
  // fuse levels: they add it as a second call with SNQ_ACCUMULATE or SNQ_INTEGER_ACCUMULATE would, without the
  // trip of the outputs through memory. Its mode, bias and outputs are not read.
  const snq_matmul_args *next;
  // Codes in place of `output`: SNQ_START, one level, no weightOffset, all rows of one scale and constant.
  snq_code_sink sink;
};

// Bytes of snq_matmul_args.scratch that the AVX2 kernels use.
enum { SNQ_MATMUL_SCRATCH_AVX2 = 25600 };
// And those of AArch64.
enum { SNQ_MATMUL_SCRATCH_NEON = 45312 };

typedef void (*snq_matmul_function)(const snq_matmul_args *args, uint32_t rowBegin, uint32_t rowEnd,
                                    uint32_t panelBegin, uint32_t panelEnd);

// Float linear layer: the reference mode. weights: panels of [channels][16] floats.
// y = bias; for k in 0..<channels: y = fma(weight[k], input[k], y)
typedef struct {
  const float *weights;
  size_t panelStride;  // floats
  uint32_t channels;
  uint32_t outputs;
  const float *input;
  size_t inputStride;  // floats
  const float *bias;   // padded to 16, or null
  float *output;
  size_t outputStride;
} snq_float_matmul_args;

typedef void (*snq_float_matmul_function)(const snq_float_matmul_args *args, uint32_t rowBegin,
                                          uint32_t rowEnd, uint32_t panelBegin, uint32_t panelEnd);

// ---------------------------------------------------------------------------------------------------
// Activation quantiser: float rows to one-byte codes, per level.
// The 16-lane rule for reductions (used everywhere): lane l takes elements l, l+16, l+32, ... in order;
// the tail takes the lanes it reaches; then lanes i and i+8, i+4, i+2, i+1 are combined, lower first.
// min(a, b) is (a < b ? a : b) and max(a, b) is (a > b ? a : b): the SSE rule, which fixes NaN.
// rne(x) is cvtps2dq: round to nearest even, 0x80000000 when out of range or NaN.
//
// affine, dynamic:  lo = over x, acc = min(x, acc) from 0 (so NaN is passed over); hi likewise with max;
//                   scale = (hi - lo) / (2^p - 1); if !(scale >= FLT_MIN and scale <= FLT_MAX) scale = 1;
//                   inverse = 1 / scale; zero = rne(min(max(-lo * inverse, 0), 2^p - 1))
// affine, static:   scale, zero given; inverse = 1 / scale
//     q = rne(min(max(x * inverse, -zero), 2^p - 1 - zero)) + zero   constant = zero, multiplier 1
// bipolar, dynamic: p > 1: step = max|x| / (2^p - 1); p = 1: step = (16-lane sum of |x|) / K;
//                   same guard on step; static: step given
//     inverse = 0.5 / step; q = floor(min(max(fma(x, inverse, 2^(p-1)), 0), 2^p - 1))
//     scale = step, constant = 2^p - 1, multiplier 2
// So infinities saturate to the end of their sign and NaN gives code 0; nothing traps.
// ---------------------------------------------------------------------------------------------------

enum { SNQ_BIPOLAR = 1, SNQ_AFFINE = 2 };

typedef struct {
  uint32_t begin;           // first sorted channel of the level's run
  uint32_t channels;        // channels of the run
  uint32_t paddedChannels;  // codes are zero-filled up to here
  uint32_t kind;            // SNQ_BIPOLAR or SNQ_AFFINE
  uint32_t bits;            // 1..8 (bipolar 1..7)
  uint32_t isStatic;
  float scale;   // static only
  int32_t zero;  // static affine only
  uint8_t *codes;
  size_t codeStride;  // bytes
  snq_row_params *rows;
  size_t rowStride;  // snq_row_params elements
} snq_activation_level;

// The most levels of a matrix.
enum { SNQ_LEVELS = 4 };

typedef struct {
  const float *input;  // [rows][inputStride]
  size_t inputStride;
  uint32_t channels;
  const uint32_t *gather;  // sorted position -> channel, or null for identity; entries < channels
  float *scratch;          // needed with gather: `channels` floats, one scratch per thread (so one args
                           // value per thread); may be null without gather
  uint32_t levelCount;     // 1..SNQ_LEVELS
  snq_activation_level levels[SNQ_LEVELS];
} snq_quantize_args;

typedef void (*snq_quantize_function)(const snq_quantize_args *args, uint32_t rowBegin, uint32_t rowEnd);

// Codes that a host made, none above what its level's bits hold, to where the quantiser would have put them: sorted by level, padded with 0, summed.
typedef struct {
  const uint8_t *codes;  // [rows][codeStride], in the order of the matrix's channels
  size_t codeStride;     // bytes
  uint32_t channels;
  const uint32_t *gather;  // sorted position -> channel, or null for identity; entries < channels
  // When gather keeps the channels of each level in their order: bit c % 64 of word c / 64 says that channel c is of
  // the second level. Null otherwise; never needed.
  const uint64_t *secondLevel;
  const int32_t *zeros;    // [rows][levelCount] constants of affine levels, or null: 0
  uint32_t levelCount;     // 1..SNQ_LEVELS
  snq_activation_level levels[SNQ_LEVELS];  // scale and zero are not read: scale becomes 1
} snq_take_codes_args;

typedef void (*snq_take_codes_function)(const snq_take_codes_args *args, uint32_t rowBegin, uint32_t rowEnd);

// ---------------------------------------------------------------------------------------------------
// Row operations on float32.
// ---------------------------------------------------------------------------------------------------

// s = input (+ residual); mean = (16-lane sum of s) / K; d = s - mean;
// variance = (16-lane fma sum of d*d) / K;
// output = fma(d * (1 / sqrt(variance + epsilon)), gamma, beta). Output may be the memory of input or of
// residual.
typedef struct {
  const float *input;
  size_t inputStride;
  const float *residual;  // null when absent
  size_t residualStride;
  const float *gamma;
  const float *beta;  // null: +0 for all channels
  float epsilon;
  uint32_t keepsMean;  // 1: mean is +0, as the norm by the root of the mean square has it
  uint32_t channels;
  float *output;
  size_t outputStride;
} snq_layer_norm_args;

typedef void (*snq_layer_norm_function)(const snq_layer_norm_args *args, uint32_t rowBegin,
                                        uint32_t rowEnd);

enum {
  SNQ_GELU_ERF = 1,
  SNQ_GELU_TANH = 2,
  SNQ_RELU = 3,
  SNQ_SILU = 4,
  SNQ_SIGMOID = 5,
  SNQ_TANH = 6,
  SNQ_RELU6 = 7,       // min(max(x, 0), 6)
  SNQ_HARD_SWISH = 8,  // x * min(max(fma(x, 1/6, 0.5), 0), 1)
  SNQ_LEAKY_RELU = 9,  // x < 0 ? alpha * x : x
  SNQ_CLIP = 10,  // min(beta, max(alpha, x))
  SNQ_HARD_SIGMOID = 11,  // min(1, max(0, fma(alpha, x, beta)))
  SNQ_ELU = 12,  // x < 0 ? alpha * (e^x - 1) : x
  SNQ_SOFTPLUS = 13,  // log(1 + e^x)
  SNQ_MISH = 14,  // x * tanh(log(1 + e^x))
  SNQ_ABSOLUTE = 15, SNQ_NEGATIVE = 16, SNQ_RECIPROCAL = 17, SNQ_SQUARE_ROOT = 18, SNQ_EXPONENTIAL = 19,
  SNQ_LOGARITHM = 20, SNQ_ERF = 21, SNQ_FLOOR = 22, SNQ_CEILING = 23,
  SNQ_ROUND = 24,  // to nearest, ties to even
  SNQ_SIGN = 25,  // 1, -1, or x when it is neither positive nor negative
  SNQ_SINE = 26, SNQ_COSINE = 27, SNQ_TANGENT = 28, SNQ_ARC_SINE = 29, SNQ_ARC_COSINE = 30, SNQ_ARC_TANGENT = 31,
  SNQ_HYPERBOLIC_SINE = 32, SNQ_HYPERBOLIC_COSINE = 33, SNQ_INVERSE_HYPERBOLIC_SINE = 34,
  SNQ_INVERSE_HYPERBOLIC_COSINE = 35, SNQ_INVERSE_HYPERBOLIC_TANGENT = 36,
};

// Elementwise over rows x channels; input and output may be the same memory. NaN passes through.
typedef struct {
  uint32_t kind;
  const float *input;
  size_t inputStride;
  uint32_t channels;
  float *output;
  size_t outputStride;
  float alpha;  // of the kinds that name them
  float beta;
} snq_activation_args;

typedef void (*snq_activation_function)(const snq_activation_args *args, uint32_t rowBegin,
                                        uint32_t rowEnd);

// output = left + right, or max(left + right, 0) as SNQ_RELU; row r uses row r % rightRows of right. Output may be the memory of left, and of
// right when rightRows covers all rows.
typedef struct {
  const float *left;
  size_t leftStride;
  const float *right;
  size_t rightStride;
  uint32_t rightRows;
  uint32_t channels;
  uint32_t rectifies;
  float *output;
  size_t outputStride;
} snq_add_args;

typedef void (*snq_add_function)(const snq_add_args *args, uint32_t rowBegin, uint32_t rowEnd);

// ---------------------------------------------------------------------------------------------------
// Packed table lookup: output[row] = table[ids[row]] (ids already checked to be in range).
// A table row holds, per level run, its codes as a little-endian bit stream: code i of the run is bits
// [i*p, (i+1)*p), each run padded to a whole byte, and one float scale per row, level and block.
//     affine:  value = scale * (q - zero)      bipolar: value = scale * (2q - (2^p - 1))
// Values are computed as float(integer) * scale.
// ---------------------------------------------------------------------------------------------------
typedef struct {
  uint32_t begin;        // first sorted channel of the run
  uint32_t channels;
  uint32_t kind;
  uint32_t bits;
  int32_t zero;          // affine
  uint32_t blockLength;  // channels that share a scale; multiple of 8; = channels when one per row
  const uint8_t *codes;  // [tableRows][rowStride]
  size_t rowStride;      // bytes
  const uint16_t *scales;   // IEEE binary16 [tableRows][blockCount], blockCount = ceil(channels/blockLength)
} snq_table_level;

typedef struct {
  const int32_t *ids;
  uint32_t channels;
  const uint32_t *scatter;  // sorted position -> output channel, or null
  uint32_t levelCount;      // 1 or 2
  snq_table_level levels[2];
  float *output;
  size_t outputStride;
} snq_lookup_args;

typedef void (*snq_lookup_function)(const snq_lookup_args *args, uint32_t rowBegin, uint32_t rowEnd);

// Mean over the positions of a sequence, rows = batch entries:
// output[b][c] = (sum over positions with mask != 0, in order, of input[b][position][c]) * (1 / count);
// zeros when no position is valid.
typedef struct {
  const float *input;   // [batch][sequence][inputStride]
  size_t inputStride;   // floats between positions
  const int32_t *mask;  // [batch][sequence], 0 = masked, or null
  uint32_t sequence;
  uint32_t channels;
  float *output;  // [batch][outputStride]
  size_t outputStride;
} snq_pool_args;

typedef void (*snq_pool_function)(const snq_pool_args *args, uint32_t rowBegin, uint32_t rowEnd);

// output = x / max(sqrt(16-lane fma sum of x*x), epsilon), the max by the SSE rule. May work in place.
typedef struct {
  const float *input;
  size_t inputStride;
  uint32_t channels;
  float epsilon;
  float *output;
  size_t outputStride;
} snq_normalize_args;

typedef void (*snq_normalize_function)(const snq_normalize_args *args, uint32_t rowBegin, uint32_t rowEnd);

#include "attention.h"
#include "depthwise.h"
#include "group_matmul.h"
#include "kernel_prototypes.h"

#endif
