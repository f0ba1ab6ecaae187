/* Prints a hash of results for matrices of every pair of widths, and of every model given as an argument.
 * The output must be the same on every instruction set: .ci/same-bits compares it. With --cpu it prints only the
 * newest instruction set of this CPU. */
#include <inttypes.h>
#include <soniq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../Tests/SoniqABITests/C/model_sizes.h"

/* Odd sizes: the last tile and the last block are not full. */
enum { OUTPUTS = 37, INPUTS = 203, ROWS = 5, LARGEST_DYNAMIC_SIZE = 7, MOST_INPUTS = 16 };

static void require(soniq_status status, soniq_error *error, const char *what) {
  if (status == SONIQ_OK) return;
  fprintf(stderr, "same-bits: %s: %s: %s\n", what, soniq_status_name(status), soniq_error_message(error));
  exit(1);
}

static uint64_t hash(uint64_t state, const void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) state = (state ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
  return state;
}

/* Numbers in -1..1 from a fixed sequence. */
static void fill(float *values, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
    values[i] = (float)(int32_t)seed / 2147483648.0f;
  }
}

static void multiply(const char *title, const soniq_level *levels, uint32_t level_count) {
  static float weights[OUTPUTS * INPUTS], bias[OUTPUTS], input[ROWS * INPUTS], output[ROWS * OUTPUTS];
  static uint8_t channel_levels[INPUTS];
  fill(weights, OUTPUTS * INPUTS, 1);
  fill(bias, OUTPUTS, 2);
  fill(input, ROWS * INPUTS, 3);
  for (size_t i = 0; i < INPUTS; i++) channel_levels[i] = i % 3 == 0;

  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  options.level_count = level_count;
  memcpy(options.levels, levels, level_count * sizeof *levels);
  options.channel_levels = level_count == 2 ? channel_levels : NULL;
  options.bias = bias;
  soniq_matrix *matrix = NULL;
  soniq_error *error = NULL;
  soniq_status status = soniq_matrix_pack(&matrix, weights, OUTPUTS, INPUTS, &options, &error);
  if (status == SONIQ_ERROR_UNSUPPORTED) { /* the same pairs are unsupported everywhere */
    printf("%s unsupported\n", title);
    soniq_error_destroy(error);
    return;
  }
  require(status, error, title);
  for (size_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
    require(soniq_matrix_multiply(matrix, input, 0, rows, output, 0, &error), error, title);
    printf("%s rows %zu: %016" PRIx64 "\n", title, rows, hash(0, output, rows * OUTPUTS * sizeof *output));
  }
  soniq_matrix_info info = SONIQ_MATRIX_INFO_INIT;
  require(soniq_matrix_get_info(matrix, &info, &error), error, title);
  fprintf(stderr, "%s\n", soniq_isa_name(info.isa));
  soniq_matrix_destroy(matrix);
}

static void *make_input(const soniq_tensor_info *info, int follows, uint32_t index, int64_t *dimensions) {
  size_t count = 1;
  for (uint32_t d = 0; d < info->rank; d++) {
    int64_t maximum = info->maximum_dimensions[d];
    dimensions[d] = info->dimensions[d] >= 0
                        ? info->dimensions[d]
                        : model_size(follows, info->dimension_names[d], maximum, LARGEST_DYNAMIC_SIZE);
    count *= (size_t)dimensions[d];
  }
  float *values = malloc(count * sizeof *values);
  if (values == NULL) exit(1);
  fill(values, count, index + 4);
  if (info->element_type == SONIQ_INT32) {
    /* 0 and 1 are in every vocabulary; after the first input come masks. */
    int32_t *integers = (int32_t *)values;
    for (size_t i = 0; i < count; i++) integers[i] = index == 0 ? (int32_t)(i % 2) : 1;
  }
  if (info->element_type == SONIQ_FLOAT16) {
    /* Both signs, 0.5 to 1: any bits could be no number. */
    uint16_t *halves = (uint16_t *)values;
    for (size_t i = 0; i < count; i++) halves[i] = (uint16_t)((halves[2 * i] & 0x83ff) | 0x3800);
  }
  return values;
}

static void run(const char *path, uint32_t thread_count) {
  soniq_error *error = NULL;
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  options.thread_count = thread_count;
  require(soniq_model_open(&model, path, NULL, &error), error, path);
  require(soniq_session_create(&session, model, &options, &error), error, path);

  uint32_t inputs = 0, outputs = 0;
  void *values[MOST_INPUTS] = {NULL};
  require(soniq_model_input_count(model, &inputs, &error), error, path);
  require(soniq_model_output_count(model, &outputs, &error), error, path);
  if (inputs > MOST_INPUTS) exit(1);
  for (uint32_t i = 0; i < inputs; i++) {
    soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
    int64_t dimensions[SONIQ_MAXIMUM_RANK];
    require(soniq_model_input_info(model, i, &info, &error), error, path);
    values[i] = make_input(&info, sizes_follow(model), i, dimensions);
    require(soniq_session_set_input(session, i, info.element_type, info.rank, dimensions, values[i], &error),
            error, path);
  }
  require(soniq_session_run(session, &error), error, path);
  for (uint32_t i = 0; i < outputs; i++) {
    soniq_tensor tensor = SONIQ_TENSOR_INIT;
    require(soniq_session_output(session, i, &tensor, &error), error, path);
    printf("%s threads %u output %u: %016" PRIx64 "\n", path, thread_count, i,
           hash(0, tensor.data, tensor.byte_count));
  }
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  for (uint32_t i = 0; i < inputs; i++) free(values[i]);
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "--cpu") == 0) {
    puts(soniq_isa_name(soniq_cpu_isa()));
    return 0;
  }
  soniq_level levels[2] = {SONIQ_LEVEL_INIT, SONIQ_LEVEL_INIT};
  for (uint32_t code = SONIQ_CODE_BIPOLAR; code <= SONIQ_CODE_AFFINE; code++) {
    uint32_t most = code == SONIQ_CODE_BIPOLAR ? 7 : 8;
    for (uint32_t weight_bits = 1; weight_bits <= most; weight_bits++) {
      for (uint32_t activation_bits = 1; activation_bits <= most; activation_bits++) {
        char title[64];
        snprintf(title, sizeof title, "code %u w%ua%u", code, weight_bits, activation_bits);
        levels[0].weight_code = levels[0].activation_code = code;
        levels[0].weight_bits = weight_bits;
        levels[0].activation_bits = activation_bits;
        multiply(title, levels, 1);
        levels[1] = (soniq_level)SONIQ_LEVEL_INIT;
        strcat(title, " and w8a8");
        multiply(title, levels, 2);
      }
    }
  }
  for (int i = 1; i < count; i++) {
    run(arguments[i], 1);
    run(arguments[i], 2);
  }
  return 0;
}
