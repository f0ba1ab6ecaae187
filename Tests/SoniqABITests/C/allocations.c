// soniq_session_run and soniq_matrix_multiply allocate nothing: every door of the C library's allocator is
// replaced here and counts, and the library's own arenas say how often they were asked.
// usage: allocations MODEL [IMAGES]      a text encoder, and a model of dynamic height and width
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

#include "any_model.h"

static volatile int counting;
static volatile unsigned long calls;

// dlsym may allocate before it has found the real functions: it gets a little memory of ours.
static char early[8192];
static size_t early_used;

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);

static void find(const char *name, void *place) {
  void *found = dlsym(RTLD_NEXT, name);
  memcpy(place, &found, sizeof found);
}

static int is_early(const void *memory) {
  return (const char *)memory >= early && (const char *)memory < early + sizeof early;
}

static void *take_early(size_t size) {
  void *memory = early + early_used;
  early_used += (size + 15) & ~(size_t)15;
  return early_used <= sizeof early ? memory : NULL;
}

static void note(void) {
  if (counting) __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
  note();
  if (real_malloc == NULL) find("malloc", &real_malloc);
  return real_malloc(size);
}

void *calloc(size_t count, size_t size) {
  static int searching;
  note();
  if (real_calloc == NULL) {
    if (searching) return take_early(count * size);
    searching = 1;
    find("calloc", &real_calloc);
  }
  return real_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  note();
  if (real_realloc == NULL) find("realloc", &real_realloc);
  return real_realloc(memory, size);
}

void free(void *memory) {
  if (memory == NULL || is_early(memory)) return;
  note();
  if (real_free == NULL) find("free", &real_free);
  real_free(memory);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  note();
  if (real_posix_memalign == NULL) find("posix_memalign", &real_posix_memalign);
  return real_posix_memalign(memory, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note();
  if (real_aligned_alloc == NULL) find("aligned_alloc", &real_aligned_alloc);
  return real_aligned_alloc(alignment, size);
}

static uint64_t arena_allocations(soniq_session *session) {
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  OK(soniq_session_get_statistics(session, &statistics, &error));
  return statistics.allocation_count;
}

// Inputs of another size each time.
static soniq_status run_ids_of(const soniq_model *model, soniq_session *session, int i) {
  (void)model;
  return run_ids(session, 1 + i % 2, 1 + i % 8);
}

static soniq_status run_images_of(const soniq_model *model, soniq_session *session, int i) {
  soniq_status status;
  counting = 0;  // asking a model for its inputs allocates
  status = any_set_inputs(model, session, 1 + i % 40);
  counting = 1;
  return status == SONIQ_OK ? soniq_session_run(session, NULL) : status;
}

// Set inputs, run, read outputs: the calls of a host's loop.
static void session_loop(const soniq_model *model, uint32_t threads, uint32_t flags,
                         soniq_status (*run)(const soniq_model *, soniq_session *, int)) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_session *session = NULL;
  uint64_t before;
  int i, succeeded = 1;
  options.thread_count = threads;
  options.flags = flags;
  OK(soniq_session_create(&session, model, &options, &error));
  if (session == NULL) return;
  before = arena_allocations(session);
  calls = 0;
  counting = 1;
  for (i = 0; i < 50; i++) {  // the first run counts too
    soniq_tensor output = SONIQ_TENSOR_INIT;
    succeeded &= run(model, session, i) == SONIQ_OK;
    succeeded &= soniq_session_output(session, 0, &output, NULL) == SONIQ_OK;
  }
  counting = 0;
  CHECK(succeeded);
  if (calls) fprintf(stderr, "%u threads, flags %u: %lu calls of the allocator\n", threads, flags, calls);
  CHECK(calls == 0);
  CHECK(arena_allocations(session) == before);
  soniq_session_destroy(session);
}

static void matrix_loop(void) {
  static float weights[24 * 40], input[8 * 40], output[8 * 24];
  static uint8_t codes[8 * 40];
  static int32_t integers[8 * 24];
  soniq_matrix *matrix = NULL;
  int i, succeeded = 1;
  for (i = 0; i < 24 * 40; i++) weights[i] = (float)(i % 17 - 8);
  OK(soniq_matrix_pack(&matrix, weights, 24, 40, NULL, &error));
  if (matrix == NULL) return;
  calls = 0;
  counting = 1;
  for (i = 0; i < 50; i++) {
    succeeded &= soniq_matrix_multiply(matrix, input, 0, 1 + (size_t)i % 8, output, 0, NULL) == SONIQ_OK;
    succeeded &= soniq_matrix_multiply_codes(matrix, codes, NULL, 8, integers, 0, NULL) == SONIQ_OK;
  }
  counting = 0;
  CHECK(succeeded);
  if (calls) fprintf(stderr, "matrix: %lu calls of the allocator\n", calls);
  CHECK(calls == 0);
  soniq_matrix_destroy(matrix);
}

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  void *volatile probe;
  if (argc < 2 || argc > 3) return 2;
  // The counters work: else this test could not fail.
  counting = 1;
  probe = malloc(100);
  free(probe);
  counting = 0;
  CHECK(calls == 2);
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  if (model == NULL) return check_report();
  calls = 0;
  counting = 1;
  soniq_model_destroy(model);
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  counting = 0;
  CHECK(calls > 0);  // and they see the library
  session_loop(model, 1, 0, run_ids_of);
  session_loop(model, 2, 0, run_ids_of);
  session_loop(model, 1, SONIQ_SESSION_PROFILE, run_ids_of);
  matrix_loop();
  soniq_model_destroy(model);
  if (argc == 2) return check_report();
  model = NULL;
  any_fill();
  OK(soniq_model_open(&model, argv[2], NULL, &error));
  if (model == NULL) return check_report();
  session_loop(model, 1, 0, run_images_of);
  session_loop(model, 2, 0, run_images_of);
  soniq_model_destroy(model);
  return check_report();
}
