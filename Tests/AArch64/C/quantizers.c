// Quantisers, and codes that a host made: snq_quantize, snq_quantize_groups, snq_take_codes.
#include <string.h>

#include "check.h"

// What is written for the levels of a matrix: [0] by the portable kernel, [1] by the one that is tested.
typedef struct {
  uint32_t rows, levels;
  size_t code_bytes[SNQ_LEVELS];
  uint8_t *codes[2][SNQ_LEVELS];
  snq_row_params *parameters[2];
} written;

// Cuts channels into at most so many levels of one channel or more, and says how many they are.
static uint32_t draw_levels(uint32_t channels, uint32_t most, uint32_t lengths[SNQ_LEVELS]) {
  const uint32_t count = between(1, channels < most ? channels : most);
  uint32_t left = channels, level;
  for (level = 0; level < count; level++) {
    const uint32_t behind = count - 1 - level;
    lengths[level] = behind ? between(1, left - behind) : left;
    left -= lengths[level];
  }
  return count;
}

static written make_written(uint32_t rows, uint32_t levels) {
  written results;
  int side;
  memset(&results, 0, sizeof results);
  results.rows = rows;
  results.levels = levels;
  for (side = 0; side < 2; side++) results.parameters[side] = room(sizeof(snq_row_params) * rows * levels, 4);
  return results;
}

// Gives both sides a level with memory of its own; what `level` does not say yet is drawn.
static void add_level(written *results, uint32_t index, snq_activation_level level, snq_activation_level *sides[2]) {
  int side;
  level.paddedChannels = rounded_up(level.channels, one_in(2) ? 32 : 4);
  level.codeStride = level.paddedChannels + below(3);
  level.rowStride = results->levels;
  results->code_bytes[index] = level.codeStride * (results->rows - 1) + level.paddedChannels;
  for (side = 0; side < 2; side++) {
    results->codes[side][index] = room(results->code_bytes[index], 1);
    level.codes = results->codes[side][index];
    level.rows = results->parameters[side] + index;
    sides[side][index] = level;
  }
}

static void compare_written(const written *results) {
  uint32_t level;
  for (level = 0; level < results->levels; level++)
    compare_bytes("codes", results->codes[0][level], results->codes[1][level], results->code_bytes[level]);
  compare_bytes("parameters", results->parameters[0], results->parameters[1],
                sizeof(snq_row_params) * results->rows * results->levels);
}

static snq_activation_level draw_activation_level(uint32_t begin, uint32_t channels) {
  snq_activation_level level;
  memset(&level, 0, sizeof level);
  level.begin = begin;
  level.channels = channels;
  level.kind = one_in(2) ? SNQ_BIPOLAR : SNQ_AFFINE;
  level.bits = between(1, level.kind == SNQ_BIPOLAR ? 7 : 8);
  level.isStatic = below(2);
  level.scale = one_in(2) ? 0.031f : 0.5f;
  level.zero = (int32_t)below(1u << level.bits);
  return level;
}

void check_quantize(const kernel *kernel) {
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t kind = in_turn(2) ? SNQ_AFFINE : SNQ_BIPOLAR, is_static = in_turn(2);
  const uint32_t bits = 1 + in_turn(kind == SNQ_BIPOLAR ? 7 : 8), channels = draw_length(), rows = between(1, 4);
  snq_quantize_args args[2];
  snq_activation_level *sides[2];
  uint32_t lengths[SNQ_LEVELS], index, begin = 0;
  written results;
  memset(args, 0, sizeof args);
  args[0].channels = channels;
  args[0].inputStride = channels + below(4);
  args[0].input = reals((rows - 1) * args[0].inputStride + channels, contents);
  args[0].gather = draw_order(channels);
  if (args[0].gather) args[0].scratch = room(4 * (size_t)channels, 4);
  args[0].levelCount = draw_levels(channels, SNQ_LEVELS, lengths);
  args[1] = args[0];
  sides[0] = args[0].levels;
  sides[1] = args[1].levels;
  results = make_written(rows, args[0].levelCount);
  for (index = 0; index < results.levels; index++) {
    snq_activation_level level = draw_activation_level(begin, lengths[index]);
    if (index == 0) {
      level.kind = kind;
      level.bits = bits;
      level.isStatic = is_static;
      level.zero = (int32_t)below(1u << bits);
    }
    add_level(&results, index, level, sides);
    begin += lengths[index];
  }
  describe("%u rows of %u channels, contents %d, kind %u, %u bits, static %u, gather %d, levels %u", rows, channels,
           contents, kind, bits, is_static, args[0].gather != NULL, results.levels);
  snq_quantize__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_quantize_function, kernel, &args[1], rows);
  compare_written(&results);
}

