// Samplers: what each option does, and every wrong argument.
// usage: sampler
#include <math.h>

#include "host_memory.h"
#include "struct_sizes.h"

enum { TOKENS = 70, DRAWS = 2000 };

static const float few[4] = {1.0f, 3.0f, 2.0f, 3.0f};

static soniq_sampler *make(uint32_t vocabulary, const soniq_sampler_options *options) {
  soniq_sampler *sampler = NULL;
  OK(soniq_sampler_create(&sampler, vocabulary, options, &error));
  return sampler;
}

static int32_t choose(soniq_sampler *sampler, const float *logits, size_t count, const uint32_t *allowed) {
  int32_t token = -1;
  OK(soniq_sampler_sample(sampler, logits, count, allowed, &token, NULL, &error));
  return token;
}

static void takes_the_greatest(void) {
  soniq_sampler *sampler = make(4, NULL);
  float probability = 0;
  int32_t token = -1;
  uint32_t allowed[1] = {0xfffffff5u};
  OK(soniq_sampler_sample(sampler, few, 4, NULL, &token, &probability, &error));
  CHECK(token == 1);
  CHECK(fabs(probability - (3 - log(exp(1) + 2 * exp(3) + exp(2)))) < 1e-6);
  CHECK(choose(sampler, few, 4, allowed) == 2);
  allowed[0] = 8;
  OK(soniq_sampler_sample(sampler, few, 4, allowed, &token, &probability, &error));
  CHECK(token == 3 && fabs(probability - (3 - log(exp(1) + 2 * exp(3) + exp(2)))) < 1e-6);
  soniq_sampler_destroy(sampler);
}

// How often each of four tokens is chosen.
static void count_draws(const soniq_sampler_options *options, int *counts) {
  soniq_sampler *sampler = make(4, options);
  int draw;
  memset(counts, 0, 4 * sizeof *counts);
  for (draw = 0; draw < DRAWS; draw++) counts[choose(sampler, few, 4, NULL) & 3]++;
  soniq_sampler_destroy(sampler);
}

static int near(int count, double part) { return fabs(count - part * DRAWS) < 5 * sqrt(DRAWS * 0.25); }

static void draws_by_probability(void) {
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  const double sum = exp(1) + 2 * exp(3) + exp(2), sharp = 2 + exp(-2) + exp(-4);
  int counts[4];
  options.seed = 5;
  options.temperature = 1;
  count_draws(&options, counts);
  CHECK(near(counts[0], exp(1) / sum) && near(counts[1], exp(3) / sum) && near(counts[2], exp(2) / sum));
  CHECK(near(counts[3], exp(3) / sum) && counts[0] > 0);
  options.temperature = 0.5f;
  count_draws(&options, counts);
  CHECK(near(counts[1], 1 / sharp) && near(counts[2], exp(-2) / sharp) && near(counts[0], exp(-4) / sharp));
  options.temperature = 1;
  options.top_k = 3;
  count_draws(&options, counts);
  CHECK(counts[0] == 0 && near(counts[2], exp(2) / (sum - exp(1))));
  options.top_k = 1;
  count_draws(&options, counts);
  CHECK(counts[1] == DRAWS);
  options.top_k = 0;
  options.top_p = 0.5f;
  count_draws(&options, counts);
  CHECK(counts[0] == 0 && counts[2] == 0 && near(counts[1], 0.5) && near(counts[3], 0.5));
  options.top_k = 2;
  count_draws(&options, counts);
  CHECK(counts[1] == DRAWS);
  options.top_p = 0;
  options.top_k = 0;
  options.min_p = 0.3f;
  count_draws(&options, counts);
  CHECK(counts[0] == 0 && counts[2] > 0);
  options.min_p = 0.4f;
  count_draws(&options, counts);
  CHECK(counts[2] == 0 && near(counts[3], 0.5));
}

