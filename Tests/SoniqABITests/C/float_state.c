// The floating-point state of the host's thread: results do not depend on it, no call changes it, and the host's
// callbacks find it.
// usage: float_state MODEL...
#include "any_model.h"

static machine_float_state host_state;
static int in_host_state;  // whether the state is `host_state` and not the ordinary one
static int state_changes, callback_faults, callback_calls;

static void look(void) {
  state_changes += !machine_same_float_state(machine_get_float_state(), host_state);
}

// Nothing of the test may compute in the host's state: it is entered for each call of the library alone.
#define KEEPS(call)                                                                         \
  do {                                                                                      \
    soniq_status kept_status;                                                               \
    machine_set_float_state(host_state);                                                    \
    in_host_state = 1;                                                                      \
    kept_status = (call);                                                                   \
    in_host_state = 0;                                                                      \
    look();                                                                                 \
    machine_set_float_state(machine_ordinary_float_state);                                  \
    last_status = kept_status;                                                              \
  } while (0)
#define KEEPS_VOID(call) KEEPS(((call), SONIQ_OK))

static soniq_status last_status;

static void note_callback(void) {
  const int is_kept = machine_same_float_state(machine_get_float_state(), host_state);
  callback_calls++;
  callback_faults += in_host_state && !is_kept;
}

// A callback that leaves the state other than it found it: results must not follow.
static void spoil(void) { machine_enter_float_state(1); }

static void on_log(void *context, uint32_t level, const char *message, size_t length) {
  (void)context, (void)level, (void)message, (void)length;
  note_callback();
  spoil();
}

static int32_t on_progress(void *context, uint64_t completed, uint64_t total) {
  (void)context, (void)completed, (void)total;
  note_callback();
  spoil();
  return 0;
}

static uint32_t width(void *context) {
  (void)context;
  return 2;
}

static int32_t parallel_for(void *context, uint32_t count, soniq_task_function task, void *argument) {
  uint32_t i;
  (void)context;
  note_callback();
  for (i = 0; i < count; i++) {
    task(argument, i);
    note_callback();
  }
  spoil();
  return 0;
}

static unsigned char expected[ANY_OUTPUT_BYTES], found[ANY_OUTPUT_BYTES];

// What a model says about itself, and how it fails.
static void ask_model(const soniq_model *model) {
  soniq_model_statistics sizes = SONIQ_MODEL_STATISTICS_INIT;
  soniq_metadata entry = SONIQ_METADATA_INIT;
  soniq_error *error = NULL;
  uint32_t index = 0;
  KEEPS(soniq_model_verify(model, on_progress, NULL, NULL));
  CHECK(last_status == SONIQ_OK);
  KEEPS(soniq_model_get_statistics(model, &sizes, NULL));
  KEEPS(soniq_model_metadata_get(model, 0, &entry, NULL));
  KEEPS(soniq_model_input_index(model, "no such input", &index, &error));
  CHECK(last_status == SONIQ_ERROR_NOT_FOUND);
  KEEPS(soniq_error_status(error));
  KEEPS_VOID(soniq_error_message(error));
  KEEPS_VOID(soniq_error_destroy(error));
}

// Everything about a session; its outputs are `bytes`.
static size_t session_life(const soniq_model *model, uint32_t isa, int host_threads, unsigned char *bytes) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_thread_pool pool = SONIQ_THREAD_POOL_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  size_t workspace = 0, used;
  pool.width = width;
  pool.parallel_for = parallel_for;
  options.maximum_isa = isa;
  options.log = on_log;
  options.flags = SONIQ_SESSION_PROFILE;
  if (host_threads) {
    options.thread_pool = &pool;
  } else {
    options.thread_count = 1;
  }
  KEEPS(soniq_session_workspace_size(model, &options, &workspace, NULL));
  CHECK(last_status == SONIQ_OK && workspace > 0);
  KEEPS(soniq_session_create(&session, model, &options, NULL));
  CHECK(last_status == SONIQ_OK);
  if (session == NULL) return 0;
  KEEPS(soniq_session_run(session, &error));
  CHECK(last_status == SONIQ_ERROR_STATE);
  KEEPS_VOID(soniq_error_destroy(error));
  KEEPS(any_set_inputs(model, session, 5));
  CHECK(last_status == SONIQ_OK);
  KEEPS(soniq_session_run(session, NULL));
  CHECK(last_status == SONIQ_OK);
  KEEPS(soniq_session_output(session, 0, &output, NULL));
  KEEPS(soniq_session_kernel_get(session, 0, &report, NULL));
  KEEPS(soniq_session_get_statistics(session, &statistics, NULL));
  CHECK(last_status == SONIQ_OK);
  used = any_outputs(model, session, bytes);
  CHECK(used > 0);
  KEEPS(soniq_session_profile_reset(session, NULL));
  KEEPS(soniq_session_clear_inputs(session, NULL));
  KEEPS_VOID(soniq_session_destroy(session));
  return used;
}

// Everything about a model in the host's state; its outputs are `bytes`.
static size_t whole_life(const char *path, uint32_t isa, int host_threads, unsigned char *bytes) {
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_model *model = NULL;
  size_t used;
  options.flags = SONIQ_MODEL_VERIFY | (host_threads ? SONIQ_MODEL_COPY : 0);
  options.log = on_log;
  options.progress = on_progress;
  KEEPS(soniq_model_open(&model, path, &options, NULL));
  CHECK(last_status == SONIQ_OK);
  if (model == NULL) return 0;
  ask_model(model);
  used = session_life(model, isa, host_threads, bytes);
  KEEPS_VOID(soniq_model_destroy(model));
  return used;
}

