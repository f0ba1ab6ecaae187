// The library as a plug-in: loaded, used, unloaded, loaded again, twice at once, across fork; and what it must
// leave alone: signal handlers, signal stack, threads, standard output, the floating-point state.
// usage: loading MODEL LIBRARY      (this program is not linked with the library)
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <soniq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int passed, failed;
// Before the library is there: one, or more in an emulator.
static int threads_of_others;

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (condition) {                                                                \
      passed++;                                                                     \
    } else {                                                                        \
      failed++;                                                                     \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);       \
    }                                                                               \
  } while (0)

typedef struct {
  void *handle;
  soniq_status (*model_open)(soniq_model **, const char *, const soniq_model_options *, soniq_error **);
  void (*model_destroy)(soniq_model *);
  soniq_status (*session_create)(soniq_session **, const soniq_model *, const soniq_session_options *,
                                 soniq_error **);
  void (*session_destroy)(soniq_session *);
  soniq_status (*set_input)(soniq_session *, uint32_t, uint32_t, uint32_t, const int64_t *, const void *,
                            soniq_error **);
  soniq_status (*run)(soniq_session *, soniq_error **);
  soniq_status (*output)(soniq_session *, uint32_t, soniq_tensor *, soniq_error **);
} library;

static int find(library *lib, const char *name, void *place) {
  void *found = dlsym(lib->handle, name);
  memcpy(place, &found, sizeof found);
  return found != NULL;
}

static int load(library *lib, const char *path) {
  lib->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (lib->handle == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 0;
  }
  return find(lib, "soniq_model_open", &lib->model_open) & find(lib, "soniq_model_destroy", &lib->model_destroy) &
         find(lib, "soniq_session_create", &lib->session_create) &
         find(lib, "soniq_session_destroy", &lib->session_destroy) &
         find(lib, "soniq_session_set_input", &lib->set_input) & find(lib, "soniq_session_run", &lib->run) &
         find(lib, "soniq_session_output", &lib->output);
}

static int run_once(const library *lib, soniq_session *session, float *first) {
  static const int32_t ids[8] = {1, 5, 9, 2, 7, 3, 11, 4};
  const int64_t shape[2] = {2, 4};
  soniq_tensor output = SONIQ_TENSOR_INIT;
  if (lib->set_input(session, 0, SONIQ_INT32, 2, shape, ids, NULL) != SONIQ_OK) return 0;
  if (lib->run(session, NULL) != SONIQ_OK) return 0;
  if (lib->output(session, 0, &output, NULL) != SONIQ_OK) return 0;
  *first = *(const float *)output.data;
  return 1;
}

// Opens, runs on `threads` threads, closes everything.
static int use(const library *lib, const char *path, uint32_t threads, float *first) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_model *model = NULL;
  soniq_session *session = NULL;
  int good;
  options.thread_count = threads;
  good = lib->model_open(&model, path, NULL, NULL) == SONIQ_OK &&
         lib->session_create(&session, model, &options, NULL) == SONIQ_OK && run_once(lib, session, first);
  lib->session_destroy(session);
  lib->model_destroy(model);
  return good;
}

static int count_entries(const char *path) {
  DIR *directory = opendir(path);
  struct dirent *entry;
  int count = 0;
  if (directory == NULL) return -1;
  while ((entry = readdir(directory)) != NULL) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

static int signals_untouched(void) {
  const int numbers[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGTRAP, SIGQUIT, SIGPIPE, SIGTERM, SIGINT};
  struct sigaction action;
  stack_t stack;
  sigset_t blocked;
  size_t i;
  for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL) return 0;
  }
  if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE)) return 0;
  if (sigprocmask(SIG_SETMASK, NULL, &blocked) != 0) return 0;
  for (i = 1; i < 32; i++) {
    if (sigismember(&blocked, (int)i)) return 0;
  }
  return 1;
}

static int mapped(const char *name) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int found = 0;
  if (maps == NULL) return -1;
  while (fgets(line, sizeof line, maps) != NULL) found |= strstr(line, name) != NULL;
  fclose(maps);
  return found;
}

static int copy_file(const char *from, const char *to) {
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  char block[65536];
  size_t count;
  int good = in != NULL && out != NULL;
  while (good && (count = fread(block, 1, sizeof block, in)) > 0) good = fwrite(block, 1, count, out) == count;
  if (in != NULL) fclose(in);
  if (out != NULL) good &= fclose(out) == 0;
  return good;
}

static void reopening(const char *model, const char *path) {
  library lib;
  float first[3] = {0};
  int round;
  for (round = 0; round < 3; round++) {
    CHECK(load(&lib, path));
    CHECK(use(&lib, model, 2, &first[round]));
    CHECK(count_entries("/proc/self/task") == threads_of_others);
    CHECK(signals_untouched());
    CHECK(dlclose(lib.handle) == 0);
    CHECK(mapped("libsoniq") == 0);
  }
  CHECK(first[0] != 0 && first[0] == first[1] && first[1] == first[2]);
}