static void penalises(void) {
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_token_bias biases[3] = {{0, 1.5f}, {2, -9.0f}, {0, 1.0f}};
  const float mixed[4] = {-1.0f, 0.5f, 1.0f, -1.1f};
  const int32_t tokens[3] = {2, 2, 1};
  soniq_sampler *sampler;
  options.biases = biases;
  options.bias_count = 3;
  sampler = make(4, &options);
  CHECK(choose(sampler, few, 4, NULL) == 0);
  soniq_sampler_destroy(sampler);
  options.bias_count = 0;
  options.presence_penalty = 1.25f;
  options.penalty_window = 2;
  sampler = make(4, &options);
  CHECK(choose(sampler, few, 4, NULL) == 1 && choose(sampler, few, 4, NULL) == 3);
  CHECK(choose(sampler, few, 4, NULL) == 2 && choose(sampler, few, 4, NULL) == 1);
  OK(soniq_sampler_reset(sampler, &error));
  CHECK(choose(sampler, few, 4, NULL) == 1);
  soniq_sampler_destroy(sampler);
  options.presence_penalty = 0;
  options.frequency_penalty = 0.4f;
  options.penalty_window = 0;
  sampler = make(4, &options);
  // Twice 0.4 from 1 is less than 0.5 - 0 was, and 0.5 - 0.4 less than that.
  OK(soniq_sampler_accept(sampler, tokens, 2, &error));
  CHECK(choose(sampler, mixed, 4, NULL) == 1);
  CHECK(choose(sampler, mixed, 4, NULL) == 2);
  soniq_sampler_destroy(sampler);
  options.frequency_penalty = 0;
  options.repetition_penalty = 2;
  sampler = make(4, &options);
  OK(soniq_sampler_accept(sampler, tokens, 3, &error));
  CHECK(choose(sampler, mixed, 4, NULL) == 2);
  OK(soniq_sampler_accept(sampler, NULL, 0, &error));
  {
    const uint32_t negative[1] = {9};
    const int32_t zero[1] = {0};
    // -1 becomes -2.
    OK(soniq_sampler_accept(sampler, zero, 1, &error));
    CHECK(choose(sampler, mixed, 4, negative) == 3);
  }
  soniq_sampler_destroy(sampler);
}

// Of many tokens these, on every machine and in every version: the generator and the functions are the library's own.
static void chooses_the_same_everywhere(void) {
  static const int32_t expected[12] = {59, 69, 67, 42, 23, 53, 19, 32, 40, 13, 44, 67};
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  float logits[TOKENS];
  soniq_sampler *sampler;
  int token, turn;
  for (token = 0; token < TOKENS; token++) logits[token] = (float)((token * 37) % 71 - 35) / 16;
  options.seed = 42;
  options.temperature = 0.9f;
  options.top_p = 0.95f;
  options.presence_penalty = 0.5f;
  sampler = make(TOKENS, &options);
  for (turn = 0; turn < 24; turn++) {
    int32_t chosen = choose(sampler, logits, TOKENS, NULL);
    if (chosen != expected[turn % 12]) fprintf(stderr, "turn %d: %d\n", turn, (int)chosen);
    CHECK(chosen == expected[turn % 12]);
    if (turn == 11) OK(soniq_sampler_reset(sampler, &error));
  }
  soniq_sampler_destroy(sampler);
}

// A failure uses up no chance and remembers nothing.
static void failures_change_nothing(void) {
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_sampler *first, *second;
  float bad[4];
  const uint32_t nothing[1] = {0xfffffff0u};
  const int32_t unknown[2] = {1, 4};
  int32_t token = 7;
  int turn;
  options.temperature = 1.5f;
  options.frequency_penalty = 0.25f;
  first = make(4, &options);
  second = make(4, &options);
  for (turn = 0; turn < 30; turn++) {
    const float wrong[3] = {NAN, INFINITY, -INFINITY};
    memcpy(bad, few, sizeof bad);
    bad[turn % 4] = wrong[turn % 3];
    FAILS(SONIQ_ERROR_DATA, soniq_sampler_sample(first, bad, 4, NULL, &token, NULL, &error));
    CHECK(token == 0);
    FAILS(SONIQ_ERROR_DATA, soniq_sampler_sample(first, few, 4, nothing, &token, NULL, &error));
    FAILS(SONIQ_ERROR_DATA, soniq_sampler_accept(first, unknown, 2, &error));
    CHECK(choose(first, few, 4, NULL) == choose(second, few, 4, NULL));
  }
  soniq_sampler_destroy(first);
  soniq_sampler_destroy(second);
}

