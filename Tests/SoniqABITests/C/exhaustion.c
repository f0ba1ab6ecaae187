// Memory runs out at every place of open, create, run, pack, multiply, a sampler's create and a tokenizer: each ends in OK or
// OUT_OF_MEMORY, leaves nothing behind, and succeeds when it is called again with memory.
// usage: exhaustion [-p POINTS] MODEL...      (POINTS: at most so many of each sweep; default 100)
#define _GNU_SOURCE
#include "failing_memory.h"

#include <sys/wait.h>
#include <unistd.h>

static const char *path;
static soniq_model *model;
static uint32_t isa, threads;
static long most_points = 100;
static unsigned char *bytes;  // of the file, aligned
static size_t byte_count;

// One call of the library, which undoes what it did when it succeeded.
typedef soniq_status (*operation)(soniq_error **error);

static soniq_status open_file(soniq_error **error) {
  soniq_model *opened = NULL;
  soniq_status status = soniq_model_open(&opened, path, NULL, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (opened != NULL));
  soniq_model_destroy(opened);
  return status;
}

static soniq_status open_copy(soniq_error **error) {
  soniq_model *opened = NULL;
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_status status;
  options.flags = SONIQ_MODEL_COPY | SONIQ_MODEL_VERIFY;
  status = soniq_model_open_memory(&opened, bytes, byte_count, &options, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (opened != NULL));
  soniq_model_destroy(opened);
  return status;
}

static soniq_session_options session_options(void) {
  static const soniq_size_limit limits[2] = {{"batch", 2}, {"sequence", 16}};
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  uint32_t index;
  options.thread_count = threads;
  options.maximum_isa = isa;
  options.allocator = failing == FAIL_HOOK_ONCE || failing == FAIL_HOOK_FROM ? &hooks : NULL;
  options.flags = SONIQ_SESSION_PROFILE;
  // Only the encoders have these sizes.
  if (soniq_model_input_index(model, "input_ids", &index, NULL) == SONIQ_OK) {
    options.size_limits = limits;
    options.size_limit_count = 2;
  }
  return options;
}

static uint64_t copied_bytes(const soniq_model *of) {
  soniq_model_statistics statistics = SONIQ_MODEL_STATISTICS_INIT;
  OK(soniq_model_get_statistics(of, &statistics, &error));
  return statistics.copied_weight_bytes;
}

static soniq_status create_session(soniq_error **error) {
  enum failing how = failing;
  long point = failing_point;
  soniq_session *session = NULL;
  soniq_session_options options = session_options();
  soniq_status status;
  begin_failing(how == FAIL_ADDRESS_SPACE ? FAIL_NOTHING : how, point);
  failing = how;
  status = soniq_session_create(&session, model, &options, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (session != NULL));
  soniq_session_destroy(session);
  return status;
}

// The first session of a model, for which the model's weights are put into other layouts.
static soniq_status open_and_create(soniq_error **error) {
  enum failing how = failing;
  long point = failing_point;
  const soniq_model *shared = model;
  soniq_model *opened = NULL;
  soniq_session *session = NULL;
  soniq_session_options options = session_options();
  soniq_status status;
  end_failing();
  options.allocator = NULL;
  OK(soniq_model_open(&opened, path, NULL, &error));
  if (opened == NULL) return SONIQ_ERROR_INTERNAL;
  begin_failing(how, point);
  status = soniq_session_create(&session, opened, &options, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (session != NULL));
  if (status != SONIQ_OK) {
    // What is there now serves the next try, which makes the rest.
    soniq_session *next = NULL;
    OK(soniq_session_create(&next, opened, &options, &error));
    CHECK(copied_bytes(opened) == copied_bytes(shared));
    soniq_session_destroy(next);
  } else {
    CHECK(copied_bytes(opened) == copied_bytes(shared));
  }
  soniq_session_destroy(session);
  soniq_model_destroy(opened);
  return status;
}

static soniq_status workspace_size(soniq_error **error) {
  size_t size = 0;
  soniq_session_options options = session_options();
  soniq_status status = soniq_session_workspace_size(model, &options, &size, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (size > 0));
  return status;
}

