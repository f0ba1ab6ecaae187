// Row operations: what the kernels of an instruction set share the source of with the portable ones, but for
// quantisers and attention; and snq_prepare.
#include <math.h>
#include <string.h>

#include "check.h"

// Rows of numbers.
typedef struct {
  uint32_t rows, channels;
  size_t stride, count;
  float *numbers;
} matrix;

static matrix draw_matrix(uint32_t rows, uint32_t channels, enum contents contents) {
  matrix drawn;
  drawn.rows = rows;
  drawn.channels = channels;
  drawn.stride = channels + below(3);
  drawn.count = drawn.stride * (rows - 1) + channels;
  drawn.numbers = reals(drawn.count, contents);
  return drawn;
}

// Where both kernels write: memory of their own, or copies of an operand, which they are then given in its place.
typedef struct {
  int is_in_place;
  matrix sides[2];
} outputs;

static outputs draw_outputs(const matrix *operand) {
  outputs drawn;
  int side;
  drawn.is_in_place = one_in(3);
  drawn.sides[0] = *operand;
  if (!drawn.is_in_place) {
    drawn.sides[0].stride = operand->channels + below(3);
    drawn.sides[0].count = drawn.sides[0].stride * (operand->rows - 1) + operand->channels;
  }
  drawn.sides[1] = drawn.sides[0];
  for (side = 0; side < 2; side++) {
    const size_t count = drawn.sides[side].count;
    drawn.sides[side].numbers = drawn.is_in_place ? copy_of(operand->numbers, count) : room(4 * count, 4);
  }
  return drawn;
}

static void compare_outputs(const outputs *written) {
  compare_reals("output", written->sides[0].numbers, written->sides[1].numbers, written->sides[0].count);
}

void check_layer_norm(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t has_residual = in_turn(2), has_beta = in_turn(2), keeps_mean = in_turn(2);
  const uint32_t channels = draw_length(), rows = between(1, 4);
  const matrix input = draw_matrix(rows, channels, contents);
  const matrix residual = draw_matrix(rows, channels, draw_contents());
  const int replaces_residual = has_residual && one_in(2);
  const outputs written = draw_outputs(replaces_residual ? &residual : &input);
  snq_layer_norm_args args[2];
  int side;
  memset(args, 0, sizeof args);
  args[0].input = input.numbers;
  args[0].inputStride = input.stride;
  args[0].residual = has_residual ? residual.numbers : NULL;
  args[0].residualStride = residual.stride;
  args[0].gamma = reals(channels, draw_contents());
  args[0].beta = has_beta ? reals(channels, draw_contents()) : NULL;
  args[0].epsilon = 1e-5f;
  args[0].keepsMean = keeps_mean;
  args[0].channels = channels;
  args[0].outputStride = written.sides[0].stride;
  args[1] = args[0];
  for (side = 0; side < 2; side++) {
    args[side].output = written.sides[side].numbers;
    if (written.is_in_place && replaces_residual) args[side].residual = written.sides[side].numbers;
    if (written.is_in_place && !replaces_residual) args[side].input = written.sides[side].numbers;
  }
  describe("%u rows of %u channels, contents %d, residual %u, beta %u, keeps mean %u, in place %d", rows, channels,
           contents, has_residual, has_beta, keeps_mean, written.is_in_place);
  snq_layer_norm__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_layer_norm_function, kernel, &args[1], rows);
  compare_outputs(&written);
}

void check_normalize(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t channels = draw_length(), rows = between(1, 4);
  const float epsilon = one_in(4) ? NAN : one_in(2) ? 1e-12f : 0;
  const matrix input = draw_matrix(rows, channels, contents);
  const outputs written = draw_outputs(&input);
  int side;
  snq_normalize_args args[2];
  for (side = 0; side < 2; side++) {
    const matrix *output = &written.sides[side];
    snq_normalize_args filled = {0};
    filled.input = written.is_in_place ? output->numbers : input.numbers;
    filled.inputStride = input.stride;
    filled.channels = channels;
    filled.epsilon = epsilon;
    filled.output = output->numbers;
    filled.outputStride = output->stride;
    args[side] = filled;
  }
  describe("%u rows of %u channels, contents %d, in place %d", rows, channels, contents, written.is_in_place);
  snq_normalize__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_normalize_function, kernel, &args[1], rows);
  compare_outputs(&written);
}

