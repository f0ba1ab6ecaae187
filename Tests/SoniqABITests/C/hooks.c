// What a host brings: memory, threads, log.
// usage: hooks MODEL
#include <pthread.h>

#include "check.h"

typedef struct {
  size_t live, count;
  int refuse, wrong;
} memory_record;

static void *take(void *context, size_t size, size_t alignment) {
  memory_record *record = context;
  void *memory = NULL;
  if (record->refuse) return NULL;
  record->wrong |= size == 0 || alignment == 0 || alignment > 64 || (alignment & (alignment - 1)) != 0;
  if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) != 0) return NULL;
  memset(memory, 0xcd, size);
  record->live += size;
  record->count++;
  return memory;
}

static void give(void *context, void *memory, size_t size) {
  memory_record *record = context;
  record->live -= size;
  memset(memory, 0xdd, size);
  free(memory);
}

static void allocator(const soniq_model *model, const void *expected, size_t size) {
  memory_record record = {0, 0, 0, 0};
  soniq_allocator host = SONIQ_ALLOCATOR_INIT;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_session *session = NULL;
  size_t count;
  host.context = &record;
  host.allocate = take;
  host.release = give;
  options.allocator = &host;
  options.thread_count = 1;
  OK(soniq_session_create(&session, model, &options, &error));
  memset(&host, 0, sizeof host);  // it was copied
  CHECK(record.count > 0 && record.live > 0 && !record.wrong);
  count = record.count;
  CHECK(run_ids(session, 2, 8) == SONIQ_OK);
  CHECK(record.count == count);
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(output.byte_count == size && memcmp(output.data, expected, size) == 0);
  OK(soniq_session_get_statistics(session, &statistics, &error));
  CHECK(statistics.allocation_count == count && statistics.heap_bytes == record.live);
  soniq_session_destroy(session);
  CHECK(record.live == 0);
  host.struct_size = sizeof host;
  host.context = &record;
  host.allocate = take;
  host.release = give;
  record.refuse = 1;
  FAILS(SONIQ_ERROR_OUT_OF_MEMORY, soniq_session_create(&session, model, &options, &error));
  CHECK(session == NULL && record.live == 0);
}

// The packed weights lie in the host's memory, and the results are those of the library's own.
static void matrix_allocator(void) {
  static float weights[48 * 96], input[96], output[2][48];
  memory_record record = {0, 0, 0, 0};
  soniq_allocator host = SONIQ_ALLOCATOR_INIT;
  soniq_matrix_options options = SONIQ_MATRIX_OPTIONS_INIT;
  soniq_matrix_info info = SONIQ_MATRIX_INFO_INIT;
  soniq_matrix *matrix = NULL, *own = NULL;
  const float *scales = NULL;
  int i;
  for (i = 0; i < 48 * 96; i++) weights[i] = (float)(i % 23 - 11);
  for (i = 0; i < 96; i++) input[i] = (float)(i % 7 - 3);
  host.context = &record;
  host.allocate = take;
  host.release = give;
  options.allocator = &host;
  OK(soniq_matrix_pack(&matrix, weights, 48, 96, &options, &error));
  OK(soniq_matrix_pack(&own, weights, 48, 96, NULL, &error));
  if (matrix == NULL || own == NULL) return;
  OK(soniq_matrix_get_info(matrix, &info, &error));
  CHECK(record.live > info.byte_count && info.byte_count >= 48 * 96 && !record.wrong);
  OK(soniq_matrix_scales(matrix, 0, &scales, &error));
  CHECK(scales != NULL && scales[0] > 0);
  OK(soniq_matrix_multiply(matrix, input, 0, 1, output[0], 0, &error));
  OK(soniq_matrix_multiply(own, input, 0, 1, output[1], 0, &error));
  CHECK(memcmp(output[0], output[1], sizeof output[0]) == 0);
  soniq_matrix_destroy(matrix);
  soniq_matrix_destroy(own);
  CHECK(record.live == 0);
  record.refuse = 1;
  FAILS(SONIQ_ERROR_OUT_OF_MEMORY, soniq_matrix_pack(&matrix, weights, 48, 96, &options, &error));
}

static void workspace(const soniq_model *model, const void *expected, size_t size) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_session *session = NULL;
  size_t bytes = 0;
  void *memory = NULL;
  unsigned char *end;
  int i, intact = 1;
  options.thread_count = 1;
  OK(soniq_session_workspace_size(model, &options, &bytes, &error));
  CHECK(bytes > 0 && posix_memalign(&memory, 64, bytes + 128) == 0);
  if (memory == NULL) return;
  memset(memory, 0x77, bytes + 128);
  options.workspace = memory;
  options.workspace_size = bytes - 1;
  FAILS(SONIQ_ERROR_OUT_OF_MEMORY, soniq_session_create(&session, model, &options, &error));
  options.workspace = (char *)memory + 8;
  options.workspace_size = bytes;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, model, &options, &error));
  options.workspace = memory;
  OK(soniq_session_create(&session, model, &options, &error));
  CHECK(run_ids(session, 2, 8) == SONIQ_OK);
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(output.byte_count == size && memcmp(output.data, expected, size) == 0);
  CHECK((const char *)output.data >= (char *)memory && (const char *)output.data < (char *)memory + bytes);
  end = (unsigned char *)memory + bytes;
  for (i = 0; i < 128; i++) intact &= end[i] == 0x77;
  CHECK(intact);
  soniq_session_destroy(session);
  free(memory);
}

