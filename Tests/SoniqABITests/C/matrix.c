// Matrices: exact integers, float results, every level, whatever the host's floating-point state and memory are.
// usage: matrix
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static uint64_t state;

// A number in [0, 1): xorshift, so that a failure can be repeated from the printed seed.
static double uniform(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

static float *random_floats(size_t count) {
  float *values = malloc(count * sizeof *values);
  size_t i;
  for (i = 0; i < count; i++) values[i] = (float)(uniform() * 2 - 1);
  return values;
}

// The integer that an activation code stands for.
static int32_t activation_integer(const soniq_level *level, uint8_t code, int32_t zero) {
  uint32_t bits = level->activation_bits == 0 ? 8 : level->activation_bits;
  return level->activation_code == SONIQ_CODE_BIPOLAR ? 2 * code - ((1 << bits) - 1) : code - zero;
}

// multiply_codes against plain integers, which unpack and scales give back.
static void exact_integers(uint32_t weight_code, uint32_t weight_bits, uint32_t activation_code,
                           uint32_t activation_bits) {
  enum { outputs = 19, inputs = 45, rows = 3 };
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_matrix *matrix = NULL;
  soniq_level *level = &options.levels[0];
  float *weights = random_floats(outputs * inputs);
  float *unpacked = malloc(sizeof(float) * outputs * inputs);
  const float *scales = NULL;
  uint8_t codes[rows * inputs];
  int32_t zeros[rows], result[rows * outputs];
  int wrong = 0;
  size_t r, o, c;
  level->weight_code = weight_code;
  level->weight_bits = weight_bits;
  level->activation_code = activation_code;
  level->activation_bits = activation_bits;
  options.block_rows = 2;
  OK(soniq_matrix_pack(&matrix, weights, outputs, inputs, &options, &error));
  if (matrix == NULL) goto done;
  OK(soniq_matrix_unpack(matrix, unpacked, outputs * inputs, &error));
  OK(soniq_matrix_scales(matrix, 0, &scales, &error));
  for (c = 0; c < rows * inputs; c++) codes[c] = (uint8_t)(uniform() * (1u << activation_bits));
  for (r = 0; r < rows; r++) {
    zeros[r] = activation_code == SONIQ_CODE_BIPOLAR ? 0 : (int32_t)(uniform() * (1u << activation_bits));
  }
  OK(soniq_matrix_multiply_codes(matrix, codes, zeros, rows, result, 0, &error));
  for (r = 0; r < rows; r++) {
    for (o = 0; o < outputs; o++) {
      int32_t sum = 0;
      for (c = 0; c < inputs; c++) {
        long weight = lround((double)unpacked[o * inputs + c] / (double)scales[o]);
        sum += (int32_t)weight * activation_integer(level, codes[r * inputs + c], zeros[r]);
      }
      wrong += result[r * outputs + o] != sum;
    }
  }
  if (wrong) {
    fprintf(stderr, "W%u/%u A%u/%u: %d of %d sums are wrong\n", weight_code, weight_bits, activation_code,
            activation_bits, wrong, rows * outputs);
  }
  CHECK(wrong == 0);
done:
  free(weights);
  free(unpacked);
  soniq_matrix_destroy(matrix);
}

static double relative_error(const float *found, const double *expected, size_t count) {
  double error = 0, power = 0;
  size_t i;
  for (i = 0; i < count; i++) {
    error += (found[i] - expected[i]) * (found[i] - expected[i]);
    power += expected[i] * expected[i];
  }
  return sqrt(error / power);
}

// Float multiplication with 8-bit activations against the weights that the matrix holds, in double.
static void float_products(uint32_t bits, double tolerance) {
  enum { outputs = 33, inputs = 100, rows = 7, input_stride = 104, output_stride = 40 };
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_matrix *matrix = NULL;
  float *weights = random_floats(outputs * inputs), *input = random_floats(rows * input_stride);
  float *bias = random_floats(outputs), *unpacked = malloc(sizeof(float) * outputs * inputs);
  float *output = malloc(sizeof(float) * rows * output_stride), *again = malloc(sizeof(float) * rows * outputs);
  double expected[rows * outputs];
  float dense[rows * outputs];
  size_t r, o, c;
  options.levels[0].weight_bits = bits;
  options.bias = bias;
  OK(soniq_matrix_pack(&matrix, weights, outputs, inputs, &options, &error));
  if (matrix == NULL) goto done;
  OK(soniq_matrix_unpack(matrix, unpacked, outputs * inputs, &error));
  memset(output, 0x55, sizeof(float) * rows * output_stride);
  OK(soniq_matrix_multiply(matrix, input, input_stride, rows, output, output_stride, &error));
  for (r = 0; r < rows; r++) {
    for (o = 0; o < outputs; o++) {
      double sum = bias[o];
      for (c = 0; c < inputs; c++) sum += (double)unpacked[o * inputs + c] * input[r * input_stride + c];
      expected[r * outputs + o] = sum;
      dense[r * outputs + o] = output[r * output_stride + o];
    }
    // Nothing is written between the rows.
    for (o = outputs; o < output_stride; o++) {
      uint32_t word;
      memcpy(&word, &output[r * output_stride + o], sizeof word);
      CHECK(word == 0x55555555u);
    }
  }
  CHECK(relative_error(dense, expected, rows * outputs) < tolerance);
  // Row by row gives the same bits.
  for (r = 0; r < rows; r++) {
    OK(soniq_matrix_multiply(matrix, input + r * input_stride, 0, 1, again + r * outputs, 0, &error));
  }
  CHECK(memcmp(again, dense, sizeof dense) == 0);
done:
  free(weights);
  free(input);
  free(bias);
  free(unpacked);
  free(output);
  free(again);
  soniq_matrix_destroy(matrix);
}

// Two levels over scattered channels: the same bits on every instruction set and number of threads.
static void two_levels(void) {
  enum { outputs = 40, inputs = 96, rows = 9 };
  float *weights = random_floats(outputs * inputs), *input = random_floats(rows * inputs);
  float first[rows * outputs], other[rows * outputs];
  uint8_t map[inputs];
  size_t c, cap, threads;
  for (c = 0; c < inputs; c++) map[c] = c % 3 == 1;
  for (cap = 0; cap < MACHINE_ISAS; cap++) {
    const uint32_t isa = machine_isas[cap].isa;
    if (isa > newest_isa()) {
      check_skip(machine_isas[cap].name);
      continue;
    }
    for (threads = 1; threads <= 2; threads++) {
      soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
      soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
      soniq_matrix_info info = SONIQ_MATRIX_INFO_INIT;
      soniq_matrix *matrix = NULL;
      options.level_count = 2;
      options.levels[0].weight_bits = 4;
      options.channel_levels = map;
      options.maximum_isa = isa;
      options.thread_count = (uint32_t)threads;
      OK(soniq_matrix_pack(&matrix, weights, outputs, inputs, &options, &error));
      if (matrix == NULL) continue;
      OK(soniq_matrix_multiply(matrix, input, 0, rows, cap + threads == 1 ? first : other, 0, &error));
      if (cap + threads == 1) memcpy(other, first, sizeof first);
      CHECK(memcmp(first, other, sizeof first) == 0);
      OK(soniq_matrix_get_kernel(matrix, &report, &error));
      CHECK(report.kernel != NULL && strlen(report.kernel) > 0 && report.isa == isa);
      OK(soniq_matrix_get_info(matrix, &info, &error));
      CHECK(info.outputs == outputs && info.inputs == inputs && info.level_count == 2);
      CHECK(info.weight_bytes >= 48 * (64 / 2 + 32) && info.byte_count > info.weight_bytes);
      CHECK(info.isa == isa);
      soniq_matrix_destroy(matrix);
    }
  }
  free(weights);
  free(input);
}

// Packs and unpacks, with numbers whose squares overflow; 1 when the result is `expected` (or written there).
static int packs_to(const float *weights, size_t outputs, size_t inputs, float *expected, int first) {
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_matrix *matrix = NULL;
  float *unpacked = calloc(outputs * inputs, sizeof *unpacked);
  int good;
  options.levels[0].weight_bits = 3;
  good = unpacked != NULL && soniq_matrix_pack(&matrix, weights, outputs, inputs, &options, NULL) == SONIQ_OK &&
         soniq_matrix_unpack(matrix, unpacked, outputs * inputs, NULL) == SONIQ_OK;
  if (good && first) memcpy(expected, unpacked, outputs * inputs * sizeof *unpacked);
  good = good && memcmp(expected, unpacked, outputs * inputs * sizeof *unpacked) == 0;
  soniq_matrix_destroy(matrix);
  free(unpacked);
  return good;
}

// A host that traps floating-point exceptions, or rounds its own way, changes nothing, and keeps its state.
static void float_state(void) {
  enum { outputs = 4, inputs = 24 };
  const machine_float_state saved = machine_get_float_state();
  float *weights = random_floats(outputs * inputs), expected[outputs * inputs];
  size_t i;
  for (i = 0; i < inputs; i++) weights[i] *= 1e30f;
  for (i = inputs; i < 2 * inputs; i++) weights[i] *= 1e-36f;
  CHECK(packs_to(weights, outputs, inputs, expected, 1));
  for (i = 0; i < MACHINE_FLOAT_STATES; i++) {
    int good;
    machine_float_state before = machine_enter_float_state(i), after;
    good = packs_to(weights, outputs, inputs, expected, 0);
    after = machine_get_float_state();
    machine_set_float_state(saved);
    CHECK(good && machine_same_float_state(before, after));
  }
  free(weights);
}

// However little memory there is, the answer is a status and never the end of the process.
static void scarce_memory(void) {
  enum { outputs = 512, inputs = 512 };
  float *weights = random_floats(outputs * inputs), *unpacked = malloc(sizeof(float) * outputs * inputs);
  int refused = 0, packed = 0;
  rlim_t room;
  for (room = 0; room < 12u << 20; room += 256u << 10) {
    int status = -1;
    pid_t child;
    fflush(NULL);
    child = fork();
    if (child == 0) {
      soniq_matrix *matrix = NULL;
      soniq_status result;
      unsigned long pages = 0;
      FILE *sizes = fopen("/proc/self/statm", "r");
      struct rlimit limit;
      if (sizes == NULL || fscanf(sizes, "%lu", &pages) != 1) _exit(9);
      fclose(sizes);
      limit.rlim_cur = limit.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + room;
      if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(9);
      result = soniq_matrix_pack(&matrix, weights, outputs, inputs, NULL, NULL);
      if (result == SONIQ_OK) result = soniq_matrix_unpack(matrix, unpacked, outputs * inputs, NULL);
      soniq_matrix_destroy(matrix);
      _exit(result == SONIQ_OK ? 0 : result == SONIQ_ERROR_OUT_OF_MEMORY ? 1 : 9);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    refused += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    packed += WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  CHECK(refused > 0 && packed > 0);
  free(weights);
  free(unpacked);
}

int main(void) {
  uint32_t weight_bits, activation_bits;
  const char *seed = getenv("SONIQ_TEST_SEED");
  state = seed ? strtoull(seed, NULL, 10) : 20261121u;
  printf("seed %llu\n", (unsigned long long)state);
  state |= 1;
  for (weight_bits = 1; weight_bits <= 8; weight_bits++) {
    for (activation_bits = 1; activation_bits <= 8; activation_bits++) {
      exact_integers(SONIQ_CODE_AFFINE, weight_bits, SONIQ_CODE_AFFINE, activation_bits);
      if (weight_bits < 8) exact_integers(SONIQ_CODE_BIPOLAR, weight_bits, SONIQ_CODE_AFFINE, activation_bits);
      if (weight_bits < 8 && activation_bits < 8) {
        exact_integers(SONIQ_CODE_BIPOLAR, weight_bits, SONIQ_CODE_BIPOLAR, activation_bits);
      }
    }
  }
  float_products(8, 0.01);
  float_products(4, 0.01);
  float_products(2, 0.01);
  two_levels();
  float_state();
  if (machine_is_emulated()) {
    check_skip("scarce memory: the emulator has no limits of the address space");
  } else {
    scarce_memory();
  }
  return check_report();
}
