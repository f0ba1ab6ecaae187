// Every function on a thread with less stack than soniq.h asks for, and a page behind it that must not be touched.
// Each model and instruction set has a process of its own, where the library is used for the first time: that is
// when it needs the most.
// usage: stack MODEL...
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "any_model.h"

enum { promised = 64 << 10, first_use = 48 << 10, later = 32 << 10 };
enum { skipped = 77 };

typedef struct {
  const char *path;
  uint32_t isa;
  int good;
} guest;

// Bytes of the stacks that are made now.
static size_t given = first_use;

// Runs `body` on a new thread whose stack ends at a guard page; false when it could not be started. The C library wants
// more than we give on some architectures: the rest of that cannot be used.
static int on_small_stack(void *(*body)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)PTHREAD_STACK_MIN;
  const size_t usable = (given + page - 1) / page * page, size = usable < least ? least : usable;
  char *memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  int good;
  if (memory == MAP_FAILED || mprotect(memory, size + page - usable, PROT_NONE) != 0) return 0;
  good = pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, memory + page, size) == 0 &&
         pthread_create(&thread, &attributes, body, argument) == 0 && pthread_join(thread, NULL) == 0;
  munmap(memory, size + page);
  return good;
}

typedef struct {
  soniq_task_function task;
  void *argument;
  uint32_t index;
} errand;

static void *run_errand(void *context) {
  errand *mine = context;
  mine->task(mine->argument, mine->index);
  return NULL;
}

static uint32_t width(void *context) {
  (void)context;
  return 2;
}

// The host's threads are small too.
static int32_t parallel_for(void *context, uint32_t count, soniq_task_function task, void *argument) {
  uint32_t i;
  (void)context;
  for (i = 0; i < count; i++) {
    errand mine;
    mine.task = task;
    mine.argument = argument;
    mine.index = i;
    if (!on_small_stack(run_errand, &mine)) return 1;
  }
  return 0;
}

static void on_log(void *context, uint32_t level, const char *message, size_t length) {
  (void)level, (void)message;
  *(size_t *)context += length;
}

static unsigned char first[ANY_OUTPUT_BYTES], second[ANY_OUTPUT_BYTES];

static int use_session(const soniq_model *model, const soniq_session_options *options, unsigned char *bytes) {
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  size_t workspace = 0, size = 0;
  int good = soniq_session_workspace_size(model, options, &workspace, &error) == SONIQ_OK &&
             soniq_session_create(&session, model, options, &error) == SONIQ_OK;
  if (!good) fprintf(stderr, "%s\n", soniq_error_message(error));
  soniq_error_destroy(error);
  if (!good) return 0;
  good = soniq_session_run(session, &error) == SONIQ_ERROR_STATE;  // no inputs yet
  soniq_error_destroy(error);
  good = good && any_set_inputs(model, session, 40) == SONIQ_OK && soniq_session_run(session, NULL) == SONIQ_OK;
  size = any_outputs(model, session, bytes);
  good = good && any_set_inputs(model, session, 1) == SONIQ_OK && soniq_session_run(session, NULL) == SONIQ_OK;
  good = good && soniq_session_get_statistics(session, &statistics, NULL) == SONIQ_OK;
  soniq_session_destroy(session);
  return good && size > 0;
}

static void *use_model(void *argument) {
  guest *self = argument;
  soniq_model_options model_options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_size_limit unknown = {"no such symbol", 1};
  soniq_thread_pool pool = SONIQ_THREAD_POOL_INIT;
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  size_t logged = 0;
  uint32_t index;
  pool.width = width;
  pool.parallel_for = parallel_for;
  model_options.flags = SONIQ_MODEL_VERIFY;
  model_options.log = on_log;
  model_options.log_context = &logged;
  options.log = on_log;
  options.log_context = &logged;
  options.maximum_isa = self->isa;
  options.thread_count = 1;
  if (soniq_model_open(&model, "/no/such/file", NULL, &error) != SONIQ_ERROR_IO) return NULL;
  soniq_error_destroy(error);
  if (soniq_model_open(&model, "/proc/self/exe", NULL, &error) != SONIQ_ERROR_FORMAT) return NULL;
  soniq_error_destroy(error);
  if (soniq_model_open(&model, self->path, &model_options, NULL) != SONIQ_OK) return NULL;
  if (soniq_model_input_index(model, "no such input", &index, &error) != SONIQ_ERROR_NOT_FOUND) return NULL;
  soniq_error_destroy(error);
  options.size_limits = &unknown;
  options.size_limit_count = 1;
  if (soniq_session_create(&session, model, &options, &error) != SONIQ_ERROR_NOT_FOUND) return NULL;
  soniq_error_destroy(error);
  options.size_limits = NULL;
  options.size_limit_count = 0;
  self->good = use_session(model, &options, first);
  options.thread_count = 0;
  options.thread_pool = &pool;
  self->good = self->good && use_session(model, &options, second) && memcmp(first, second, sizeof first) == 0;
  options.thread_pool = NULL;
  options.thread_count = 2;
  self->good = self->good && use_session(model, &options, second) && memcmp(first, second, sizeof first) == 0;
  soniq_model_destroy(model);
  self->good = self->good && logged > 0;
  return NULL;
}