typedef struct {
  uint32_t width, calls, tasks;
  int serial, fail;
} pool_record;

typedef struct {
  soniq_task_function task;
  void *argument;
  uint32_t first, count;
} share;

static void *run_share(void *context) {
  share *mine = context;
  uint32_t i;
  for (i = 0; i < mine->count; i++) mine->task(mine->argument, mine->first + i);
  return NULL;
}

static uint32_t pool_width(void *context) { return ((pool_record *)context)->width; }

// Backwards and on two threads: the order must not matter.
static int32_t pool_run(void *context, uint32_t count, soniq_task_function task, void *argument) {
  pool_record *record = context;
  uint32_t i;
  record->calls++;
  record->tasks += count;
  if (record->fail) return 5;
  if (record->serial || count < 2) {
    for (i = count; i > 0; i--) task(argument, i - 1);
  } else {
    share upper;
    pthread_t thread;
    upper.task = task;
    upper.argument = argument;
    upper.first = count / 2;
    upper.count = count - count / 2;
    if (pthread_create(&thread, NULL, run_share, &upper) != 0) return 1;
    for (i = count / 2; i > 0; i--) task(argument, i - 1);
    if (pthread_join(thread, NULL) != 0) return 1;
  }
  return 0;
}

static void threads(const soniq_model *model, const void *expected, size_t size) {
  pool_record record = {2, 0, 0, 0, 0};
  soniq_thread_pool pool = SONIQ_THREAD_POOL_INIT;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_session *session = NULL;
  pool.context = &record;
  pool.width = pool_width;
  pool.parallel_for = pool_run;
  options.thread_pool = &pool;
  for (record.serial = 0; record.serial < 2; record.serial++) {
    OK(soniq_session_create(&session, model, &options, &error));
    if (session == NULL) return;
    record.calls = 0;
    CHECK(run_ids(session, 2, 8) == SONIQ_OK);
    CHECK(record.calls > 0 && record.tasks >= record.calls);
    OK(soniq_session_output(session, 0, &output, &error));
    CHECK(output.byte_count == size && memcmp(output.data, expected, size) == 0);
    OK(soniq_session_get_statistics(session, &statistics, &error));
    CHECK(statistics.thread_count == 2);
    record.fail = 1;
    FAILS(SONIQ_ERROR_CANCELLED, soniq_session_run(session, &error));
    FAILS(SONIQ_ERROR_STATE, soniq_session_output(session, 0, &output, &error));
    record.fail = 0;
    OK(soniq_session_run(session, &error));
    soniq_session_destroy(session);
  }
  options.thread_count = 2;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, model, &options, &error));
}

typedef struct {
  int calls, wrong;
} log_record;

static void on_log(void *context, uint32_t level, const char *message, size_t length) {
  log_record *record = context;
  record->calls++;
  record->wrong |= strlen(message) != length || length == 0 || strchr(message, '\n') != NULL ||
                   (level != SONIQ_LOG_DEBUG && level != SONIQ_LOG_INFO && level != SONIQ_LOG_WARNING);
}

static void logging(const char *path) {
  log_record record = {0, 0};
  soniq_model_options model_options = SONIQ_MODEL_OPTIONS_INIT;
  soniq_session_options session_options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  int calls;
  model_options.log = on_log;
  model_options.log_context = &record;
  session_options.log = on_log;
  session_options.log_context = &record;
  OK(soniq_model_open(&model, path, &model_options, &error));
  CHECK(record.calls >= 1);
  calls = record.calls;
  OK(soniq_session_create(&session, model, &session_options, &error));
  CHECK(record.calls > calls && !record.wrong);
  calls = record.calls;
  CHECK(run_ids(session, 1, 4) == SONIQ_OK);
  CHECK(record.calls == calls);
  soniq_session_destroy(session);
  soniq_model_destroy(model);
}

int main(int argc, char **argv) {
  static unsigned char expected[65536];
  soniq_model *model = NULL;
  soniq_session *session;
  soniq_tensor output = SONIQ_TENSOR_INIT;
  if (argc != 2) return 2;
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  if (model == NULL) return check_report();
  session = small_session(model);
  CHECK(run_ids(session, 2, 8) == SONIQ_OK);
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(output.byte_count > 0 && output.byte_count <= sizeof expected);
  if (output.byte_count > sizeof expected) return check_report();
  memcpy(expected, output.data, output.byte_count);
  allocator(model, expected, output.byte_count);
  matrix_allocator();
  workspace(model, expected, output.byte_count);
  threads(model, expected, output.byte_count);
  logging(argv[1]);
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return check_report();
}