// Codes that no level's bits are too few for.
static uint8_t *draw_codes(const snq_take_codes_args *args, uint32_t rows) {
  uint8_t *codes = codes_of_bits((rows - 1) * args->codeStride + args->channels, 8);
  uint32_t row, index, i;
  for (index = 0; index < args->levelCount; index++) {
    const snq_activation_level *level = &args->levels[index];
    for (i = level->begin; i < level->begin + level->channels; i++)
      for (row = 0; row < rows; row++)
        codes[row * args->codeStride + (args->gather ? args->gather[i] : i)] >>= 8 - level->bits;
  }
  return codes;
}

// Null where the order of channels is not kept within the levels.
static uint64_t *second_level(const snq_take_codes_args *args) {
  const size_t words = (args->channels + 63) / 64;
  uint64_t *bits;
  uint32_t position;
  if (!args->gather || args->levelCount != 2) return NULL;
  for (position = 1; position < args->channels; position++)
    if (position != args->levels[1].begin && args->gather[position] < args->gather[position - 1]) return NULL;
  bits = zeros(8 * words, 8);
  for (position = args->levels[1].begin; position < args->channels; position++)
    bits[args->gather[position] / 64] |= (uint64_t)1 << args->gather[position] % 64;
  return bits;
}

void check_take_codes(const kernel *kernel) {
  const uint32_t channels = draw_length(), rows = between(1, 4);
  snq_take_codes_args args[2];
  snq_activation_level *sides[2];
  uint32_t lengths[SNQ_LEVELS], index, begin = 0;
  written results;
  memset(args, 0, sizeof args);
  args[0].channels = channels;
  args[0].codeStride = channels + below(4);
  args[0].gather = draw_order(channels);
  args[0].levelCount = draw_levels(channels, SNQ_LEVELS, lengths);
  if (args[0].levelCount == 2 && one_in(2)) {
    lengths[0] = channels - (channels + 4) / 5;  // as one of the orders has it
    lengths[1] = channels - lengths[0];
  }
  if (one_in(2)) args[0].zeros = integers((size_t)rows * args[0].levelCount, 0, 255);
  args[1] = args[0];
  sides[0] = args[0].levels;
  sides[1] = args[1].levels;
  results = make_written(rows, args[0].levelCount);
  for (index = 0; index < results.levels; index++) {
    add_level(&results, index, draw_activation_level(begin, lengths[index]), sides);
    begin += lengths[index];
  }
  args[0].codes = args[1].codes = draw_codes(&args[0], rows);
  args[0].secondLevel = args[1].secondLevel = second_level(&args[0]);
  describe("%u rows of %u channels, gather %d, levels %u, zeros %d", rows, channels, args[0].gather != NULL,
           results.levels, args[0].zeros != NULL);
  snq_take_codes__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_take_codes_function, kernel, &args[1], rows);
  compare_written(&results);
}

// --- Scales per group ---

typedef struct {
  size_t codes, sums, scales;
} group_sizes;

