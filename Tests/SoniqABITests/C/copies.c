// Weights in another layout than the file's: a model makes them once for all its sessions, as its statistics and the
// kernel reports say, or not at all when it is told so; the results are the same bits.
// usage: copies MODEL...
#include <pthread.h>

#include "any_model.h"
#include "read_files.h"

enum { THREADS = 8, SESSIONS = 8, MEGABYTE = 1 << 20 };

static const char *path;
static unsigned char expected[ANY_OUTPUT_BYTES], found[ANY_OUTPUT_BYTES];

static soniq_model *open_model(uint32_t flags) {
  soniq_model *model = NULL;
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  options.flags = flags;
  OK(soniq_model_open(&model, path, &options, &error));
  return model;
}

static soniq_model_statistics statistics_of(const soniq_model *model) {
  soniq_model_statistics statistics = SONIQ_MODEL_STATISTICS_INIT;
  OK(soniq_model_get_statistics(model, &statistics, &error));
  return statistics;
}

static soniq_status create(soniq_session **session, const soniq_model *model, uint32_t isa) {
  static const soniq_size_limit limits[2] = {{"batch", 3}, {"sequence", 8}};
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  uint32_t index;
  *session = NULL;
  options.thread_count = 1;
  options.maximum_isa = isa;
  // Only the encoders have these sizes.
  if (soniq_model_input_index(model, "input_ids", &index, NULL) == SONIQ_OK) {
    options.size_limits = limits;
    options.size_limit_count = 2;
  }
  return soniq_session_create(session, model, &options, NULL);
}

static size_t run(const soniq_model *model, soniq_session *session, unsigned char *bytes) {
  CHECK(any_set_inputs(model, session, 3) == SONIQ_OK);
  OK(soniq_session_run(session, &error));
  return any_outputs(model, session, bytes);
}

// Bytes that the reports name; `says_why`: some kernel was refused because it needs copies.
static uint64_t reported_bytes(soniq_session *session, int *says_why) {
  uint32_t count = 0, i;
  uint64_t bytes = 0;
  *says_why = 0;
  OK(soniq_session_kernel_count(session, &count, &error));
  for (i = 0; i < count; i++) {
    soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
    OK(soniq_session_kernel_get(session, i, &report, &error));
    bytes += report.copied_weight_bytes;
    if (strstr(report.refusals, "copies are turned off") != NULL) *says_why = 1;
  }
  return bytes;
}

// Private memory in use, in bytes.
static long resident_bytes(void) { return process_status("RssAnon:") * 1024; }

static long resident_of(soniq_session *session) {
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  OK(soniq_session_get_statistics(session, &statistics, &error));
  return (long)statistics.heap_resident_bytes;
}

// What the statistics say that the process has gained is what the system says.
static void check_growth(long before, long counted) {
  long grown = resident_bytes() - before, difference = grown - counted;
  printf("%ld kB more by the statistics, %ld kB by /proc\n", counted / 1024, grown / 1024);
  CHECK(difference < MEGABYTE && difference > -MEGABYTE);
}

// What the C library keeps of small objects, and the runtime of its types, is there then.
static void warm_up(uint32_t isa) {
  soniq_model *model = open_model(0);
  soniq_session *sessions[SESSIONS] = {NULL};
  size_t i;
  for (i = 0; i < SESSIONS; i++) CHECK(create(&sessions[i], model, isa) == SONIQ_OK);
  for (i = 0; i < SESSIONS; i++) soniq_session_destroy(sessions[i]);
  soniq_model_destroy(model);
}

static void sessions_share_copies(uint32_t isa) {
  soniq_model *model = open_model(0);
  soniq_session *sessions[SESSIONS] = {NULL};
  long before = resident_bytes(), counted = -(long)statistics_of(model).heap_resident_bytes;
  uint64_t copied;
  size_t i;
  int says_why;
  CHECK(statistics_of(model).copied_weight_bytes == 0);
  CHECK(create(&sessions[0], model, isa) == SONIQ_OK);
  copied = statistics_of(model).copied_weight_bytes;
  printf("isa %s: %lu bytes of copied weights\n", soniq_isa_name(isa), (unsigned long)copied);
  CHECK(isa != SONIQ_ISA_PORTABLE || copied == 0);
  CHECK(reported_bytes(sessions[0], &says_why) >= copied && !says_why);
  CHECK(statistics_of(model).heap_bytes >= copied);
  counted += (long)statistics_of(model).heap_resident_bytes + resident_of(sessions[0]);
  check_growth(before, counted);
  before = resident_bytes();
  counted = -(long)statistics_of(model).heap_resident_bytes;
  for (i = 1; i < SESSIONS; i++) {
    CHECK(create(&sessions[i], model, isa) == SONIQ_OK);
    CHECK(statistics_of(model).copied_weight_bytes == copied);
    counted += resident_of(sessions[i]);
  }
  check_growth(before, counted + (long)statistics_of(model).heap_resident_bytes);
  for (i = 0; i < SESSIONS; i++) {
    size_t size = run(model, sessions[i], i == 0 ? expected : found);
    CHECK(size > 0 && (i == 0 || memcmp(expected, found, size) == 0));
    soniq_session_destroy(sessions[i]);
  }
  // They stay for sessions to come.
  CHECK(statistics_of(model).copied_weight_bytes == copied);
  soniq_model_destroy(model);
}