static float weights[96 * 160];
static float input[64 * 160], output[64 * 96];

static soniq_matrix_options matrix_options(void) {
  static uint8_t map[160];
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  int i;
  for (i = 0; i < 160; i++) map[i] = i % 3 == 0;
  options.level_count = 2;
  options.levels[0].weight_bits = 3;
  options.levels[0].activation_bits = 8;
  options.levels[1].weight_bits = 4;
  options.levels[1].activation_bits = 4;
  options.channel_levels = map;
  options.maximum_isa = isa;
  options.allocator = failing == FAIL_HOOK_ONCE || failing == FAIL_HOOK_FROM ? &hooks : NULL;
  return options;
}

static soniq_status pack_matrix(soniq_error **error) {
  soniq_matrix *matrix = NULL;
  soniq_matrix_options options = matrix_options();
  soniq_status status = soniq_matrix_pack(&matrix, weights, 96, 160, &options, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (matrix != NULL));
  soniq_matrix_destroy(matrix);
  return status;
}

// A multiplication inside of another one's parallel_for needs memory of its own.
static soniq_matrix *nested_matrix;
static soniq_error **nested_error;
static soniq_status nested_status;
static enum failing nested_failing;
static long nested_point;
static int depth;

static uint32_t pool_width(void *context) {
  (void)context;
  return 2;
}

static int32_t pool_run(void *context, uint32_t count, void (*body)(void *, uint32_t), void *argument) {
  uint32_t index;
  (void)context;
  if (depth == 1) {
    depth = 2;
    begin_failing(nested_failing, nested_point);
    nested_status = soniq_matrix_multiply(nested_matrix, input, 0, 64, output, 0, nested_error);
    end_failing();
    depth = 3;
  }
  for (index = 0; index < count; index++) body(argument, index);
  return 0;
}

static soniq_status multiply_nested(soniq_error **error) {
  static const soniq_thread_pool pool = {(uint32_t)sizeof(soniq_thread_pool), 0, NULL, pool_width, pool_run};
  soniq_matrix_options options = matrix_options();
  soniq_status status;
  nested_failing = failing;
  nested_point = failing_point;
  nested_error = error;
  end_failing();
  options.thread_pool = &pool;
  nested_matrix = NULL;
  depth = 0;
  OK(soniq_matrix_pack(&nested_matrix, weights, 96, 160, &options, &error));
  if (nested_matrix == NULL) return SONIQ_ERROR_INTERNAL;
  depth = 1;
  nested_status = SONIQ_OK;
  status = soniq_matrix_multiply(nested_matrix, input, 0, 64, output, 0, NULL);
  CHECK(status == SONIQ_OK && depth == 3);
  soniq_matrix_destroy(nested_matrix);
  return nested_status;
}

// Mistakes whose errors name things: the status stays, whatever becomes of the text.
static soniq_status make_mistakes(soniq_error **error) {
  uint32_t index = 0;
  soniq_error *none = NULL;
  soniq_status status = soniq_model_input_index(model, "no such input, and a name that is quite long", &index, &none);
  soniq_metadata entry = SONIQ_METADATA_INIT;
  soniq_status other = soniq_model_metadata_find(model, "nor such a key", &entry, error);
  end_failing();
  CHECK(status == SONIQ_ERROR_NOT_FOUND && none != NULL && soniq_error_message(none)[0] != 0);
  CHECK(other == SONIQ_ERROR_NOT_FOUND && *error != NULL && soniq_error_message(*error)[0] != 0);
  soniq_error_destroy(none);
  soniq_error_destroy(*error);
  *error = NULL;
  return SONIQ_OK;
}

static long points, refused;