// How many groups there are; a length of 0 is one of all channels.
static uint32_t groups_of(uint32_t channels, uint32_t length) {
  return length ? (channels + length - 1) / length : 1;
}

static group_sizes sizes_of(const snq_group_activation_level *level, uint32_t rows) {
  group_sizes sizes;
  sizes.codes = (rows - 1) * level->codeStride + level->paddedChannels;
  sizes.sums = (rows - 1) * level->groupSumStride + groups_of(level->channels, level->groupLength);
  sizes.scales = (rows - 1) * level->rowScaleStride + groups_of(level->channels, level->rowGroupLength);
  return sizes;
}

static snq_group_activation_level draw_group_level(uint32_t begin, uint32_t channels, uint32_t bits, uint32_t length) {
  snq_group_activation_level level;
  memset(&level, 0, sizeof level);
  level.begin = begin;
  level.channels = channels;
  level.paddedChannels = rounded_up(channels, one_in(2) ? 32 : 4);
  level.bits = bits;
  level.groupLength = length;
  if (length && one_in(2)) level.rowGroupLength = length * between(1, 3);
  level.isStatic = (uint32_t)one_in(3);
  level.scale = 0.02f;
  level.codeStride = level.paddedChannels + below(3);
  level.groupSumStride = groups_of(channels, length) + below(3);
  level.rowScaleStride = groups_of(channels, level.rowGroupLength) + below(3);
  return level;
}

void check_quantize_groups(const kernel *kernel) {
  static const uint32_t group_lengths[] = {0, 16, 32, 64, 128};
  const enum contents contents = (enum contents)in_turn(CONTENTS);
  const uint32_t bits = 2 + in_turn(7), length = group_lengths[in_turn(5)];
  const uint32_t channels = draw_length(), rows = between(1, 3);
  snq_quantize_groups_args args[2];
  uint32_t lengths[SNQ_LEVELS], index, begin = 0;
  int side;
  memset(args, 0, sizeof args);
  args[0].channels = channels;
  args[0].inputStride = channels + below(4);
  args[0].input = reals((rows - 1) * args[0].inputStride + channels, contents);
  args[0].gather = draw_order(channels);
  if (args[0].gather) args[0].scratch = room(4 * (size_t)channels, 4);
  args[0].levelCount = draw_levels(channels, SNQ_GROUP_LEVELS, lengths);
  args[1] = args[0];
  for (index = 0; index < args[0].levelCount; index++) {
    const uint32_t level_bits = index ? between(2, 8) : bits;
    const uint32_t level_length = index ? group_lengths[below(5)] : length;
    const snq_group_activation_level level = draw_group_level(begin, lengths[index], level_bits, level_length);
    const group_sizes sizes = sizes_of(&level, rows);
    for (side = 0; side < 2; side++) {
      args[side].levels[index] = level;
      args[side].levels[index].codes = room(sizes.codes, 1);
      args[side].levels[index].groupSums = room(4 * sizes.sums, 4);
      args[side].levels[index].rowScales = room(4 * sizes.scales, 4);
    }
    begin += lengths[index];
  }
  describe("%u rows of %u channels, contents %d, %u bits, groups of %u, gather %d, levels %u", rows, channels, contents,
           bits, length, args[0].gather != NULL, args[0].levelCount);
  snq_quantize_groups__portable(&args[0], 0, rows);
  RUN_IN_PARTS(snq_quantize_groups_function, kernel, &args[1], rows);
  for (index = 0; index < args[0].levelCount; index++) {
    const snq_group_activation_level *expected = &args[0].levels[index], *actual = &args[1].levels[index];
    const group_sizes sizes = sizes_of(expected, rows);
    compare_bytes("codes", expected->codes, actual->codes, sizes.codes);
    compare_bytes("sums", expected->groupSums, actual->groupSums, 4 * sizes.sums);
    compare_reals("scales", expected->rowScales, actual->rowScales, sizes.scales);
  }
}
