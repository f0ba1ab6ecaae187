// Matrices of codes, one scale an output: snq_matmul.
#include <math.h>
#include <string.h>

#include "check.h"

enum patterns { RANDOM, ALL_HIGHEST, ALL_ZERO, EITHER_END, PATTERNS };

// One level of a matrix and what it is multiplied with.
typedef struct {
  uint32_t rows, panels, row_begin, row_end, panel_begin, panel_end;
  enum patterns pattern;
  // Codes of rows one behind the other, as the portable kernel takes them, and in pieces or with noise between.
  const uint8_t *plain, *codes;
  size_t plain_stride, code_stride;
  snq_matmul_args args;
} level;

static void draw_shape(const kernel *kernel, level *drawn) {
  const matrix_form *form = &kernel->matrix;
  const uint32_t tile = tile_channels(form->layout);
  snq_matmul_args *args = &drawn->args;
  args->layout = form->layout;
  args->weightBits = form->least_bits + in_turn(form->most_bits - form->least_bits + 1);
  args->activationBits =
      form->least_activation_bits + in_turn(form->most_activation_bits - form->least_activation_bits + 1);
  drawn->pattern = one_in(2) ? RANDOM : (enum patterns)below(PATTERNS);
  drawn->rows = one_in(12) ? between(1, 120) : between(1, 13);
  args->outputs = one_in(40) ? between(1, 400) : between(1, 60);
  args->channels = args->outputs > 60 ? between(1, 60) : between(1, 300);
  if (one_in(20)) {
    // More than any kernel holds of a row.
    args->channels = between(300, 4500);
    args->outputs = between(1, 20);
    drawn->rows = between(1, 6);
  }
  if (one_in(150)) {
    // The longest dot product of 8 bits.
    drawn->rows = 1;
    args->outputs = between(1, 3);
    args->channels = args->weightBits == 8 ? 66052 : 60000;
  }
  if (form->takes_segments && one_in(3)) {
    args->segments = between(1, 5);
    args->segmentChannels = tile * between(1, 6);
    args->channels = args->segments * args->segmentChannels;
  }
  args->paddedChannels = rounded_up(args->channels, tile);
  drawn->panels = (args->outputs + 15) / 16;
  drawn->row_end = drawn->rows;
  drawn->panel_end = drawn->panels;
  if (one_in(3)) {
    drawn->row_begin = below(drawn->rows);
    drawn->row_end = between(drawn->row_begin + 1, drawn->rows);
    drawn->panel_begin = below(drawn->panels);
    drawn->panel_end = between(drawn->panel_begin + 1, drawn->panels);
  }
}

static uint32_t draw_code(enum patterns pattern, uint32_t bits) {
  const uint32_t highest = (1u << bits) - 1;
  switch (pattern) {
    case ALL_HIGHEST: return highest;
    case ALL_ZERO: return 0;
    case EITHER_END: return one_in(2) ? highest : 0;
    default: return below(highest + 1);
  }
}

static void draw_weights(level *drawn) {
  snq_matmul_args *args = &drawn->args;
  const uint32_t bits = args->weightBits;
  const int is_bipolar = bits < 8 && one_in(2);
  uint8_t *weights;
  int32_t *sums = zeros(64 * (size_t)drawn->panels, 4);
  uint32_t output, channel;
  args->panelStride = panel_bytes(args->layout, bits, args->paddedChannels);
  args->planeStride = 2 * (size_t)args->paddedChannels;
  weights = zeros(args->panelStride * drawn->panels, 64);
  for (output = 0; output < args->outputs; output++) {
    for (channel = 0; channel < args->channels; channel++) {
      const int32_t code = (int32_t)draw_code(drawn->pattern, bits) - (bits == 8 ? 128 : 0);
      put_weight(weights + output / 16 * args->panelStride, args->layout, bits, args->planeStride, output, channel,
                 (uint32_t)code);
      sums[output] += code;
    }
  }
  args->weights = weights;
  args->storedSum = sums;
  args->weightMultiplier = is_bipolar ? 2 : 1;
  args->weightConstant = is_bipolar ? (1 << bits) - 1 : one_in(3) ? 0 : (int32_t)below(1u << bits);
}