static void two_copies(const char *model, const char *path) {
  library one, two;
  char copy[] = "/tmp/soniq-copy-XXXXXX";
  float first[2] = {0};
  int descriptor = mkstemp(copy);
  CHECK(descriptor >= 0 && close(descriptor) == 0 && copy_file(path, copy));
  CHECK(load(&one, path) && load(&two, copy));
  CHECK(one.handle != two.handle && one.run != two.run);
  CHECK(use(&one, model, 2, &first[0]) && use(&two, model, 2, &first[1]) && first[0] == first[1]);
  CHECK(dlclose(one.handle) == 0 && use(&two, model, 1, &first[0]) && dlclose(two.handle) == 0);
  CHECK(unlink(copy) == 0);
}

// The child uses a serial session of its parent, and makes threads of its own.
static void forking(const char *model, const char *path) {
  library lib;
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_model *parent_model = NULL;
  soniq_session *session = NULL;
  float before = 0, after = 0;
  int status = -1;
  pid_t child;
  CHECK(load(&lib, path));
  CHECK(use(&lib, model, 2, &before));
  options.thread_count = 1;
  CHECK(lib.model_open(&parent_model, model, NULL, NULL) == SONIQ_OK);
  CHECK(lib.session_create(&session, parent_model, &options, NULL) == SONIQ_OK);
  child = fork();
  if (child == 0) {
    float old_session = 0, new_session = 0;
    alarm(30);
    _exit(run_once(&lib, session, &old_session) && use(&lib, model, 2, &new_session) && old_session == before &&
                  new_session == before
              ? 0
              : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(run_once(&lib, session, &after) && after == before);
  lib.session_destroy(session);
  lib.model_destroy(parent_model);
  CHECK(dlclose(lib.handle) == 0);
}

// Whatever the host's rounding mode is, it stays, and the results do not depend on it.
static void float_state(const char *model, const char *path) {
  library lib;
  float nearest = 0, upward = 0;
  int rounding;
  CHECK(load(&lib, path));
  CHECK(use(&lib, model, 1, &nearest));
  fesetround(FE_UPWARD);
  CHECK(use(&lib, model, 1, &upward));
  rounding = fegetround();
  fesetround(FE_TONEAREST);
  CHECK(rounding == FE_UPWARD && nearest == upward);
  CHECK(dlclose(lib.handle) == 0);
}

typedef struct {
  library *lib;
  const char *model;
  int good;
  sem_t used, unloaded;
} guest;

static void *use_and_stay(void *context) {
  guest *self = context;
  float first = 0;
  self->good = use(self->lib, self->model, 2, &first);
  sem_post(&self->used);
  sem_wait(&self->unloaded);
  return NULL;
}

// A thread that used the library ends after the library is gone: nothing of it may be called any more.
static void outliving_threads(const char *model, const char *path) {
  int round;
  for (round = 0; round < 3; round++) {
    library lib;
    guest self = {0};
    pthread_t thread;
    self.lib = &lib;
    self.model = model;
    CHECK(load(&lib, path) && sem_init(&self.used, 0, 0) == 0 && sem_init(&self.unloaded, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, use_and_stay, &self) == 0);
    sem_wait(&self.used);
    CHECK(self.good && dlclose(lib.handle) == 0 && mapped("libsoniq") == 0);
    sem_post(&self.unloaded);
    CHECK(pthread_join(thread, NULL) == 0);
  }
}

int main(int argc, char **argv) {
  char captured[] = "/tmp/soniq-output-XXXXXX";
  struct stat printed;
  int out, saved[2], files, i;
  if (argc != 3) return 2;
  // Everything is captured while the library is at work; our own complaints too, shown at the end.
  out = mkstemp(captured);
  for (i = 0; i < 2; i++) saved[i] = dup(i + 1);
  fflush(NULL);
  dup2(out, 1);
  dup2(out, 2);
  files = count_entries("/proc/self/fd");
  threads_of_others = count_entries("/proc/self/task");
  reopening(argv[1], argv[2]);
  two_copies(argv[1], argv[2]);
  forking(argv[1], argv[2]);
  float_state(argv[1], argv[2]);
  outliving_threads(argv[1], argv[2]);
  CHECK(count_entries("/proc/self/fd") == files);
  fflush(NULL);
  for (i = 0; i < 2; i++) dup2(saved[i], i + 1);
  CHECK(fstat(out, &printed) == 0 && printed.st_size == 0);
  if (printed.st_size > 0) {
    char text[4096];
    ssize_t count = pread(out, text, sizeof text, 0);
    if (count > 0) fwrite(text, 1, (size_t)count, stderr);
  }
  close(out);
  unlink(captured);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0 || passed == 0;
}
