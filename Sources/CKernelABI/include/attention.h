// Attention: part of the contract of CKernelABI.h.
#ifndef SONIQ_ATTENTION_H
#define SONIQ_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

// ---------------------------------------------------------------------------------------------------
// Attention of one encoder block. Per batch entry and head: out = softmax(q k^T * scale) v over the valid
// keys. Units are (batch, head) pairs, unit = batch * heads + head. Masked keys are removed before anything
// else: the V valid keys are numbered 0..<V in order. V = 0 gives zeros. Output must not overlap the inputs.
// With isCausal the sums, maxima and chains of a query at a position go over the valid keys up to that position,
// the first of the V; a query that has none gives zeros. S below stays the maximum over all V.
// With a bias the number of a query and a key is added to their score; how, and what becomes of numbers that hide
// keys or leave nothing of the scores, is told below. A query whose bias hides every key gives zeros.
//
// With `past` there are keys and values of positions before the first query's: position past + r is that of query row r,
// keys and values have past + sequence rows, and all is as if the queries before had been there too. With a window a
// query sees the valid keys of the last `window` positions up to its own only. Sums go over keys by their numbers, lane
// l of 16 takes numbers l, l + 16, ..., so that a row's result does not depend on the rows of a call.
//
// attention_float (reference mode):
//  * score = (fma chain over the channels in order, from 0, of q*k) * scale; m = max of the scores
//    softcap: score = softcap * tanh(score / softcap), each rounded on its own, before a bias is added
//    bias: score + bias, rounded on its own; a query all of whose sums are -infinity gives zeros
//  * e = exp(score - m); p = e * (1 / 16-lane sum of e); out = fma chain over the keys in order of p*v
//
// attention_codes (keys and values are codes that append_codes has made; always causal, no mask and no bias):
//  * a row of q is turned as keys and values are; step = max|x| / 32767 over headDim, guarded as above; code = rne(min(max(x * (1 / step), -32767), 32767))
//  * I = sum of q code * k code, exact in int32 (of unsigned u: - h * sum of q codes + sum of q code * u); score = (float(I) * (step * (scale / n))) * keyStep_j; softcap as above
//  * p as of attention_float; out = (fma chain over the keys in order of (p_j * valueStep_j) * v code), turned, * (1 / n)
//
// attention_integer (both products exact in int32):
//  * a row of q or k: step = max|x| / 127 over headDim, guarded as above;
//    code = rne(min(max(x * (1 / step), -127), 127))
//  * value row of key j: step_j = max|v| / 127; S = guarded max of the steps;
//    step_j = min(max(step_j, max(S * 2^-24, FLT_MIN)), S); codes as above
//  * t_j = fma(float(I) * a, kStep_j, log2(step_j)), I = sum of q code * k code,
//    a = (qStep * scale) * log2(e); T = max of t_j
//    bias: t_j = max(fma(bias_j, log2(e), t_j), -1e30), by the SSE rule, before T is taken. When the greatest bias of
//    a query's keys (NaN passed over, from -infinity) is not between -1e30 and 1e30, t_j is log2(step_j) for the keys
//    whose bias is not below it and -1e30 for the others and for NaN; when it is -infinity the query gives zeros
//  * e_j = 255 * 2^(t_j - T) by the polynomial of docs/numerics.md; p_j = rne(e_j), 0..255
//  * D = 16-lane fma sum of e_j * (1 / step_j); out = float(sum p_j * v code) * (1 / D)
//    (the value's step rides in the weight, so one scale serves all keys)
//  * NaN inputs are passed over by max and have code -127; nothing traps
// ---------------------------------------------------------------------------------------------------
typedef struct {
  const float *query;  // [batch][sequence][queryStride], head h at h * headDim
  const float *key;
  const float *value;
  size_t queryStride, keyStride, valueStride;  // floats between positions
  const int32_t *mask;  // [batch][sequence], 0 = masked, or null
  // [batch][heads][query position][key position], keys next to each other; a stride of 0: one for all. Or null.
  const float *bias;
  size_t biasBatchStride, biasHeadStride, biasRowStride;  // floats
  uint32_t batch, sequence, heads, headDim;  // headDim: multiple of 4, at most 256
  uint32_t queryHeads;  // heads that share one of keys and values, next to each other; divides heads. 0: 1
  float scale;
  uint32_t isCausal;  // 0 or 1
  float *output;  // [batch][sequence][outputStride]
  size_t outputStride;
  // attention_float only; no mask and no bias with `past`.
  uint32_t past;         // positions of keys and values before the first query's
  uint32_t window;       // 0: none; only with isCausal
  float softcap;         // 0: none
  uint32_t isHalf;       // 1: keys and values are binary16, their strides count these
  size_t keyBatchRows;   // rows between the batch entries of keys and of values; 0: sequence
  // attention_codes only: key and value are codes as in snq_append_codes_args, keyBatchRows is their capacity, and their
  // strides are not read.
  const float *keySteps, *valueSteps;
  uint32_t keyBits, valueBits;
  uint8_t *scratch;  // 64-byte aligned; one per thread (so one args value per thread); its bytes by
                     // snq_attention_integer_scratch, snq_attention_float_scratch or
                     // snq_attention_codes_scratch of past + sequence
} snq_attention_args;

