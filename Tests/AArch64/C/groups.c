// Matrices with scales per group of channels: snq_group_matmul.
#include <math.h>
#include <string.h>

#include "check.h"

enum patterns { RANDOM, ALL_HIGHEST, ALL_LOWEST, EITHER_END, PATTERNS };
enum weights { AFFINE, BIPOLAR, CODEBOOK };

typedef struct {
  uint32_t rows, panels, groups, row_groups, row_begin, row_end, panel_begin, panel_end;
  enum patterns pattern;
  enum weights weights;
  snq_group_matmul_args args;
} level;

static void draw_shape(const kernel *kernel, level *drawn) {
  static const uint32_t lengths[] = {16, 32, 64, 128};
  const matrix_form *form = &kernel->matrix;
  snq_group_matmul_args *args = &drawn->args;
  args->layout = form->layout;
  args->weightBits = form->least_bits + in_turn(form->most_bits - form->least_bits + 1);
  args->groupLength = lengths[in_turn(4)];
  args->scaleType = SNQ_GROUP_FLOAT32 + in_turn(3);
  drawn->weights = (enum weights)below(form->layout == SNQ_NIBBLES ? 3 : 2);
  if (drawn->weights == BIPOLAR && args->weightBits == 8) drawn->weights = AFFINE;
  drawn->pattern = one_in(2) ? RANDOM : (enum patterns)below(PATTERNS);
  // Rows are taken in blocks, and what is kept of each lies in scratch memory, so far.
  drawn->rows = one_in(12) ? between(1, SNQ_GROUP_SCRATCH_ROWS + 44) : between(1, 13);
  args->outputs = drawn->rows > 13 ? between(1, 20) : between(1, 40);
  args->channels = drawn->rows > 13 ? between(1, 150) : between(1, 300);
  if (one_in(20)) {
    args->channels = between(300, 3000);
    args->outputs = between(1, 20);
    drawn->rows = between(1, 3);
  }
  args->paddedChannels = rounded_up(args->channels, tile_channels(form->layout));
  drawn->panels = (args->outputs + 15) / 16;
  drawn->groups = (args->channels + args->groupLength - 1) / args->groupLength;
  args->rowGroupLength = one_in(3) ? 0 : args->groupLength * between(1, 3);
  drawn->row_groups = args->rowGroupLength ? (args->channels + args->rowGroupLength - 1) / args->rowGroupLength : 1;
  drawn->row_end = drawn->rows;
  drawn->panel_end = drawn->panels;
  if (one_in(3)) {
    drawn->row_begin = below(drawn->rows);
    drawn->row_end = between(drawn->row_begin + 1, drawn->rows);
    drawn->panel_begin = below(drawn->panels);
    drawn->panel_end = between(drawn->panel_begin + 1, drawn->panels);
  }
}

static void draw_weights(level *drawn) {
  snq_group_matmul_args *args = &drawn->args;
  const uint32_t highest = (1u << args->weightBits) - 1;
  uint8_t *weights;
  uint32_t output, channel;
  args->panelStride = panel_bytes(args->layout, args->weightBits, args->paddedChannels);
  weights = zeros(args->panelStride * drawn->panels, 64);
  for (output = 0; output < args->outputs; output++) {
    for (channel = 0; channel < args->channels; channel++) {
      const uint32_t code = drawn->pattern == ALL_HIGHEST  ? highest
                            : drawn->pattern == ALL_LOWEST ? 0
                            : drawn->pattern == EITHER_END ? below(2) * highest
                                                           : below(highest + 1);
      put_weight(weights + output / 16 * args->panelStride, args->layout, args->weightBits, 0, output, channel, code);
    }
  }
  args->weights = weights;
  args->weightMultiplier = drawn->weights == BIPOLAR ? 2 : 1;
  args->weightConstant = drawn->weights == BIPOLAR ? (int32_t)highest : one_in(4) ? 0 : (int32_t)below(highest + 1);
  if (drawn->weights == CODEBOOK) {
    uint8_t *book = codes_of_bits(highest + 1, 8);
    uint32_t code;
    for (code = 0; drawn->pattern == EITHER_END && code <= highest; code++) book[code] = one_in(2) ? 0x80 : 0x7f;
    args->codebook = (const int8_t *)book;
    // Not to be read then.
    args->weightMultiplier = 77;
    args->weightConstant = 99;
  }
}

