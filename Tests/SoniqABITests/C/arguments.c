// Every function of soniq.h with every wrong argument it can tell: an error, never a crash.
// usage: arguments MODEL
#include "check.h"

// What soniq_cpu_isa must say, from the features that the kernels are compiled with.
static uint32_t isa_of_cpuid(void) {
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return avx2 && avx512 ? SONIQ_ISA_AVX512 : avx2 ? SONIQ_ISA_AVX2 : SONIQ_ISA_PORTABLE;
}

static void library_functions(void) {
  CHECK(soniq_version() != NULL && strcmp(soniq_version(), "0.1.0") == 0);
  CHECK(soniq_abi_version() == SONIQ_ABI_VERSION);
  CHECK(strstr(soniq_build_info(), soniq_version()) != NULL);
  CHECK(strstr(soniq_build_info(), "jemalloc 5") != NULL);
  CHECK(soniq_cpu_isa() == isa_of_cpuid());
  CHECK(strstr(soniq_cpu_features(), "sse4.2") != NULL);
  CHECK(strcmp(soniq_isa_name(SONIQ_ISA_AVX2), "avx2") == 0);
  CHECK(strcmp(soniq_isa_name(77), "unknown") == 0);
  CHECK(strcmp(soniq_status_name(SONIQ_OK), "OK") == 0);
  CHECK(strcmp(soniq_status_name(SONIQ_ERROR_SHAPE), "SHAPE") == 0);
  CHECK(strcmp(soniq_status_name(-12345), "UNKNOWN") == 0);
  CHECK(strcmp(soniq_status_name(1), "UNKNOWN") == 0);
  OK(soniq_require_abi(SONIQ_ABI_VERSION, &error));
  FAILS(SONIQ_ERROR_VERSION, soniq_require_abi(0, &error));
  FAILS(SONIQ_ERROR_VERSION, soniq_require_abi(SONIQ_ABI_VERSION + 1, &error));
  FAILS(SONIQ_ERROR_VERSION, soniq_require_abi(UINT32_MAX, &error));
}

static void errors(void) {
  soniq_error *error = NULL;
  uint64_t foreign[8] = {0};
  CHECK(soniq_error_status(NULL) == SONIQ_OK);
  CHECK(strcmp(soniq_error_message(NULL), "") == 0);
  CHECK(soniq_error_node(NULL) == NULL && soniq_error_field(NULL) == NULL);
  CHECK(soniq_error_offset(NULL) == -1);
  soniq_error_destroy(NULL);
  CHECK(soniq_error_status((soniq_error *)foreign) == SONIQ_OK);
  soniq_error_destroy((soniq_error *)foreign);
  CHECK(soniq_require_abi(0, NULL) == SONIQ_ERROR_VERSION);
  CHECK(soniq_require_abi(0, &error) == SONIQ_ERROR_VERSION);
  CHECK(strcmp(soniq_error_field(error), "abi_version") == 0);
  CHECK(soniq_error_node(error) == NULL && soniq_error_offset(error) == -1);
  soniq_error_destroy(error);
  // A success overwrites whatever the caller had there.
  CHECK(soniq_require_abi(SONIQ_ABI_VERSION, &error) == SONIQ_OK && error == NULL);
}

// What every option struct does with its first two fields. Too large for its type on purpose.
#define SWEEP_STRUCT_SIZE(type, init, call)                                                \
  do {                                                                                     \
    union {                                                                                \
      type options;                                                                        \
      unsigned char bytes[sizeof(type) + 64];                                              \
    } room;                                                                                \
    type fresh = init;                                                                     \
    const uint32_t wrong[] = {0, 1, 4, 7, 12, 4097, 8192, UINT32_MAX};                     \
    size_t i;                                                                              \
    for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {                                 \
      memset(&room, 0, sizeof room);                                                       \
      room.options = fresh;                                                                \
      room.options.struct_size = wrong[i];                                                 \
      FAILS(SONIQ_ERROR_INVALID_ARGUMENT, call);                                           \
    }                                                                                      \
    memset(&room, 0, sizeof room);                                                         \
    room.options = fresh;                                                                  \
    room.options.struct_size = (uint32_t)sizeof(type) + 64;                                \
    room.bytes[sizeof(type) + 40] = 1;                                                     \
    FAILS(SONIQ_ERROR_UNSUPPORTED, call);                                                  \
  } while (0)