typedef void (*snq_attention_function)(const snq_attention_args *args, uint32_t unitBegin,
                                       uint32_t unitEnd);
// Rows of keys or of values as codes with a step for each position and head. A head is turned first: a Walsh-Hadamard
// transform, not normalised, of every n channels, n the largest power of two that divides headDim; x[i] + x[i + d] and
// x[i] - x[i + d] for d = 1, 2, 4, ... n / 2. Then, with m = max|x| over the head, NaN passed over:
//  * 8 bits: step = guarded m / 127, code = rne(min(max(x * (1 / step), -127), 127)); NaN has code -127
//  * 4 and 6 bits, h = 2^(bits - 1): step = guarded m / h, negative when the greatest x is m;
//    code = rne(min(max(x * (1 / step), -h), h - 1)); NaN has code -h. So the number that is m has the code -h.
// Row r is that of batch entry r / sequence and of position past + r % sequence.
//
// Codes of 8 bits are signed bytes, the others lie as u = code + h. By entry and head:
//  * values [capacity][headDim bytes], behind the last of which 15 more are readable; of 4 bits 16 bytes for every 32
//    channels, the rest like 32: channel c in the low nibble of byte c, channel 16 + c in the high one; u = 8 for
//    channels that are not there
//  * keys in tiles of 16 positions, 2 * bits * headDim bytes: blocks [16 positions][2 bytes], of which the even channels of a
//    group have the first byte and the odd ones the second. 8 bits: a block for 2 channels. 4 bits: a block for 4 channels,
//    channels 0 and 1 in the low nibbles, 2 and 3 in the high ones. 6 bits: three blocks for 8 channels, block b with
//    channels 2 b and 2 b + 1 in the low 6 bits, and above them bits 2 b and 2 b + 1 of channels 6 and 7
typedef struct {
  const float *input;  // [batch * sequence][inputStride], head h at h * headDim
  size_t inputStride;
  uint8_t *codes;
  float *steps;        // [batch][heads][capacity]
  uint32_t heads, headDim;
  uint32_t capacity;   // a multiple of 16
  uint32_t sequence, past;
  uint32_t isKey;      // 0 or 1
  uint32_t bits;       // 8 or 4, of keys also 6, with a headDim that 8 divides
  float *scratch;      // [headDim], of the thread
} snq_append_codes_args;

typedef void (*snq_append_codes_function)(const snq_append_codes_args *args, uint32_t rowBegin, uint32_t rowEnd);

typedef size_t (*snq_attention_scratch_function)(uint32_t sequence, uint32_t headDim);

#endif