// One point: the outcome, and the same call again with memory.
static int fails_well(operation perform, enum failing how, long point) {
  soniq_error *error = NULL;
  soniq_status status;
  long fulfilled;
  begin_failing(how, point);
  status = perform(&error);
  end_failing();
  fulfilled = status == SONIQ_OK && error == NULL;
  if (!fulfilled && (status != SONIQ_ERROR_OUT_OF_MEMORY || error == NULL || soniq_error_message(error)[0] == 0)) {
    fprintf(stderr, "way %d, point %ld: %s: %s\n", (int)how, point, soniq_status_name(status), soniq_error_message(error));
    CHECK(0 && "OK or OUT_OF_MEMORY");
  }
  soniq_error_destroy(error);
  points++;
  refused += !fulfilled;
  return (int)fulfilled;
}

// Every way of failing at points up to `last` (kB of address space, or the number of a call). What failures leave
// behind shows in every sweep but the first; what the runtime keeps of its types, once.
static void sweep(operation perform, enum failing how, long last) {
  long step = last / most_points + 1, point;
  long least = 1 << 30;
  int round;
  for (round = 0; round < 3; round++) {
    long blocks = live_blocks, hook_bytes = live_hook_bytes;
    for (point = how == FAIL_ADDRESS_SPACE ? 0 : 1 + (round > 0) % step; point <= last; point += step) {
      fails_well(perform, how, point);
      if (point % 5 == 0) CHECK(fails_well(perform, FAIL_NOTHING, 0));
    }
    CHECK(live_hook_bytes == hook_bytes);
    if (round > 0 && live_blocks - blocks < least) least = live_blocks - blocks;
  }
  if (least > 0) fprintf(stderr, "way %d leaves %ld blocks each time\n", (int)how, least);
  CHECK(least <= 0);
  CHECK(fails_well(perform, FAIL_NOTHING, 0));
}

static void sweep_all(const char *name, operation perform, int has_hooks) {
  long mallocs, maps, space, before = points, before_refused = refused;
  CHECK(fails_well(perform, FAIL_NOTHING, 0));
  begin_failing(FAIL_MALLOC_ONCE, -1);
  perform(&(soniq_error *){NULL});
  mallocs = malloc_calls;
  maps = map_calls;
  sweep(perform, FAIL_MALLOC_ONCE, mallocs + 1);
  sweep(perform, FAIL_MALLOC_FROM, mallocs + 1);
  sweep(perform, FAIL_MAP_ONCE, maps + 1);
  sweep(perform, FAIL_MAP_FROM, maps + 1);
  if (has_hooks) {
    begin_failing(FAIL_HOOK_ONCE, -1);
    perform(&(soniq_error *){NULL});
    CHECK(hook_calls > 0);
    sweep(perform, FAIL_HOOK_ONCE, hook_calls + 1);
    sweep(perform, FAIL_HOOK_FROM, hook_calls + 1);
  }
  if (!machine_is_emulated()) {
    // As much as it needs, found by doubling.
    for (space = 64; !fails_well(perform, FAIL_ADDRESS_SPACE, space) && space < 1 << 22; space *= 2) {
    }
    sweep(perform, FAIL_ADDRESS_SPACE, space);
  }
  printf("%s, isa %s, %u threads: %ld points, %ld refused\n", name, soniq_isa_name(isa), (unsigned)threads,
         points - before, refused - before_refused);
  fflush(stdout);
}

static soniq_status create_sampler(soniq_error **error) {
  static const soniq_token_bias biases[2] = {{3, 1.0f}, {999, -1.0f}};
  soniq_sampler *sampler = NULL;
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_status status;
  options.biases = biases;
  options.bias_count = 2;
  options.presence_penalty = 1;
  options.allocator = failing == FAIL_HOOK_ONCE || failing == FAIL_HOOK_FROM ? &hooks : NULL;
  status = soniq_sampler_create(&sampler, 1000, &options, error);
  end_failing();
  CHECK((status == SONIQ_OK) == (sampler != NULL));
  soniq_sampler_destroy(sampler);
  return status;
}

