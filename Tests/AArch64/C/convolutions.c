// Depthwise convolutions of codes and of floats, and matrices of floats.
#include <string.h>

#include "check.h"

static uint32_t draw_taps(void) {
  static const uint32_t taps[] = {1, 9, 25};
  return taps[below(3)];
}

static void run_depthwise(const kernel *kernel, snq_depthwise_args args, uint32_t rows) {
  const size_t count = args.outputStride * (rows - 1) + args.channels;
  float *expected = room(4 * count, 4), *actual = room(4 * count, 4);
  args.output = expected;
  snq_depthwise__portable(&args, 0, rows);
  args.output = actual;
  RUN_IN_PARTS(snq_depthwise_function, kernel, &args, rows);
  compare_reals("output", expected, actual, count);
}

void check_depthwise(const kernel *kernel) {
  const uint32_t lowest_weights = in_turn(2), highest_codes = in_turn(2);
  const uint32_t channels = draw_length(), rows = between(1, 8);
  const uint32_t padded = rounded_up(channels, 16), taps = draw_taps();
  const size_t weights = (size_t)taps * padded;
  uint8_t *filters = codes_of_bits(weights, 8), *codes;
  int32_t *offsets = room(4 * (size_t)taps, 4), *zero_sums = integers(padded, 0, 1 << 16), farthest = 0;
  snq_depthwise_args args = {0};
  size_t bytes;
  uint32_t i;
  for (i = 0; i < taps; i++) {
    offsets[i] = (int32_t)(padded * below(12));
    if (offsets[i] > farthest) farthest = offsets[i];
  }
  memset(zero_sums + channels, 0, 4 * (size_t)(padded - channels));
  args.rowStep = padded * (size_t)between(1, 2);
  bytes = (rows - 1) * args.rowStep + (size_t)farthest + padded;
  codes = codes_of_bits(bytes, 8);
  // The largest sum of either sign.
  if (lowest_weights) memset(filters, 0x80, weights);
  if (highest_codes) memset(codes, 0xff, bytes);
  for (i = 0; i < weights; i++)
    if (i % padded >= channels) filters[i] = 0;
  args.codes = codes;
  args.tapOffsets = offsets;
  args.taps = taps;
  args.channels = channels;
  args.paddedChannels = padded;
  args.weights = (const int8_t *)filters;
  args.windowWidth = 3;
  args.zeroSums = zero_sums;
  args.scale = 0.02f;
  args.weightScale = reals(padded, draw_contents());
  args.bias = one_in(2) ? reals(padded, draw_contents()) : NULL;
  args.outputStride = channels + below(3);
  describe("%u rows of %u channels, %u taps", rows, channels, taps);
  run_depthwise(kernel, args, rows);
}

static void run_depthwise_float(const kernel *kernel, snq_depthwise_float_args args, uint32_t rows) {
  const size_t count = args.outputStride * (rows - 1) + args.channels;
  float *expected = room(4 * count, 4), *actual = room(4 * count, 4);
  args.output = expected;
  snq_depthwise_float__portable(&args, 0, rows);
  args.output = actual;
  RUN_IN_PARTS(snq_depthwise_float_function, kernel, &args, rows);
  compare_reals("output", expected, actual, count);
}

// One channel whose windows are pieces of one line.
static void check_line(const kernel *kernel, enum contents contents) {
  const uint32_t taps = draw_taps(), rows = draw_length();
  const int32_t *offsets = integers(taps, 0, 8);
  int32_t farthest = 0;
  snq_depthwise_float_args args = {0};
  uint32_t i;
  for (i = 0; i < taps; i++)
    if (offsets[i] > farthest) farthest = offsets[i];
  args.input = reals(rows + (size_t)farthest, contents);
  args.weights = reals(taps, ORDINARY);
  args.bias = one_in(2) ? reals(1, draw_contents()) : NULL;
  args.taps = taps;
  args.channels = 1;
  args.outputStride = 1;
  args.tapOffsets = offsets;
  describe("a line of %u, contents %d, %u taps", rows, contents, taps);
  run_depthwise_float(kernel, args, rows);
}

void check_depthwise_float(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  snq_depthwise_float_args args = {0};
  uint32_t rows;
  if (in_turn(2)) {
    check_line(kernel, contents);
    return;
  }
  rows = between(1, 8);
  args.taps = draw_taps();
  args.channels = draw_length();
  args.input = reals((size_t)rows * args.taps * args.channels, contents);
  args.weights = reals((size_t)args.taps * args.channels, draw_contents());
  args.bias = one_in(2) ? reals(args.channels, draw_contents()) : NULL;
  args.outputStride = args.channels + below(3);
  describe("%u rows of %u channels, contents %d, %u taps", rows, args.channels, contents, args.taps);
  run_depthwise_float(kernel, args, rows);
}

void check_float_matmul(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t channels = draw_length(), rows = between(1, 11);
  const uint32_t outputs = between(1, 40), panels = (outputs + 15) / 16;
  const uint32_t row = between(0, rows), panel = between(0, panels);
  const snq_float_matmul_function function = (snq_float_matmul_function)kernel->function;
  snq_float_matmul_args args = {0};
  float *expected, *actual;
  size_t count;
  args.channels = channels;
  args.outputs = outputs;
  args.panelStride = (size_t)channels * 16;
  args.weights = reals(args.panelStride * panels, draw_contents());
  args.inputStride = channels + below(3);
  args.input = reals((rows - 1) * args.inputStride + channels, contents);
  args.bias = one_in(2) ? reals((size_t)panels * 16, draw_contents()) : NULL;
  args.outputStride = outputs + below(3);
  count = (rows - 1) * args.outputStride + outputs;
  expected = room(4 * count, 4);
  actual = room(4 * count, 4);
  describe("%u rows, %u channels, %u outputs, contents %d", rows, channels, outputs, contents);
  args.output = expected;
  snq_float_matmul_1x1__portable(&args, 0, rows, 0, panels);
  args.output = actual;
  if (function) {
    function(&args, 0, row, 0, panels);
    function(&args, row, rows, 0, panel);
    function(&args, row, rows, panel, panels);
  }
  compare_reals("output", expected, actual, count);
}
