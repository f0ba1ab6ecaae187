// Every function of sessions with every wrong argument it can tell, and when it is called at the wrong time.
// usage: session_arguments MODEL
#include "struct_sizes.h"

static void session_options(const soniq_model *model) {
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_allocator allocator = SONIQ_ALLOCATOR_INIT;
  soniq_thread_pool pool = SONIQ_THREAD_POOL_INIT;
  size_t size = 0;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(NULL, model, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, NULL, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_workspace_size(NULL, NULL, &size, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_workspace_size(model, NULL, NULL, &error));
  SWEEP_STRUCT_SIZE(soniq_session_options, SONIQ_SESSION_OPTIONS_INIT,
                    soniq_session_create(&session, model, &room.options, &error));
#define REJECT(status, field, value)                                                      \
  do {                                                                                    \
    soniq_session_options fresh = SONIQ_SESSION_OPTIONS_INIT;                             \
    options = fresh;                                                                      \
    options.field = value;                                                                \
    FAILS(status, soniq_session_create(&session, model, &options, &error));               \
  } while (0)
  REJECT(SONIQ_ERROR_VERSION, abi_version, 1000);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, flags, 2);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, maximum_isa, 11);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, maximum_isa, MACHINE_FOREIGN_ISA);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, thread_count, 1000000);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, size_limit_count, 1);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, size_limit_count, UINT32_MAX);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, workspace_size, 64);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, workspace, &options);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, allocator, &allocator);
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, thread_pool, &pool);
  allocator.struct_size = 0;
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, allocator, &allocator);
  pool.struct_size = 3;
  REJECT(SONIQ_ERROR_INVALID_ARGUMENT, thread_pool, &pool);
  CHECK(session == NULL);
  outer_cap();
  CHECK(setenv("SONIQ_MAX_ISA", "sse9", 1) == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, model, NULL, &error));
  CHECK(setenv("SONIQ_MAX_ISA", "AVX2", 1) == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, model, NULL, &error));
  CHECK(setenv("SONIQ_MAX_ISA", outer_cap(), 1) == 0);
}

static void size_limits(const soniq_model *model) {
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_size_limit limits[2] = {{"batch", 1}, {"batch", 1}};
  size_t size = 0;
#define REJECT_LIMITS(status, count)                                                      \
  do {                                                                                    \
    soniq_session_options fresh = SONIQ_SESSION_OPTIONS_INIT;                             \
    options = fresh;                                                                      \
    options.size_limits = limits;                                                         \
    options.size_limit_count = count;                                                     \
    FAILS(status, soniq_session_create(&session, model, &options, &error));               \
    FAILS(status, soniq_session_workspace_size(model, &options, &size, &error));          \
  } while (0)
  REJECT_LIMITS(SONIQ_ERROR_INVALID_ARGUMENT, 2);
  limits[0].maximum = 0;
  REJECT_LIMITS(SONIQ_ERROR_INVALID_ARGUMENT, 1);
  limits[0].maximum = UINT64_MAX;
  REJECT_LIMITS(SONIQ_ERROR_INVALID_ARGUMENT, 1);
  limits[0].maximum = (uint64_t)1 << 40;
  REJECT_LIMITS(SONIQ_ERROR_SHAPE, 1);
  limits[0].maximum = 1;
  limits[0].name = NULL;
  REJECT_LIMITS(SONIQ_ERROR_INVALID_ARGUMENT, 1);
  limits[0].name = "no such symbol";
  REJECT_LIMITS(SONIQ_ERROR_NOT_FOUND, 1);
  CHECK(session == NULL);
}

