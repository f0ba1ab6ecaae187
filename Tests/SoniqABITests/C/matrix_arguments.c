// Every function of matrices with every wrong argument it can tell: an error, never a crash.
// usage: matrix_arguments
#include <math.h>

#include "check.h"

static void sizes(const float *weights) {
  soniq_matrix *matrix = (soniq_matrix *)&matrix;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(NULL, weights, 8, 8, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, NULL, 8, 8, NULL, &error));
  CHECK(matrix == NULL);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 0, 8, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 8, 0, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, SIZE_MAX, 8, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 8, SIZE_MAX / 2, NULL, &error));
  FAILS(SONIQ_ERROR_UNSUPPORTED, soniq_matrix_pack(&matrix, weights, 1, 70000, NULL, &error));
}

static void bad_options(const float *weights) {
  soniq_matrix *matrix = NULL;
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  uint8_t map[8] = {0, 1, 0, 1, 0, 1, 0, 1};
#define REJECT(field, value)                                                                      \
  do {                                                                                            \
    soniq_matrix_options fresh = SONIQ_MATRIX_OPTIONS_INIT;                                       \
    options = fresh;                                                                              \
    options.field = value;                                                                        \
    FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error)); \
  } while (0)
  REJECT(struct_size, 0);
  REJECT(struct_size, 9000);
  REJECT(level_count, 3);
  REJECT(level_count, 2);
  REJECT(channel_levels, map);
  REJECT(maximum_isa, 15);
  REJECT(thread_count, 1u << 30);
  REJECT(block_rows, 65537);
  REJECT(levels[0].weight_code, 3);
  REJECT(levels[0].weight_bits, 9);
  REJECT(levels[0].activation_code, 9);
  REJECT(levels[0].activation_bits, 9);
  REJECT(levels[0].activation_scale, -1.0f);
  REJECT(levels[0].activation_scale, 1e-42f);
  REJECT(levels[0].activation_zero, 1);
  REJECT(levels[0].reserved[1], 1);
  // 8 bits cannot be bipolar.
  REJECT(levels[0].weight_code, SONIQ_CODE_BIPOLAR);
  {
    soniq_matrix_options fresh = SONIQ_MATRIX_OPTIONS_INIT;
    options = fresh;
    options.level_count = 2;
    options.channel_levels = map;
    map[3] = 2;
    FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
    memset(map, 1, sizeof map);
    FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
  }
  outer_cap();
  CHECK(setenv("SONIQ_MAX_ISA", "everything", 1) == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 8, 8, NULL, &error));
  CHECK(setenv("SONIQ_MAX_ISA", outer_cap(), 1) == 0);
}

static void bad_numbers(const float *weights) {
  soniq_matrix *matrix = NULL;
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  float bad[64];
  memcpy(bad, weights, sizeof bad);
  bad[63] = (float)NAN;
  FAILS(SONIQ_ERROR_DATA, soniq_matrix_pack(&matrix, bad, 8, 8, NULL, &error));
  bad[0] = (float)INFINITY;
  options.bias = bad;
  FAILS(SONIQ_ERROR_DATA, soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
}

static void kernel_profiles(const float *weights) {
  soniq_matrix *matrix = NULL;
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  options.kernel_profile = "{\"version\": 1, \"machine\"";
  FAILS(SONIQ_ERROR_DATA, soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
  options.kernel_profile = "{\"version\": 1, \"machine\": \"m\", \"sizes\": [[8, 8]], \"costs\": []}";
  OK(soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
  soniq_matrix_destroy(matrix);
  // A caller with an older, shorter struct has no profile.
  options.struct_size = offsetof(soniq_matrix_options, kernel_profile);
  options.kernel_profile = "not read";
  OK(soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
  soniq_matrix_destroy(matrix);
}

static void bad_calls(const float *weights) {
  soniq_matrix *matrix = NULL;
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  float output[64];
  int32_t integers[64], zeros[8] = {0};
  uint8_t codes[64];
  const float *scales;
  soniq_matrix_info info = SONIQ_MATRIX_INFO_INIT;
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  memset(codes, 15, sizeof codes);
  options.levels[0].activation_bits = 4;
  OK(soniq_matrix_pack(&matrix, weights, 8, 8, &options, &error));
  if (matrix == NULL) return;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(NULL, weights, 0, 8, output, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, NULL, 0, 8, output, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, weights, 0, 8, NULL, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, weights, 0, 0, output, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, weights, 7, 8, output, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, weights, 0, 8, output, 7, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, weights, 0, SIZE_MAX, output, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply(matrix, weights, SIZE_MAX / 2, 8, output, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply_codes(NULL, codes, NULL, 8, integers, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply_codes(matrix, NULL, NULL, 8, integers, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply_codes(matrix, codes, NULL, 8, NULL, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply_codes(matrix, codes, NULL, 0, integers, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_multiply_codes(matrix, codes, NULL, 8, integers, 1, &error));
  OK(soniq_matrix_multiply_codes(matrix, codes, zeros, 8, integers, 0, &error));
  codes[63] = 16;
  FAILS(SONIQ_ERROR_DATA, soniq_matrix_multiply_codes(matrix, codes, zeros, 8, integers, 0, &error));
  codes[63] = 15;
  zeros[7] = 16;
  FAILS(SONIQ_ERROR_DATA, soniq_matrix_multiply_codes(matrix, codes, zeros, 8, integers, 0, &error));
  zeros[7] = -1;
  FAILS(SONIQ_ERROR_DATA, soniq_matrix_multiply_codes(matrix, codes, zeros, 8, integers, 0, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_matrix_scales(matrix, 1, &scales, &error));
  CHECK(scales == NULL);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_scales(matrix, 0, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_unpack(matrix, NULL, 64, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_unpack(matrix, output, 63, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_get_info(NULL, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_get_info(matrix, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_get_kernel(NULL, &report, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_get_kernel(matrix, NULL, &error));
  soniq_matrix_destroy(matrix);
  soniq_matrix_destroy(NULL);
}

int main(void) {
  float weights[64];
  size_t i;
  for (i = 0; i < 64; i++) weights[i] = (float)(i % 9) - 4.5f;
  sizes(weights);
  bad_options(weights);
  bad_numbers(weights);
  kernel_profiles(weights);
  bad_calls(weights);
  return check_report();
}