void check_add(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t rectifies = in_turn(2), channels = draw_length(), rows = between(1, 4);
  const uint32_t right_rows = one_in(2) ? rows : between(1, rows);
  const matrix left = draw_matrix(rows, channels, contents);
  const matrix right = draw_matrix(right_rows, channels, draw_contents());
  const int replaces_right = right_rows == rows && one_in(2);
  const outputs written = draw_outputs(replaces_right ? &right : &left);
  snq_add_args args[2];
  int side;
  for (side = 0; side < 2; side++) {
    const matrix *output = &written.sides[side];
    snq_add_args filled = {0};
    filled.left = written.is_in_place && !replaces_right ? output->numbers : left.numbers;
    filled.leftStride = left.stride;
    filled.right = written.is_in_place && replaces_right ? output->numbers : right.numbers;
    filled.rightStride = right.stride;
    filled.rightRows = right_rows;
    filled.channels = channels;
    filled.rectifies = rectifies;
    filled.output = output->numbers;
    filled.outputStride = output->stride;
    args[side] = filled;
  }
  describe("%u rows of %u channels, contents %d, %u right rows, rectifies %u, in place %d", rows, channels, contents,
           right_rows, rectifies, written.is_in_place);
  snq_add__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_add_function, kernel, &args[1], rows);
  compare_outputs(&written);
}

// Functions of one float: all kinds, and now and then many numbers from all over the bit patterns.
void check_activation(const kernel *kernel) {
  static const float alphas[] = {0.3f, -0.3f, 0, 1, NAN}, betas[] = {0.7f, -INFINITY, 6, 0.5f, NAN};
  const uint32_t kind = SNQ_GELU_ERF + in_turn(SNQ_INVERSE_HYPERBOLIC_TANGENT);
  const int is_sweep = in_turn(4) == 0;
  const enum contents contents = is_sweep ? one_in(2) ? ANY_BITS : ORDINARY : (enum contents)below(CONTENTS);
  const uint32_t channels = is_sweep ? 2048 : draw_length(), rows = is_sweep ? 1 : between(1, 4);
  const matrix input = draw_matrix(rows, channels, contents);
  const outputs written = draw_outputs(&input);
  const float alpha = alphas[below(5)], beta = betas[below(5)];
  snq_activation_args args[2];
  int side;
  for (side = 0; side < 2; side++) {
    const matrix *output = &written.sides[side];
    snq_activation_args filled = {0};
    filled.kind = kind;
    filled.input = written.is_in_place ? output->numbers : input.numbers;
    filled.inputStride = input.stride;
    filled.channels = channels;
    filled.output = output->numbers;
    filled.outputStride = output->stride;
    filled.alpha = alpha;
    filled.beta = beta;
    args[side] = filled;
  }
  describe("kind %u, %u rows of %u channels, contents %d, alpha %g, beta %g, in place %d", kind, rows, channels,
           contents, (double)alpha, (double)beta, written.is_in_place);
  snq_activation__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_activation_function, kernel, &args[1], rows);
  compare_outputs(&written);
}

void check_pool(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t masks = in_turn(3), channels = draw_length(), sequence = between(1, 6), batch = between(1, 3);
  const matrix input = draw_matrix(batch * sequence, channels, contents);
  const size_t stride = channels + below(3), count = stride * (batch - 1) + channels;
  float *expected = room(4 * count, 4), *actual = room(4 * count, 4);
  const int32_t *mask = integers((size_t)batch * sequence, masks == 2 ? 0 : -1, masks == 2 ? 0 : 1);
  snq_pool_args args = {0};
  args.input = input.numbers;
  args.inputStride = input.stride;
  args.mask = masks ? mask : NULL;
  args.sequence = sequence;
  args.channels = channels;
  args.outputStride = stride;
  args.output = expected;
  describe("%u of %u positions of %u channels, contents %d, masks %u", batch, sequence, channels, contents, masks);
  snq_pool__portable(&args, 0, batch);
  args.output = actual;
  RUN_IN_PARTS(snq_pool_function, kernel, &args, batch);
  compare_reals("output", expected, actual, count);
}