// Ids in other types give the same output, and those that int32 does not hold leave the input as it was.
static void element_types(soniq_session *session) {
  const int64_t shape[2] = {1, 4};
  int32_t ids[4] = {1, 2, 3, 4};
  int64_t wide[4] = {1, 2, 3, 4};
  uint8_t small[4] = {1, 2, 3, 4};
  const uint16_t halves[4] = {0, 0, 0, 0};
  soniq_tensor output = SONIQ_TENSOR_INIT;
  float expected[4096];
  size_t size;
  OK(soniq_session_set_input(session, 0, SONIQ_INT32, 2, shape, ids, &error));
  OK(soniq_session_run(session, &error));
  OK(soniq_session_output(session, 0, &output, &error));
  size = output.byte_count < sizeof expected ? output.byte_count : sizeof expected;
  memcpy(expected, output.data, size);
  OK(soniq_session_set_input(session, 0, SONIQ_INT64, 2, shape, wide, &error));
  wide[1] = -7;  // was read when it was set
  OK(soniq_session_run(session, &error));
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(memcmp(expected, output.data, size) == 0);
  wide[1] = INT64_C(1) << 40;
  FAILS(SONIQ_ERROR_DATA, soniq_session_set_input(session, 0, SONIQ_INT64, 2, shape, wide, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT,
        soniq_session_set_input(session, 0, SONIQ_INT64, 2, shape, (const char *)wide + 4, &error));
  FAILS(SONIQ_ERROR_ELEMENT_TYPE, soniq_session_set_input(session, 0, SONIQ_FLOAT16, 2, shape, halves, &error));
  OK(soniq_session_run(session, &error));
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(memcmp(expected, output.data, size) == 0);
  OK(soniq_session_set_input(session, 0, SONIQ_UINT8, 2, shape, small, &error));
  small[0] = 255;
  OK(soniq_session_run(session, &error));
  OK(soniq_session_output(session, 0, &output, &error));
  CHECK(memcmp(expected, output.data, size) == 0);
  OK(soniq_session_clear_inputs(session, &error));
}

#define SET(...) soniq_session_set_input(__VA_ARGS__, &error)

// `wrong` is a handle of another kind. The session has no inputs before and after.
static void inputs(soniq_session *session, soniq_session *wrong) {
  const int64_t wrong_sizes[] = {0, -1, INT64_MIN, INT64_MAX, 1000000};
  int32_t ids[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  int64_t shape[9] = {1, 4, 1, 1, 1, 1, 1, 1, 1};
  soniq_tensor output = SONIQ_TENSOR_INIT;
  size_t i;
  FAILS(SONIQ_ERROR_STATE, soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_session_output(session, 0, &output, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, SET(NULL, 0, SONIQ_INT32, 2, shape, ids));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, SET(wrong, 0, SONIQ_INT32, 2, shape, ids));
  FAILS(SONIQ_ERROR_NOT_FOUND, SET(session, 77, SONIQ_INT32, 2, shape, ids));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, SET(session, 0, 0, 2, shape, ids));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, SET(session, 0, 99, 2, shape, ids));
  FAILS(SONIQ_ERROR_ELEMENT_TYPE, SET(session, 0, SONIQ_FLOAT32, 2, shape, ids));
  FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 0, shape, ids));
  FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 1, shape, ids));
  FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 3, shape, ids));
  FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 9, shape, ids));
  FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, UINT32_MAX, shape, ids));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, SET(session, 0, SONIQ_INT32, 2, NULL, ids));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, SET(session, 0, SONIQ_INT32, 2, shape, NULL));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, SET(session, 0, SONIQ_INT32, 2, shape, (const char *)ids + 1));
  for (i = 0; i < sizeof wrong_sizes / sizeof wrong_sizes[0]; i++) {
    shape[1] = wrong_sizes[i];
    FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 2, shape, ids));
    shape[1] = 4;
    shape[0] = wrong_sizes[i];
    FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 2, shape, ids));
    shape[0] = 1;
  }
  FAILS(SONIQ_ERROR_STATE, soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_clear_inputs(NULL, &error));
}

static void runs_and_outputs(soniq_session *session, soniq_session *wrong) {
  const int64_t shape[2] = {1, 4};
  int32_t ids[4] = {1, 2, 3, 4};
  soniq_tensor output = SONIQ_TENSOR_INIT;
  // Ids out of range are found by run and name their place.
  OK(SET(session, 0, SONIQ_INT32, 2, shape, ids));
  ids[2] = -1;
  FAILS(SONIQ_ERROR_DATA, soniq_session_run(session, &error));
  ids[2] = INT32_MAX;
  FAILS(SONIQ_ERROR_DATA, soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_session_output(session, 0, &output, &error));
  ids[2] = 3;
  OK(soniq_session_run(session, &error));
  OK(soniq_session_output(session, 0, &output, &error));
  // A failed run takes the outputs away; so does a new input.
  ids[2] = -1;
  FAILS(SONIQ_ERROR_DATA, soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_session_output(session, 0, &output, &error));
  ids[2] = 3;
  OK(soniq_session_run(session, &error));
  OK(SET(session, 0, SONIQ_INT32, 2, shape, ids));
  FAILS(SONIQ_ERROR_STATE, soniq_session_output(session, 0, &output, &error));
  OK(soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_session_output(session, 55, &output, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_output(session, 0, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_output(NULL, 0, &output, &error));
  output.struct_size = 5;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_output(session, 0, &output, &error));
  OK(soniq_session_clear_inputs(session, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_run(NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_session_run(wrong, &error));
}

static void reports(soniq_session *session) {
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  soniq_profile_entry profile = SONIQ_PROFILE_ENTRY_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  uint32_t count = 0;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_kernel_count(NULL, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_kernel_count(session, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_kernel_get(NULL, 0, &report, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_kernel_get(session, 0, NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_session_kernel_get(session, UINT32_MAX, &report, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_profile_count(NULL, &count, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_profile_count(session, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_profile_get(NULL, 0, &profile, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_profile_get(session, 0, NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_session_profile_get(session, UINT32_MAX, &profile, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_profile_reset(NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_get_statistics(NULL, &statistics, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_get_statistics(session, NULL, &error));
}

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  soniq_session *session;
  if (argc != 2) return 2;
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  session = small_session(model);
  if (model != NULL && session != NULL) {
    soniq_session *wrong = (soniq_session *)model;
    session_options(model);
    size_limits(model);
    inputs(session, wrong);
    runs_and_outputs(session, wrong);
    reports(session);
    element_types(session);
    soniq_session_destroy(NULL);
    soniq_session_destroy(wrong);  // ignored: of another kind
  }
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return check_report();
}
