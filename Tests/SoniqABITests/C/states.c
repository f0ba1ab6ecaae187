// States of a session: keys and values of attention, and a recurrent sum.
// usage: states MODEL OTHER     (MODEL is Tests/Fuzz/seeds/model/states.soniq)
#include "check.h"

enum { MOST_ROWS = 9, CHANNELS = 16, KEYS = 8, COPY_BYTES = 4096 };

static float x[MOST_ROWS * CHANNELS], keys[MOST_ROWS * KEYS], values[MOST_ROWS * KEYS];
static int32_t ids[MOST_ROWS];

static soniq_session *make(const soniq_model *model, uint64_t capacity, const soniq_allocator *allocator) {
  soniq_session *session = NULL;
  soniq_size_limit limit = {"capacity", 0};
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  limit.maximum = capacity;
  options.thread_count = 1;
  options.size_limits = &limit;
  options.size_limit_count = 1;
  options.allocator = allocator;
  OK(soniq_session_create(&session, model, &options, &error));
  return session;
}

// Rows `first` ... `first` + `count` - 1 of all inputs.
static void set_rows(soniq_session *session, int first, int count) {
  int64_t wide[3] = {1, 0, CHANNELS}, narrow[3] = {1, 0, KEYS}, plain[2] = {1, 0};
  wide[1] = narrow[1] = plain[1] = count;
  OK(soniq_session_set_input(session, 0, SONIQ_FLOAT32, 3, wide, x + first * CHANNELS, &error));
  OK(soniq_session_set_input(session, 1, SONIQ_FLOAT32, 3, narrow, keys + first * KEYS, &error));
  OK(soniq_session_set_input(session, 2, SONIQ_FLOAT32, 3, narrow, values + first * KEYS, &error));
  OK(soniq_session_set_input(session, 3, SONIQ_INT32, 2, plain, ids + first, &error));
}

// What attention made of the rows goes to their places in `result`.
static void run_rows(soniq_session *session, int first, int count, float *result) {
  soniq_tensor output = SONIQ_TENSOR_INIT;
  set_rows(session, first, count);
  OK(soniq_session_run(session, &error));
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(output.byte_count == (size_t)count * CHANNELS * sizeof(float));
  if (output.data != NULL) memcpy(result + first * CHANNELS, output.data, output.byte_count);
}

static uint64_t length_of(soniq_session *session) {
  soniq_state_info info = SONIQ_STATE_INFO_INIT;
  OK(soniq_session_get_state_info(session, 0, &info, &error));
  return info.length;
}

static void describes(soniq_session *session) {
  uint32_t count = 0;
  soniq_state_info info = SONIQ_STATE_INFO_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  OK(soniq_session_state_count(session, &count, &error));
  CHECK(count == 3);
  OK(soniq_session_get_state_info(session, 1, &info, &error));
  CHECK(strcmp(info.name, "values") == 0 && info.kind == SONIQ_STATE_GROWING && info.element_type == SONIQ_FLOAT16);
  CHECK(info.rank == 3 && info.dimensions[0] == 1 && info.dimensions[1] == 7 && info.dimensions[2] == KEYS);
  CHECK(info.dimensions[3] == 0 && info.length == 0 && info.byte_count == 7 * KEYS * 2);
  CHECK(info.element_bits == 16 && info.reserved == 0);
  OK(soniq_session_get_state_info(session, 2, &info, &error));
  CHECK(strcmp(info.name, "total") == 0 && info.kind == SONIQ_STATE_RECURRENT && info.rank == 2);
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_session_get_state_info(session, 3, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_get_state_info(session, 0, NULL, &error));
  OK(soniq_session_get_statistics(session, &statistics, &error));
  // Each begins at a multiple of 64 bytes.
  CHECK(statistics.state_bytes == 128 + 128 + 64 && statistics.heap_bytes > statistics.state_bytes);
}

// One by one, in two pieces, and all at once: the same bits.
static void divides(soniq_session *session, float *whole) {
  float parts[MOST_ROWS * CHANNELS];
  int row;
  memset(parts, 0, sizeof parts);
  run_rows(session, 0, 5, whole);
  OK(soniq_session_reset(session, &error));
  for (row = 0; row < 5; row++) run_rows(session, row, 1, parts);
  CHECK(length_of(session) == 5 && memcmp(parts, whole, 5 * CHANNELS * sizeof(float)) == 0);
  // There is room for seven.
  set_rows(session, 0, 3);
  FAILS(SONIQ_ERROR_CAPACITY, soniq_session_run(session, &error));
  CHECK(length_of(session) == 5);
  FAILS(SONIQ_ERROR_STATE, soniq_session_truncate(session, 2, &error));
  run_rows(session, 5, 2, whole);
}