// A level of a table with so many rows.
static snq_table_level draw_table_level(uint32_t begin, uint32_t channels, uint32_t kind, uint32_t bits,
                                        uint32_t rows) {
  snq_table_level level = {0};
  size_t blocks;
  level.begin = begin;
  level.channels = channels;
  level.kind = kind;
  level.bits = bits;
  level.zero = kind == SNQ_AFFINE ? (int32_t)below(1u << bits) : 0;
  level.blockLength = one_in(2) ? channels : 8 * between(1, 5);
  blocks = (channels + level.blockLength - 1) / level.blockLength;
  level.rowStride = ((size_t)channels * bits + 7) / 8;
  level.codes = codes_of_bits(rows * level.rowStride, 8);
  level.scales = halves(rows * blocks, draw_contents());
  return level;
}

void check_lookup(const kernel *kernel) {
  enum { TABLE = 5 };
  const uint32_t kind = in_turn(2) ? SNQ_AFFINE : SNQ_BIPOLAR, bits = 1 + in_turn(kind == SNQ_BIPOLAR ? 7 : 8);
  const uint32_t channels = draw_length(), rows = between(1, 5);
  const uint32_t levels = channels > 1 ? between(1, 2) : 1, first = levels == 2 ? between(1, channels - 1) : channels;
  const size_t stride = channels + below(3), count = stride * (rows - 1) + channels;
  float *expected = room(4 * count, 4), *actual = room(4 * count, 4);
  snq_lookup_args args = {0};
  args.ids = integers(rows, 0, TABLE - 1);
  args.channels = channels;
  args.scatter = draw_order(channels);
  args.levelCount = levels;
  args.levels[0] = draw_table_level(0, first, kind, bits, TABLE);
  if (levels == 2) {
    const uint32_t second_kind = one_in(2) ? SNQ_AFFINE : SNQ_BIPOLAR, second_bits = between(1, 7);
    args.levels[1] = draw_table_level(first, channels - first, second_kind, second_bits, TABLE);
  }
  args.outputStride = stride;
  args.output = expected;
  describe("%u rows of %u channels, kind %u, %u bits, levels %u", rows, channels, kind, bits, levels);
  snq_lookup__portable(&args, 0, rows);
  args.output = actual;
  RUN_IN_PARTS(snq_lookup_function, kernel, &args, rows);
  compare_reals("output", expected, actual, count);
}

// Rows for a matrix, or planes of all rows together as images for convolutions keep them.
void check_prepare(const kernel *kernel) {
  const uint32_t form = SNQ_BIT_PLANES + in_turn(3), rows = between(1, 3);
  const uint32_t bits = form == SNQ_BIT_PLANES ? 1 + in_turn(8) : form == SNQ_TABLES ? 1 + in_turn(5) : 6 + in_turn(3);
  const uint32_t channels = 32 * (one_in(8) ? between(8, 40) : between(1, 9));
  const int is_image = form == SNQ_BIT_PLANES && one_in(2);
  snq_prepare_args args = {0};
  size_t bytes;
  uint8_t *expected, *actual;
  args.codeStride = channels + below(3);
  args.codes = codes_of_bits((rows - 1) * args.codeStride + channels, bits);
  args.paddedChannels = channels;
  args.activationBits = bits;
  args.form = form;
  args.planeStride = channels / 8;
  if (form != SNQ_BIT_PLANES) {
    args.preparedStride = (form == SNQ_TABLES ? 4 : 8) * (size_t)channels;
    bytes = args.preparedStride * rows;
  } else if (is_image) {
    args.preparedStride = channels / 8;
    args.planeStride = args.preparedStride * rows + below(6);
    bytes = args.planeStride * (bits - 1) + args.preparedStride * rows;
  } else {
    args.preparedStride = args.planeStride * bits + below(6);
    bytes = args.preparedStride * (rows - 1) + args.planeStride * bits;
  }
  expected = room(bytes, form == SNQ_BIT_PLANES ? 1 : 64);
  actual = room(bytes, form == SNQ_BIT_PLANES ? 1 : 64);
  describe("form %u, %u rows of %u channels, %u bits, image %d", form, rows, channels, bits, is_image);
  args.prepared = expected;
  snq_prepare__portable(&args, 0, rows);
  args.prepared = actual;
  RUN_IN_PARTS(snq_prepare_function, kernel, &args, rows);
  compare_bytes("prepared", expected, actual, bytes);
}