static void models_without_copies(uint32_t isa, int has_copies) {
  soniq_model *model = open_model(SONIQ_MODEL_NO_COPIES);
  soniq_session *session = NULL;
  size_t size;
  int says_why;
  CHECK(create(&session, model, isa) == SONIQ_OK);
  size = run(model, session, found);
  CHECK(size > 0 && memcmp(expected, found, size) == 0);
  CHECK(reported_bytes(session, &says_why) == 0 && says_why == has_copies);
  CHECK(statistics_of(model).copied_weight_bytes == 0);
  soniq_session_destroy(session);
  soniq_model_destroy(model);
}

static pthread_barrier_t barrier;
static soniq_model *raced;
static uint32_t raced_isa;
static soniq_session *made[THREADS];

static void *create_at_once(void *place) {
  pthread_barrier_wait(&barrier);
  if (create(place, raced, raced_isa) != SONIQ_OK) *(soniq_session **)place = NULL;
  return NULL;
}

static void threads_create_at_once(uint32_t isa, uint64_t copied) {
  pthread_t threads[THREADS];
  int round, i;
  pthread_barrier_init(&barrier, NULL, THREADS);
  raced_isa = isa;
  for (round = 0; round < 5; round++) {
    raced = open_model(0);
    for (i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, create_at_once, &made[i]);
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(statistics_of(raced).copied_weight_bytes == copied);
    for (i = 0; i < THREADS; i++) {
      size_t size;
      CHECK(made[i] != NULL);
      if (made[i] == NULL) continue;
      size = run(raced, made[i], found);
      CHECK(size > 0 && memcmp(expected, found, size) == 0);
      soniq_session_destroy(made[i]);
    }
    soniq_model_destroy(raced);
  }
  pthread_barrier_destroy(&barrier);
}

static uint64_t copied_by(uint32_t isa) {
  soniq_model *model = open_model(0);
  soniq_session *session = NULL;
  uint64_t copied;
  CHECK(create(&session, model, isa) == SONIQ_OK);
  copied = statistics_of(model).copied_weight_bytes;
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return copied;
}

static void matrices(uint32_t isa) {
  static float weights[64 * 512], input[40 * 512], with[40 * 64], without[40 * 64];
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  soniq_matrix *matrix = NULL;
  uint64_t copied;
  int i;
  for (i = 0; i < 64 * 512; i++) weights[i] = (float)(i * 29 % 31 - 15);
  for (i = 0; i < 40 * 512; i++) input[i] = (float)(i * 17 % 23 - 11);
  options.levels[0].weight_bits = 7;
  options.maximum_isa = isa;
  options.block_rows = 64;
  OK(soniq_matrix_pack(&matrix, weights, 64, 512, &options, &error));
  OK(soniq_matrix_get_kernel(matrix, &report, &error));
  copied = report.copied_weight_bytes;
  OK(soniq_matrix_multiply(matrix, input, 0, 40, with, 0, &error));
  soniq_matrix_destroy(matrix);
  options.flags = SONIQ_MATRIX_NO_COPIES;
  OK(soniq_matrix_pack(&matrix, weights, 64, 512, &options, &error));
  OK(soniq_matrix_get_kernel(matrix, &report, &error));
  CHECK(report.copied_weight_bytes == 0);
  CHECK((strstr(report.refusals, "copies are turned off") != NULL) == (copied > 0));
  OK(soniq_matrix_multiply(matrix, input, 0, 40, without, 0, &error));
  CHECK(memcmp(with, without, sizeof with) == 0);
  soniq_matrix_destroy(matrix);
  options.flags = 2;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_matrix_pack(&matrix, weights, 64, 512, &options, &error));
  printf("isa %s: %lu bytes of copied weights of a matrix\n", soniq_isa_name(isa), (unsigned long)copied);
}

int main(int argc, char **argv) {
  int i, argument;
  any_fill();
  for (i = 0; i < MACHINE_ISAS; i++) {
    const uint32_t isa = machine_isas[i].isa;
    if (isa > newest_isa()) {
      check_skip(machine_isas[i].name);
      continue;
    }
    matrices(isa);
    for (argument = 1; argument < argc; argument++) {
      uint64_t copied;
      path = argv[argument];
      printf("--- %s\n", path);
      warm_up(isa);
      sessions_share_copies(isa);
      copied = copied_by(isa);
      models_without_copies(isa, copied > 0);
      threads_create_at_once(isa, copied);
    }
  }
  return check_report();
}