// Signed codes with their sums; between the rows is noise that must not matter.
static void draw_codes(level *drawn) {
  snq_group_matmul_args *args = &drawn->args;
  const enum patterns pattern = drawn->pattern == RANDOM ? RANDOM : (enum patterns)below(PATTERNS);
  int8_t *codes;
  int32_t *sums;
  uint32_t row, channel;
  args->codeStride = args->paddedChannels + below(6);
  args->groupSumStride = drawn->groups + below(4);
  codes = room(args->codeStride * (drawn->rows - 1) + args->paddedChannels, 1);
  sums = integers(args->groupSumStride * (drawn->rows - 1) + drawn->groups, 1 << 20, 1 << 28);
  for (row = 0; row < drawn->rows; row++) {
    memset(sums + row * args->groupSumStride, 0, 4 * (size_t)drawn->groups);
    memset(codes + row * args->codeStride, 0, args->paddedChannels);
    for (channel = 0; channel < args->channels; channel++) {
      const int32_t code = pattern == ALL_HIGHEST  ? 127
                           : pattern == ALL_LOWEST ? -127
                           : pattern == EITHER_END ? (one_in(2) ? 127 : -127)
                                                   : (int32_t)below(255) - 127;
      codes[row * args->codeStride + channel] = (int8_t)code;
      sums[row * args->groupSumStride + channel / args->groupLength] += code;
    }
  }
  args->codes = codes;
  args->groupSums = sums;
}

// Scales or offsets of every group and output.
static const void *draw_table(const level *drawn) {
  const size_t count = (size_t)drawn->panels * drawn->groups * 16;
  const enum contents contents = draw_contents();
  float *floats;
  uint16_t *half_floats;
  size_t i;
  switch (drawn->args.scaleType) {
    case SNQ_GROUP_FLOAT32:
      floats = room(4 * count, 64);
      for (i = 0; i < count; i++) floats[i] = draw_real(contents);
      return floats;
    case SNQ_GROUP_FLOAT16:
      half_floats = room(2 * count, 64);
      for (i = 0; i < count; i++) half_floats[i] = draw_half(contents);
      return half_floats;
    default: return memcpy(room(count, 64), codes_of_bits(count, 8), count);
  }
}

static void draw_scales(level *drawn) {
  snq_group_matmul_args *args = &drawn->args;
  const size_t padded_outputs = 16 * (size_t)drawn->panels;
  args->groupScales = draw_table(drawn);
  args->groupOffsets = one_in(3) ? draw_table(drawn) : NULL;
  if (args->scaleType == SNQ_GROUP_UINT8) {
    args->outputScale = reals(padded_outputs, draw_contents());
    if (args->groupOffsets) args->outputOffset = reals(padded_outputs, draw_contents());
  }
  args->rowScaleStride = drawn->row_groups + below(4);
  args->rowScales = reals(args->rowScaleStride * (drawn->rows - 1) + drawn->row_groups, draw_contents());
  if (one_in(5)) args->rowScaleStride = 0;
  args->bias = one_in(2) ? reals(padded_outputs, draw_contents()) : NULL;
}

void check_groups(const kernel *kernel) {
  level drawn;
  snq_group_matmul_args *args = &drawn.args;
  float *expected, *actual;
  size_t count;
  memset(&drawn, 0, sizeof drawn);
  draw_shape(kernel, &drawn);
  draw_weights(&drawn);
  draw_codes(&drawn);
  draw_scales(&drawn);
  args->mode = one_in(2) ? SNQ_START : SNQ_ACCUMULATE;
  args->outputStride = args->outputs + below(4);
  count = args->outputStride * (drawn.rows - 1) + args->outputs;
  // Half of them are not written.
  expected = reals(count, draw_contents());
  actual = copy_of(expected, count);
  describe("W%u of kind %d - %d, mode %u, %u x %u x %u, rows %u to %u, panels %u to %u, groups of %u and %u, "
           "scales %u, offsets %d, pattern %d",
           args->weightBits, drawn.weights, args->weightConstant, args->mode, drawn.rows, args->outputs, args->channels,
           drawn.row_begin, drawn.row_end, drawn.panel_begin, drawn.panel_end, args->groupLength, args->rowGroupLength,
           args->scaleType, args->groupOffsets != NULL, drawn.pattern);
  args->output = expected;
  snq_group_matmul_any_8x1__portable(args, drawn.row_begin, drawn.row_end, drawn.panel_begin, drawn.panel_end);
  args->output = actual;
  args->scratch = room(SNQ_GROUP_SCRATCH_NEON, 64);
  if (kernel->function)
    ((snq_group_matmul_function)kernel->function)(args, drawn.row_begin, drawn.row_end, drawn.panel_begin,
                                                  drawn.panel_end);
  compare_reals("output", expected, actual, count);
}
