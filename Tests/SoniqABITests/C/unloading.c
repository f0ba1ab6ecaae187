// A library that is loaded, used and unloaded over and over leaves next to nothing, and threads may meet it for the first
// time when there is no memory.
// usage: unloading MODEL LIBRARY
#define _GNU_SOURCE
#include "failing_memory.h"

#include <pthread.h>

enum { WARM_UP = 20, CYCLES = 100, MOST_RESIDENT_KB_EACH = 40, MOST_ADDRESS_SPACE_KB = 16 * 1024 };

static const char *model_path, *library_path;
static void *library;

static soniq_status (*open_model)(soniq_model **, const char *, const soniq_model_options *, soniq_error **);
static void (*destroy_model)(soniq_model *);
static soniq_status (*create_session)(soniq_session **, const soniq_model *, const soniq_session_options *, soniq_error **);
static void (*destroy_session)(soniq_session *);

static void symbol(const char *name, void *place) {
  void *found = dlsym(library, name);
  if (found == NULL) exit(2);
  memcpy(place, &found, sizeof found);
}

static void load(void) {
  library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) exit(2);
  symbol("soniq_model_open", &open_model);
  symbol("soniq_model_destroy", &destroy_model);
  symbol("soniq_session_create", &create_session);
  symbol("soniq_session_destroy", &destroy_session);
}

static void use_and_unload(void) {
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  options.thread_count = 2;
  load();
  if (open_model(&model, model_path, NULL, NULL) != SONIQ_OK) CHECK(0 && "open");
  if (create_session(&session, model, &options, NULL) != SONIQ_OK) CHECK(0 && "create");
  destroy_session(session);
  destroy_model(model);
  CHECK(dlclose(library) == 0);
}

static long mapping_count(void) {
  long count = 0;
  int letter;
  FILE *file = fopen("/proc/self/maps", "r");
  while (file && (letter = fgetc(file)) != EOF) count += letter == '\n';
  if (file) fclose(file);
  return count;
}

static void test_cycles(void) {
  long resident, address_space, mappings, i;
  for (i = 0; i < WARM_UP; i++) use_and_unload();
  resident = process_status("RssAnon:");
  address_space = process_status("VmSize:");
  mappings = mapping_count();
  for (i = 0; i < CYCLES; i++) use_and_unload();
  resident = process_status("RssAnon:") - resident;
  address_space = process_status("VmSize:") - address_space;
  mappings = mapping_count() - mappings;
  printf("%d cycles leave %ld kB of memory, %ld kB of address space, %ld mappings\n", CYCLES, resident, address_space,
         mappings);
  CHECK(mappings < CYCLES / 2);
  if (machine_is_emulated()) {
    check_skip("memory that is left by loading: the emulator's grows by itself");
    return;
  }
  CHECK(resident < CYCLES * MOST_RESIDENT_KB_EACH);
  CHECK(address_space < MOST_ADDRESS_SPACE_KB);
}

static long point;
static soniq_status thread_status;

static void *open_without_memory(void *unused) {
  soniq_model *model = NULL;
  (void)unused;
  begin_failing(FAIL_MALLOC_FROM, point);
  thread_status = open_model(&model, model_path, NULL, NULL);
  end_failing();
  if (model) destroy_model(model);
  return NULL;
}

// Neither the library nor the C++ library, which comes with it, has thread-local storage for such a thread yet.
static void test_new_threads(void) {
  int refused = 0;
  for (point = 1; point <= 60; point++) {
    pthread_t thread;
    load();
    if (pthread_create(&thread, NULL, open_without_memory, NULL) != 0) exit(2);
    pthread_join(thread, NULL);
    CHECK(thread_status == SONIQ_OK || thread_status == SONIQ_ERROR_OUT_OF_MEMORY);
    refused += thread_status != SONIQ_OK;
    CHECK(dlclose(library) == 0);
  }
  printf("%d of 60 calls refused\n", refused);
  CHECK(refused > 0);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  model_path = argv[1];
  library_path = argv[2];
  test_cycles();
  test_new_threads();
  return check_report();
}