// Makes the model's tokenizer and uses it.
static soniq_status use_tokenizer(soniq_error **error) {
  static const char written[] = "<s>hello hel e\xcc\x81 <tool>";
  soniq_tokenizer *tokenizer = NULL;
  int32_t tokens[64];
  char text[64];
  size_t count = 0, length = 0;
  soniq_status status = soniq_tokenizer_create(&tokenizer, model, error);
  if (status == SONIQ_OK)
    status = soniq_tokenizer_encode(tokenizer, written, sizeof written - 1, SONIQ_ENCODE_PARSE_SPECIAL, tokens, 64,
                                    &count, error);
  if (status == SONIQ_OK) status = soniq_tokenizer_decode(tokenizer, tokens, count, 0, text, 64, &length, error);
  end_failing();
  CHECK(status != SONIQ_OK || (count > 0 && length > 0));
  soniq_tokenizer_destroy(tokenizer);
  return status;
}

static void test_samplers(void) { sweep_all("make a sampler", create_sampler, 1); }

static void test_matrices(void) {
  int i;
  for (i = 0; i < MACHINE_ISAS && machine_isas[i].isa <= soniq_cpu_isa(); i++) {
    isa = machine_isas[i].isa;
    sweep_all("pack", pack_matrix, 1);
    sweep_all("multiply", multiply_nested, 1);
  }
}

static void test_model(void) {
  int i;
  bytes = read_file(path, &byte_count);
  if (bytes == NULL) exit(2);
  isa = SONIQ_ISA_DEFAULT;
  threads = 1;
  sweep_all("open", open_file, 0);
  sweep_all("open a copy and verify it", open_copy, 0);
  OK(soniq_model_open(&model, path, NULL, &error));
  if (model == NULL) return;
  sweep_all("mistakes", make_mistakes, 0);
  // Other files have none.
  if (use_tokenizer(NULL) == SONIQ_OK) sweep_all("use a tokenizer", use_tokenizer, 0);
  for (i = 0; i < MACHINE_ISAS && machine_isas[i].isa <= soniq_cpu_isa(); i++) {
    isa = machine_isas[i].isa;
    sweep_all("workspace size", workspace_size, 0);
    for (threads = 1; threads <= 3; threads += 2) sweep_all("create", create_session, 1);
    soniq_model_destroy(model);
    // Whose copied weights are those of this instruction set alone.
    OK(soniq_model_open(&model, path, NULL, &error));
    threads = 1;
    CHECK(fails_well(create_session, FAIL_NOTHING, 0));
    sweep_all("open and create", open_and_create, 0);
  }
  soniq_model_destroy(model);
  free(bytes);
}

// In a process of its own, so that a crash is one failure; the totals come through a pipe.
static void in_child(const char *name, void (*test)(void)) {
  int ends[2], status = 0;
  long totals[4] = {0, 1, 0, 0};
  pid_t child;
  fflush(stdout);
  if (pipe(ends) != 0 || (child = fork()) < 0) exit(2);
  if (child == 0) {
    check_passed = check_failed = 0;
    points = refused = 0;
    test();
    totals[0] = check_passed, totals[1] = check_failed, totals[2] = points, totals[3] = refused;
    _exit(write(ends[1], totals, sizeof totals) == (ssize_t)sizeof totals ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], totals, sizeof totals) != (ssize_t)sizeof totals) totals[1] = 1;
  close(ends[0]);
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) fprintf(stderr, "%s: ended by signal %d\n", name, WTERMSIG(status));
  check_passed += (int)totals[0];
  check_failed += (int)totals[1];
  points += totals[2];
  refused += totals[3];
}

int main(int argc, char **argv) {
  int i;
  for (i = 0; i < 96 * 160; i++) weights[i] = (float)(i % 17 - 8);
  for (i = 0; i < 64 * 160; i++) input[i] = (float)(i % 13 - 6);
  if (machine_is_emulated()) check_skip("limits of the address space: the emulator has none");
  in_child("samplers", test_samplers);
  in_child("matrices", test_matrices);
  for (i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-p") == 0 && i + 1 < argc) {
      most_points = atol(argv[++i]);
      continue;
    }
    path = argv[i];
    printf("--- %s\n", path);
    fflush(stdout);
    in_child(path, test_model);
  }
  printf("%ld points, %ld of them refused, the others done\n", points, refused);
  return check_report();
}