enum { outputs = 40, inputs = 192, rows = 48 };

static void *use_matrices(void *argument) {
  guest *self = argument;
  static float unpacked[outputs * inputs], products[rows * outputs];
  static int32_t integers[rows * outputs];
  static uint8_t codes[rows * inputs], choice[inputs];
  uint32_t weight_bits, activation_bits, levels;
  int i;
  for (i = 0; i < inputs; i++) choice[i] = i % 3 == 1;
  self->good = 1;
  for (weight_bits = 1; weight_bits <= 8; weight_bits++) {
    for (activation_bits = 1; activation_bits <= 8; activation_bits++) {
      for (levels = 1; levels <= 2; levels++) {
        soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
        soniq_matrix *matrix = NULL;
        soniq_error *error = NULL;
        options.maximum_isa = self->isa;
        options.level_count = levels;
        options.levels[0].weight_bits = weight_bits;
        options.levels[0].activation_bits = activation_bits;
        options.channel_levels = levels == 2 ? choice : NULL;
        self->good &= soniq_matrix_pack(&matrix, any_floats, outputs, inputs, &options, NULL) == SONIQ_OK &&
                      soniq_matrix_unpack(matrix, unpacked, outputs * inputs, NULL) == SONIQ_OK &&
                      soniq_matrix_multiply(matrix, any_floats, 0, rows, products, 0, NULL) == SONIQ_OK &&
                      soniq_matrix_multiply(matrix, any_floats, 0, 1, products, 0, NULL) == SONIQ_OK &&
                      soniq_matrix_multiply_codes(matrix, codes, NULL, rows, integers, 0, NULL) == SONIQ_OK &&
                      soniq_matrix_multiply(matrix, any_floats, 1, rows, products, 0, &error) ==
                          SONIQ_ERROR_INVALID_ARGUMENT;
        soniq_error_destroy(error);
        soniq_matrix_destroy(matrix);
      }
    }
  }
  return NULL;
}

// In a child, so that a stack that overflows is a failure and not the end of the test.
static void alone(void *(*body)(void *), const char *path, uint32_t isa) {
  int status = -1;
  pid_t child;
  fflush(NULL);
  child = fork();
  if (child == 0) {
    guest self;
    self.path = path;
    self.isa = isa;
    self.good = 0;
    if (isa > newest_isa()) _exit(skipped);
    if (!on_small_stack(body, &self) || !self.good) _exit(1);
    self.good = 0;
    given = later;
    _exit(on_small_stack(body, &self) && self.good ? 0 : 2);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == skipped) {
    char name[512];
    snprintf(name, sizeof name, "%s with %s", path, soniq_isa_name(isa));
    check_skip(name);
    return;
  }
  if (status != 0) {
    fprintf(stderr, "%s up to %s: status %x\n", path, soniq_isa_name(isa), (unsigned)status);
  }
  CHECK(status == 0);
}

int main(int argc, char **argv) {
  int i, set;
  if (argc < 2) return 2;
  CHECK((int)first_use < (int)promised && (int)later < (int)first_use);
  any_fill();
  for (set = 0; set < MACHINE_ISAS; set++) {
    alone(use_matrices, "matrices", machine_isas[set].isa);
    for (i = 1; i < argc; i++) alone(use_model, argv[i], machine_isas[set].isa);
  }
  return check_report();
}