// Rows of codes with noise between them, or, of windows of an image, in pieces that overlap.
static void draw_codes(level *drawn) {
  snq_matmul_args *args = &drawn->args;
  const uint32_t pieces = args->segments > 1 ? args->segments : 1, piece = args->paddedChannels / pieces;
  const enum patterns pattern = drawn->pattern == RANDOM ? RANDOM : (enum patterns)below(PATTERNS);
  uint8_t *codes, *plain;
  size_t count, i;
  uint32_t row, channel;
  drawn->code_stride = pieces > 1 && one_in(2) ? between(1, piece) : (args->paddedChannels + below(6)) | 1;
  args->segmentStride = piece + below(70);
  count = drawn->code_stride * (drawn->rows - 1) + args->segmentStride * (pieces - 1) + piece;
  codes = room(count, 1);
  for (i = 0; i < count; i++) codes[i] = (uint8_t)draw_code(pattern, args->activationBits);
  drawn->plain_stride = args->paddedChannels;
  plain = room(drawn->plain_stride * drawn->rows, 1);
  for (row = 0; row < drawn->rows; row++) {
    for (channel = 0; channel < args->paddedChannels; channel++) {
      const size_t place = row * drawn->code_stride + channel / piece * args->segmentStride + channel % piece;
      if (channel >= args->channels) codes[place] = 0;
      plain[row * drawn->plain_stride + channel] = codes[place];
    }
    // Noise that no code has.
    if (pieces == 1 && row + 1 < drawn->rows)
      memset(codes + row * drawn->code_stride + args->paddedChannels, NOISE, drawn->code_stride - args->paddedChannels);
  }
  drawn->codes = codes;
  drawn->plain = plain;
}

// With one scale and constant for all rows where `is_shared`.
static void draw_parameters(level *drawn, int is_shared) {
  snq_matmul_args *args = &drawn->args;
  const int is_bipolar = one_in(2), reads_sums = args->weightConstant || args->weightOffset;
  const size_t apart = between(1, 2);
  snq_row_params *rows = room(sizeof *rows * ((drawn->rows - 1) * apart + 1), 4);
  uint32_t row, channel;
  args->activationMultiplier = is_bipolar ? 2 : 1;
  for (row = 0; row < drawn->rows; row++) {
    snq_row_params *parameters = rows + row * apart;
    parameters->scale = 0.01f + fabsf(draw_real(ORDINARY));
    parameters->constant = is_bipolar ? (1 << args->activationBits) - 1 : (int32_t)below(1u << args->activationBits);
    if (is_shared && row) {
      parameters->scale = rows->scale;
      parameters->constant = rows->constant;
    }
    // Left as noise where it is not to be read.
    if (!reads_sums) continue;
    parameters->codeSum = 0;
    for (channel = 0; channel < args->paddedChannels; channel++)
      parameters->codeSum += drawn->plain[row * drawn->plain_stride + channel];
  }
  args->rows = rows;
  args->rowStride = is_shared && one_in(2) ? 0 : apart;
}

// Points the arguments at the codes in the form that the kernel takes.
static void prepare(const kernel *kernel, level *drawn) {
  snq_matmul_args *args = &drawn->args;
  snq_prepare_args prepare = {0};
  const uint32_t padded = args->paddedChannels;
  args->codes = drawn->codes;
  args->codeStride = drawn->code_stride;
  args->form = kernel->matrix.form;
  if (args->form == SNQ_CODES) return;
  prepare.codes = drawn->plain;
  prepare.codeStride = drawn->plain_stride;
  prepare.paddedChannels = padded;
  prepare.activationBits = args->activationBits;
  prepare.form = args->form;
  prepare.planeStride = padded / 8;
  prepare.preparedStride = args->form == SNQ_BIT_PLANES ? rounded_up(padded / 8 * args->activationBits, 64)
                           : args->form == SNQ_TABLES   ? 4 * (size_t)padded
                                                        : 8 * (size_t)padded;
  prepare.prepared = room(prepare.preparedStride * drawn->rows, 64);
  snq_prepare__portable(&prepare, 0, drawn->rows);
  args->codes = prepare.prepared;
  args->codeStride = prepare.preparedStride;
}

// By the contract, of the floats of the portable kernel.
static uint8_t code_of(float number, const snq_code_sink *sink) {
  const float lowest = -(float)sink->zero, scaled = number * sink->inverse;
  const float raised = scaled > lowest ? scaled : lowest;
  return (uint8_t)((int32_t)rintf(raised < sink->high ? raised : sink->high) + sink->zero);
}