static void saves(soniq_session *session, const soniq_model *model, const soniq_model *other, const float *whole) {
  static unsigned char copy[COPY_BYTES], again[COPY_BYTES];
  float result[MOST_ROWS * CHANNELS];
  size_t size = 0, same = 0, i;
  soniq_session *second = make(model, 9, NULL), *third = NULL;
  OK(soniq_session_reset(session, &error));
  run_rows(session, 0, 5, result);
  OK(soniq_session_read_states(session, NULL, 0, &size, &error));
  CHECK(size > 48 && size < COPY_BYTES);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_read_states(session, copy, size - 1, &same, &error));
  CHECK(same == size);
  OK(soniq_session_read_states(session, copy, COPY_BYTES, &size, &error));
  run_rows(second, 0, 1, result);
  for (i = 0; i < size; i++) {
    copy[i] ^= 1;
    FAILS(SONIQ_ERROR_DATA, soniq_session_write_states(second, copy, size, &error));
    copy[i] ^= 1;
  }
  FAILS(SONIQ_ERROR_DATA, soniq_session_write_states(second, copy, size - 1, &error));
  CHECK(length_of(second) == 1);
  OK(soniq_session_write_states(second, copy, size, &error));
  OK(soniq_session_read_states(second, again, COPY_BYTES, &same, &error));
  CHECK(same == size && memcmp(copy, again, size) == 0);
  run_rows(second, 5, 2, result);
  CHECK(memcmp(result + 5 * CHANNELS, whole + 5 * CHANNELS, 2 * CHANNELS * sizeof(float)) == 0);
  soniq_session_destroy(second);
  // Less room than positions, and another model.
  second = make(model, 4, NULL);
  FAILS(SONIQ_ERROR_CAPACITY, soniq_session_write_states(second, copy, size, &error));
  soniq_session_destroy(second);
  OK(soniq_session_create(&third, other, NULL, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_session_write_states(third, copy, size, &error));
  soniq_session_destroy(third);
}

// Wrong arguments, and calls on a session without states.
static void refuses_arguments(const soniq_model *other) {
  soniq_session *session = NULL;
  soniq_state_info info = SONIQ_STATE_INFO_INIT;
  uint32_t count = 9;
  size_t size = 0;
  OK(soniq_session_create(&session, other, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_state_count(NULL, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_state_count(session, NULL, &error));
  OK(soniq_session_state_count(session, &count, &error));
  CHECK(count == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_get_state_info(NULL, 0, &info, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_session_get_state_info(session, 0, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_reset(NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_session_reset((soniq_session *)other, &error));
  OK(soniq_session_reset(session, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_truncate(NULL, 0, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_session_truncate(session, 0, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_read_states(NULL, NULL, 0, &size, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_read_states(session, NULL, 0, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_read_states(session, NULL, 1, &size, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_write_states(NULL, "", 1, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_write_states(session, NULL, 1, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_write_states(session, "", SIZE_MAX, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_session_write_states(session, "", 0, &error));
  FAILS(SONIQ_ERROR_DATA, soniq_session_write_states(session, "states", 6, &error));
  soniq_session_destroy(session);
}

static size_t refused, largest;
static void *allocate(void *context, size_t size, size_t alignment) {
  void *memory = NULL;
  (void)context;
  if (size == largest) {
    refused++;
    return NULL;
  }
  return posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) == 0 ? memory : NULL;
}
static void release(void *context, void *memory, size_t size) {
  (void)context;
  (void)size;
  free(memory);
}

// The host's allocator gives the states' memory, or the session is not made.
static void asks_the_host(const soniq_model *model) {
  soniq_allocator allocator = SONIQ_ALLOCATOR_INIT;
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  allocator.allocate = allocate;
  allocator.release = release;
  largest = 0;
  session = make(model, 9, &allocator);
  soniq_session_destroy(session);
  session = NULL;
  // Three states of 9 positions.
  largest = 192 + 192 + 64;
  options.thread_count = 1;
  options.allocator = &allocator;
  FAILS(SONIQ_ERROR_OUT_OF_MEMORY, soniq_session_create(&session, model, &options, &error));
  CHECK(session == NULL && refused == 1);
}

int main(int argc, char **argv) {
  static float whole[MOST_ROWS * CHANNELS];
  soniq_model *model = NULL, *other = NULL;
  soniq_session *session;
  int i;
  if (argc != 3) return 2;
  for (i = 0; i < MOST_ROWS * CHANNELS; i++) x[i] = (float)((i * 37) % 101 - 50) / 32;
  for (i = 0; i < MOST_ROWS * KEYS; i++) {
    keys[i] = (float)((i * 29) % 83 - 40) / 32;
    values[i] = (float)((i * 31) % 89 - 44) / 16;
  }
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  OK(soniq_model_open(&other, argv[2], NULL, &error));
  session = make(model, 7, NULL);
  if (session != NULL) {
    describes(session);
    divides(session, whole);
    saves(session, model, other, whole);
    asks_the_host(model);
    refuses_arguments(other);
  }
  soniq_session_destroy(session);
  soniq_model_destroy(other);
  soniq_model_destroy(model);
  return check_report();
}