static void refuses_options(void) {
  soniq_sampler *sampler = (soniq_sampler *)&sampler;
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_token_bias bias = {4, 0.0f};
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(NULL, 4, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(&sampler, 0, NULL, &error));
  CHECK(sampler == NULL);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(&sampler, 16777217, NULL, &error));
  SWEEP_STRUCT_SIZE(soniq_sampler_options, SONIQ_SAMPLER_OPTIONS_INIT,
                    soniq_sampler_create(&sampler, 4, &room.options, &error));
#define REJECT(field, value)                                                                   \
  do {                                                                                         \
    soniq_sampler_options fresh = SONIQ_SAMPLER_OPTIONS_INIT;                                  \
    options = fresh;                                                                           \
    options.field = value;                                                                     \
    FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(&sampler, 4, &options, &error));  \
  } while (0)
  REJECT(temperature, -1.0f);
  REJECT(temperature, NAN);
  REJECT(temperature, INFINITY);
  REJECT(top_p, -0.5f);
  REJECT(top_p, 1.5f);
  REJECT(top_p, NAN);
  REJECT(min_p, 1.5f);
  REJECT(min_p, -0.1f);
  REJECT(repetition_penalty, -1.0f);
  REJECT(repetition_penalty, INFINITY);
  REJECT(frequency_penalty, NAN);
  REJECT(presence_penalty, INFINITY);
  REJECT(penalty_window, 1048577);
  REJECT(bias_count, 1);
  REJECT(bias_count, 5);
  REJECT(bias_count, UINT32_MAX);
  REJECT(reserved, 1);
  options.reserved = 0;
  options.biases = &bias;
  options.bias_count = 1;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(&sampler, 4, &options, &error));
  bias.token = -1;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(&sampler, 4, &options, &error));
  bias.token = 0;
  bias.bias = INFINITY;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_create(&sampler, 4, &options, &error));
}

static void refuses_arguments(void) {
  soniq_sampler *sampler = make(4, NULL);
  soniq_matrix *matrix = NULL;
  int32_t token = 0;
  const int32_t tokens[1] = {0};
  const void *odd = (const char *)few + 1;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(NULL, few, 4, NULL, &token, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(sampler, NULL, 4, NULL, &token, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(sampler, few, 3, NULL, &token, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(sampler, few, SIZE_MAX, NULL, &token, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(sampler, few, 4, NULL, NULL, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(sampler, odd, 4, NULL, &token, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_sample(sampler, few, 4, odd, &token, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_accept(NULL, tokens, 1, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_accept(sampler, NULL, 1, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_accept(sampler, tokens, SIZE_MAX, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_sampler_reset(NULL, &error));
  OK(soniq_matrix_pack(&matrix, few, 2, 2, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_sampler_reset((soniq_sampler *)matrix, &error));
  soniq_sampler_destroy((soniq_sampler *)matrix);
  soniq_matrix_destroy(matrix);
  soniq_sampler_destroy(sampler);
  soniq_sampler_destroy(NULL);
}

// The host's allocator gives all memory, when the sampler is made.
static void asks_the_host(void) {
  soniq_allocator allocator = SONIQ_ALLOCATOR_INIT;
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_sampler *sampler = NULL;
  size_t made;
  int turn;
  allocator.allocate = allocate;
  allocator.release = release;
  options.allocator = &allocator;
  options.temperature = 1;
  options.top_k = 3;
  options.repetition_penalty = 1.1f;
  FAILS(SONIQ_ERROR_OUT_OF_MEMORY, soniq_sampler_create(&sampler, 4, &options, &error));
  allowed_allocations = 8;
  sampler = make(4, &options);
  made = allocations;
  CHECK(made > 0 && held > 0);
  for (turn = 0; turn < 100; turn++) choose(sampler, few, 4, NULL);
  CHECK(allocations == made);
  soniq_sampler_destroy(sampler);
  CHECK(held == 0);
}

int main(void) {
  takes_the_greatest();
  draws_by_probability();
  penalises();
  chooses_the_same_everywhere();
  failures_change_nothing();
  refuses_options();
  refuses_arguments();
  asks_the_host();
  return check_report();
}
