// Every function of soniq.h with every wrong argument it can tell: an error, never a crash. Those of sessions are in
// session_arguments.c, those of matrices in matrix_arguments.c.
// usage: arguments MODEL
#include "struct_sizes.h"

static void library_functions(void) {
  int i;
  CHECK(soniq_version() != NULL && strcmp(soniq_version(), "0.1.0") == 0);
  CHECK(soniq_abi_version() == SONIQ_ABI_VERSION);
  CHECK(strstr(soniq_build_info(), soniq_version()) != NULL);
  CHECK(strstr(soniq_build_info(), "jemalloc 5") != NULL);
  CHECK(soniq_cpu_isa() == machine_newest_isa());
  CHECK(strstr(soniq_cpu_features(), MACHINE_FEATURE) != NULL);
  for (i = 0; i < MACHINE_ISAS; i++) CHECK(strcmp(soniq_isa_name(machine_isas[i].isa), machine_isas[i].name) == 0);
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

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  soniq_session *session;
  if (argc != 2) return 2;
  library_functions();
  errors();
  opening(argv[1]);
  OK(soniq_model_open(&model, argv[1], NULL, &error));
  session = small_session(model);
  if (model != NULL && session != NULL) model_functions(model, session);
  soniq_session_destroy(session);
  soniq_model_destroy(model);
  return check_report();
}