static void opening(const char *path) {
  soniq_model *model = (soniq_model *)&model;
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  char *long_path = malloc(6000);
  unsigned char junk[256] = {0};
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open(NULL, path, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open(&model, NULL, NULL, &error));
  CHECK(model == NULL);
  memset(long_path, 'a', 5999);
  long_path[5999] = 0;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open(&model, long_path, NULL, &error));
  free(long_path);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open(&model, "\xff\xfe", NULL, &error));
  // No byte of a file is to blame.
  const char *const no_files[] = {"", "/no/such/file", "/", "/dev/null"};
  for (size_t i = 0; i < sizeof no_files / sizeof *no_files; i++) {
    soniq_error *error = NULL;
    CHECK(soniq_model_open(&model, no_files[i], NULL, &error) == SONIQ_ERROR_IO);
    CHECK(soniq_error_offset(error) == -1);
    CHECK(strstr(soniq_error_message(error), "byte ") == NULL && soniq_error_message(error)[0] != ':');
    soniq_error_destroy(error);
  }
  FAILS(SONIQ_ERROR_FORMAT, soniq_model_open(&model, "/proc/self/exe", NULL, &error));
  CHECK(model == NULL);
  options.flags = 0x80000000u;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open(&model, path, &options, &error));
  options.flags = 0;
  options.reserved = 1;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open(&model, path, &options, &error));
  options.reserved = 0;
  options.abi_version = SONIQ_ABI_VERSION + 1;
  FAILS(SONIQ_ERROR_VERSION, soniq_model_open(&model, path, &options, &error));
  SWEEP_STRUCT_SIZE(soniq_model_options, SONIQ_MODEL_OPTIONS_INIT,
                    soniq_model_open(&model, path, &room.options, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open_memory(NULL, junk, 64, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open_memory(&model, NULL, 64, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open_memory(&model, junk + 1, 64, NULL, &error));
  options.abi_version = 0;
  options.flags = SONIQ_MODEL_COPY;
  FAILS(SONIQ_ERROR_FORMAT, soniq_model_open_memory(&model, junk + 1, 0, &options, &error));
  FAILS(SONIQ_ERROR_FORMAT, soniq_model_open_memory(&model, junk + 1, 200, &options, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_open_memory(&model, junk, SIZE_MAX, &options, &error));
}

static void model_functions(const soniq_model *model, soniq_session *session) {
  uint32_t number = 7;
  soniq_tensor_info info = SONIQ_TENSOR_INFO_INIT;
  soniq_metadata entry = SONIQ_METADATA_INIT;
  soniq_model_statistics statistics = SONIQ_MODEL_STATISTICS_INIT;
  const soniq_model *wrong = (const soniq_model *)session;
  char name[1200];
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_retain(NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_model_retain(wrong, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_count(NULL, &number, &error));
  CHECK(number == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_count(model, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_model_input_count(wrong, &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_count(NULL, &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_count(model, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_info(NULL, 0, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_info(model, 0, NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_input_info(model, 99, &info, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_input_info(model, UINT32_MAX, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_info(NULL, 0, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_info(model, 0, NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_output_info(model, 99, &info, &error));
  info.struct_size = 0;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_info(model, 0, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_info(model, 0, &info, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_index(NULL, "input_ids", &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_index(model, NULL, &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_index(model, "input_ids", NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_input_index(model, "", &number, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_input_index(model, "no such input", &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_index(model, "\xc3(", &number, &error));
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = 0;
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_input_index(model, name, &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_index(NULL, "x", &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_index(model, NULL, &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_output_index(model, "x", NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_output_index(model, "no such output", &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_metadata_count(NULL, &number, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_metadata_count(model, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_metadata_get(NULL, 0, &entry, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_metadata_get(model, 0, NULL, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_metadata_get(model, 5000, &entry, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_metadata_find(NULL, "k", &entry, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_metadata_find(model, NULL, &entry, &error));
  FAILS(SONIQ_ERROR_NOT_FOUND, soniq_model_metadata_find(model, "no such key", &entry, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_verify(NULL, NULL, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_model_verify(wrong, NULL, NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_get_statistics(NULL, &statistics, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_model_get_statistics(model, NULL, &error));
  soniq_model_destroy(NULL);
  soniq_model_destroy((soniq_model *)session);  // ignored: of another kind
}

static void session_options(const soniq_model *model) {
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_size_limit limits[2] = {{"batch", 1}, {"batch", 1}};
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
  outer_cap();
  CHECK(setenv("SONIQ_MAX_ISA", "sse9", 1) == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, model, NULL, &error));
  CHECK(setenv("SONIQ_MAX_ISA", "AVX2", 1) == 0);
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_create(&session, model, NULL, &error));
  CHECK(setenv("SONIQ_MAX_ISA", outer_cap(), 1) == 0);
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

static void session_functions(const soniq_model *model, soniq_session *session) {
  soniq_session *wrong = (soniq_session *)(uintptr_t)model;
  int32_t ids[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  int64_t shape[9] = {1, 4, 1, 1, 1, 1, 1, 1, 1};
  soniq_tensor output = SONIQ_TENSOR_INIT;
  soniq_kernel_report report = SONIQ_KERNEL_REPORT_INIT;
  soniq_profile_entry profile = SONIQ_PROFILE_ENTRY_INIT;
  soniq_session_statistics statistics = SONIQ_SESSION_STATISTICS_INIT;
  uint32_t count = 0;
  // Before anything was set.
  FAILS(SONIQ_ERROR_STATE, soniq_session_run(session, &error));
  FAILS(SONIQ_ERROR_STATE, soniq_session_output(session, 0, &output, &error));
#define SET(...) soniq_session_set_input(__VA_ARGS__, &error)
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
  {
    const int64_t wrong_sizes[] = {0, -1, INT64_MIN, INT64_MAX, 1000000};
    size_t i;
    for (i = 0; i < sizeof wrong_sizes / sizeof wrong_sizes[0]; i++) {
      shape[1] = wrong_sizes[i];
      FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 2, shape, ids));
      shape[1] = 4;
      shape[0] = wrong_sizes[i];
      FAILS(SONIQ_ERROR_SHAPE, SET(session, 0, SONIQ_INT32, 2, shape, ids));
      shape[0] = 1;
    }
  }
  FAILS(SONIQ_ERROR_STATE, soniq_session_run(session, &error));
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
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_clear_inputs(NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_ARGUMENT, soniq_session_run(NULL, &error));
  FAILS(SONIQ_ERROR_INVALID_HANDLE, soniq_session_run(wrong, &error));
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
  soniq_session_destroy(NULL);
  soniq_session_destroy(wrong);  // ignored: of another kind
}

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  soniq_session *session;
  if (argc != 2) return 2;
  library_functions();
  errors();
  opening(argv[1]);
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  session = small_session(model);
  if (model != NULL && session != NULL) {
    model_functions(model, session);
    session_options(model);
    session_functions(model, session);
    element_types(session);
  }
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return check_report();
}