enum { outputs = 20, inputs = 48, rows = 3 };

// Everything about a matrix; the results are `bytes`.
static size_t matrix_life(uint32_t isa, unsigned char *bytes) {
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_matrix_info info = SONIQ_MATRIX_INFO_INIT;
  soniq_matrix *matrix = NULL;
  const float *scales = NULL;
  static float unpacked[outputs * inputs], products[rows * outputs];
  static int32_t integers[rows * outputs];
  static uint8_t codes[rows * inputs];
  size_t used = 0;
  options.maximum_isa = isa;
  options.levels[0].weight_bits = 3;
  options.levels[0].activation_scale = 0.013f;
  options.levels[0].activation_zero = 120;
  KEEPS(soniq_matrix_pack(&matrix, any_floats, outputs, inputs, &options, NULL));
  CHECK(last_status == SONIQ_OK);
  if (matrix == NULL) return 0;
  KEEPS(soniq_matrix_unpack(matrix, unpacked, outputs * inputs, NULL));
  KEEPS(soniq_matrix_multiply(matrix, any_floats, 0, rows, products, 0, NULL));
  CHECK(last_status == SONIQ_OK);
  KEEPS(soniq_matrix_multiply_codes(matrix, codes, NULL, rows, integers, 0, NULL));
  KEEPS(soniq_matrix_multiply(matrix, NULL, 0, rows, products, 0, NULL));
  CHECK(last_status == SONIQ_ERROR_INVALID_ARGUMENT);
  KEEPS(soniq_matrix_get_info(matrix, &info, NULL));
  KEEPS(soniq_matrix_scales(matrix, 0, &scales, NULL));
  CHECK(scales != NULL);
  memcpy(bytes + used, unpacked, sizeof unpacked);
  used += sizeof unpacked;
  memcpy(bytes + used, products, sizeof products);
  used += sizeof products;
  memcpy(bytes + used, integers, sizeof integers);
  used += sizeof integers;
  memcpy(bytes + used, scales, outputs * sizeof *scales);
  used += outputs * sizeof *scales;
  KEEPS_VOID(soniq_matrix_destroy(matrix));
  return used;
}

// Choices of a sampler behind each other, at `bytes`.
static size_t sampler_life(unsigned char *bytes) {
  soniq_sampler_options options = SONIQ_SAMPLER_OPTIONS_INIT;
  soniq_sampler *sampler = NULL;
  int32_t token = 0, turn;
  float probability = 0;
  size_t used = 0;
  options.temperature = 0.8f;
  options.top_p = 0.9f;
  options.repetition_penalty = 1.2f;
  KEEPS(soniq_sampler_create(&sampler, inputs, &options, NULL));
  CHECK(last_status == SONIQ_OK);
  KEEPS(soniq_sampler_accept(sampler, &token, 1, NULL));
  for (turn = 0; turn < 20; turn++) {
    KEEPS(soniq_sampler_sample(sampler, any_floats + turn, inputs, NULL, &token, &probability, NULL));
    CHECK(last_status == SONIQ_OK);
    memcpy(bytes + used, &token, sizeof token);
    memcpy(bytes + used + sizeof token, &probability, sizeof probability);
    used += sizeof token + sizeof probability;
  }
  KEEPS(soniq_sampler_reset(sampler, NULL));
  KEEPS_VOID(soniq_sampler_destroy(sampler));
  return used;
}

static void compare(const char *path, uint32_t isa, int host_threads) {
  size_t size, i;
  host_state = machine_ordinary_float_state;
  size = path != NULL ? whole_life(path, isa, host_threads, expected) : matrix_life(isa, expected);
  if (path == NULL) size += sampler_life(expected + size);
  for (i = 0; i < MACHINE_FLOAT_STATES; i++) {
    size_t other;
    host_state = machine_enter_float_state(i);
    machine_set_float_state(machine_ordinary_float_state);
    memset(found, 0, sizeof found);
    other = path != NULL ? whole_life(path, isa, host_threads, found) : matrix_life(isa, found);
    if (path == NULL) other += sampler_life(found + other);
    if (other != size || memcmp(expected, found, size) != 0 || state_changes > 0 || callback_faults > 0) {
      fprintf(stderr, "%s, isa %s, threads of the %s, state %zu: %d calls changed the state, %d callbacks missed it\n",
              path != NULL ? path : "matrix", soniq_isa_name(isa), host_threads ? "host" : "library", i, state_changes,
              callback_faults);
    }
    CHECK(other == size && memcmp(expected, found, size) == 0);
    CHECK(state_changes == 0 && callback_faults == 0);
    state_changes = callback_faults = 0;
  }
}

int main(int argc, char **argv) {
  int i, set;
  if (argc < 2) return 2;
  any_fill();
  for (set = 0; set < MACHINE_ISAS; set++) {
    const uint32_t isa = machine_isas[set].isa;
    if (isa > newest_isa()) {
      check_skip(machine_isas[set].name);
      continue;
    }
    compare(NULL, isa, 0);
    for (i = 1; i < argc; i++) {
      compare(argv[i], isa, 0);
      compare(argv[i], isa, 1);
    }
  }
  CHECK(callback_calls > 0);
  return check_report();
}