static void call(snq_matmul_function function, const level *drawn) {
  if (function) function(&drawn->args, drawn->row_begin, drawn->row_end, drawn->panel_begin, drawn->panel_end);
}

static void compare_codes(const kernel *kernel, level *drawn, const float *floats) {
  snq_matmul_args *args = &drawn->args;
  snq_code_sink *sink = &args->sink;
  const int32_t highest = (1 << between(1, 8)) - 1;
  size_t bytes;
  uint8_t *expected;
  uint32_t row, output;
  sink->codeStride = args->outputs + below(4);
  sink->zero = (int32_t)below((uint32_t)highest + 1);
  sink->high = (float)(highest - sink->zero);
  sink->inverse = 1 / (0.02f * (float)args->channels + 3 * fabsf(draw_real(ORDINARY)));
  bytes = sink->codeStride * (drawn->rows - 1) + args->outputs;
  expected = room(bytes, 1);
  sink->codes = room(bytes, 1);
  for (row = drawn->row_begin; row < drawn->row_end; row++)
    for (output = 16 * drawn->panel_begin; output < 16 * drawn->panel_end && output < args->outputs; output++)
      expected[row * sink->codeStride + output] = code_of(floats[row * args->outputStride + output], sink);
  args->output = NULL;
  call((snq_matmul_function)kernel->function, drawn);
  compare_bytes("codes", expected, sink->codes, bytes);
}

static void run(const kernel *kernel, level *drawn, int has_sink) {
  snq_matmul_args *args = &drawn->args;
  const uint32_t segments = args->segments;
  const size_t count = args->outputStride * (drawn->rows - 1) + args->outputs;
  // Half of them are not written.
  float *floats = reals(count, draw_contents()), *actual = copy_of(floats, count);
  int32_t *integers_expected = integers(count, -1000, 1000), *integers_actual = copy_of(integers_expected, count);
  args->output = floats;
  args->integerOutput = integers_expected;
  args->codes = drawn->plain;
  args->codeStride = drawn->plain_stride;
  args->segments = 0;
  call(snq_matmul_any_8x1__portable, drawn);
  args->segments = segments;
  args->scratch = room(SNQ_MATMUL_SCRATCH_NEON, 64);
  prepare(kernel, drawn);
  if (has_sink) {
    compare_codes(kernel, drawn, floats);
    return;
  }
  args->output = actual;
  args->integerOutput = integers_actual;
  call((snq_matmul_function)kernel->function, drawn);
  compare_reals("output", floats, actual, count);
  compare_bytes("integers", integers_expected, integers_actual, 4 * count);
}

void check_matrix(const kernel *kernel) {
  static const uint32_t modes[] = {SNQ_START, SNQ_ACCUMULATE, SNQ_INTEGER, SNQ_INTEGER_ACCUMULATE};
  level drawn;
  snq_matmul_args *args = &drawn.args;
  int has_sink;
  memset(&drawn, 0, sizeof drawn);
  draw_shape(kernel, &drawn);
  has_sink = one_in(4);
  args->mode = has_sink ? SNQ_START : modes[below(4)];
  draw_weights(&drawn);
  draw_codes(&drawn);
  args->weightScale = reals(16 * (size_t)drawn.panels, draw_contents());
  if (!has_sink && one_in(3)) args->weightOffset = reals(16 * (size_t)drawn.panels, draw_contents());
  if (one_in(2)) args->bias = reals(16 * (size_t)drawn.panels, draw_contents());
  draw_parameters(&drawn, has_sink || one_in(6));
  args->outputStride = args->outputs + below(4);
  describe("W%u of %u - %d, A%u times %d, mode %u, %u x %u x %u, rows %u to %u, panels %u to %u, pattern %d, segments "
           "%u of %u, sink %d, offset %d",
           args->weightBits, (unsigned)args->weightMultiplier, args->weightConstant, args->activationBits,
           args->activationMultiplier, args->mode, drawn.rows, args->outputs, args->channels, drawn.row_begin,
           drawn.row_end, drawn.panel_begin, drawn.panel_end, drawn.pattern, args->segments, args->segmentChannels,
           has_sink, args->weightOffset != NULL);
  run(kernel, &drawn, has_sink);
}
