// Objects that are made and destroyed over and over leave nothing behind: neither memory nor address space.
// usage: soak MODEL [CYCLES]      (CYCLES: of each kind; default 2000. The promise is stated for 100000.)
#include "check.h"
#include "read_files.h"

enum { WARM_UP = 200, MOST_RESIDENT_KB = 1024, MOST_ADDRESS_SPACE_KB = 16 * 1024 };

// Counted when it fails only: these are many.
#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) CHECK(condition); \
  } while (0)

static const char *path;
static unsigned char *bytes;
static size_t byte_count;
static soniq_model *model;

static void open_file(void) {
  soniq_model *opened = NULL;
  REQUIRE(soniq_model_open(&opened, path, NULL, NULL) == SONIQ_OK);
  soniq_model_destroy(opened);
}

static void open_memory(void) {
  soniq_model *opened = NULL;
  soniq_model_options options = SONIQ_MODEL_OPTIONS_INIT;
  options.flags = SONIQ_MODEL_COPY;
  REQUIRE(soniq_model_open_memory(&opened, bytes, byte_count, &options, NULL) == SONIQ_OK);
  soniq_model_destroy(opened);
}

// The first session of a model, which makes what all sessions share; the model is destroyed first or last, in turn.
static void open_and_create(void) {
  static int is_model_first;
  soniq_model *opened = NULL;
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  options.thread_count = 1;
  REQUIRE(soniq_model_open(&opened, path, NULL, NULL) == SONIQ_OK);
  REQUIRE(soniq_session_create(&session, opened, &options, NULL) == SONIQ_OK);
  is_model_first = !is_model_first;
  if (is_model_first) soniq_model_destroy(opened);
  soniq_session_destroy(session);
  if (!is_model_first) soniq_model_destroy(opened);
}

static void create(uint32_t threads) {
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  options.thread_count = threads;
  REQUIRE(soniq_session_create(&session, model, &options, NULL) == SONIQ_OK);
  soniq_session_destroy(session);
}

static void create_serial(void) { create(1); }
static void create_threaded(void) { create(2); }

static void pack(void) {
  float weights[256] = {1}, input[16] = {1}, output[16];
  soniq_matrix *matrix = NULL;
  REQUIRE(soniq_matrix_pack(&matrix, weights, 16, 16, NULL, NULL) == SONIQ_OK);
  REQUIRE(soniq_matrix_multiply(matrix, input, 0, 1, output, 0, NULL) == SONIQ_OK);
  soniq_matrix_destroy(matrix);
}

static void fail(void) {
  soniq_error *error = NULL;
  soniq_model *opened = NULL;
  uint32_t index;
  REQUIRE(soniq_model_open(&opened, "/nowhere/model.soniq", NULL, &error) == SONIQ_ERROR_IO);
  soniq_error_destroy(error);
  REQUIRE(soniq_model_open_memory(&opened, bytes, byte_count / 2, NULL, &error) != SONIQ_OK);
  soniq_error_destroy(error);
  REQUIRE(soniq_model_input_index(model, "no such input", &index, &error) == SONIQ_ERROR_NOT_FOUND);
  soniq_error_destroy(error);
}

static void soak(const char *name, void (*cycle)(void), long cycles) {
  long resident, address_space;
  for (long index = 0; index < WARM_UP; index++) cycle();
  resident = process_status("RssAnon:");
  address_space = process_status("VmSize:");
  for (long index = 0; index < cycles; index++) cycle();
  resident = process_status("RssAnon:") - resident;
  address_space = process_status("VmSize:") - address_space;
  printf("%s: %ld cycles, %+ld kB resident, %+ld kB of address space\n", name, cycles, resident, address_space);
  if (machine_is_emulated()) {
    char what[120];
    snprintf(what, sizeof what, "what is left of %s: the emulator's memory grows by itself", name);
    check_skip(what);
    return;
  }
  CHECK(resident < MOST_RESIDENT_KB);
  CHECK(address_space < MOST_ADDRESS_SPACE_KB);
}

int main(int argc, char **argv) {
  long cycles = argc > 2 ? atol(argv[2]) : 2000;
  path = argv[1];
  bytes = read_file(path, &byte_count);
  if (bytes == NULL) return 2;
  CHECK(soniq_model_open(&model, path, NULL, NULL) == SONIQ_OK);
  soak("model from a file", open_file, cycles);
  soak("model from memory", open_memory, cycles);
  soak("model and its first session", open_and_create, cycles);
  soak("session of one thread", create_serial, cycles);
  soak("session of two threads", create_threaded, cycles);
  soak("matrix", pack, cycles);
  soak("errors", fail, cycles);
  soniq_model_destroy(model);
  free(bytes);
  return check_report();
}
