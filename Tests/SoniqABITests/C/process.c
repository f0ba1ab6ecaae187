// The process that the library is a guest in: its threads take no signal of the host, a sandbox that refuses system
// calls gets a status and no more, and after fork each side has what soniq.h says.
// usage: process MODEL
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "any_model.h"
#include "read_files.h"

static const char *path;
enum { skipped = 77 };

// What a host and its libraries may have: the system takes it from the stack of every thread.
static __thread volatile char thread_local_memory[2 << 20];

static soniq_session *make_session(const soniq_model *model, uint32_t threads, soniq_status *status) {
  soniq_session_options options = SONIQ_SESSION_OPTIONS_INIT;
  soniq_session *session = NULL;
  soniq_error *error = NULL;
  options.thread_count = threads;
  *status = soniq_session_create(&session, model, &options, &error);
  soniq_error_destroy(error);
  return session;
}

// Threads that were there before the library made any: the first, and an emulator's own.
static long former_tasks[8];
static int former_task_count;

static int is_former(long task) {
  int i;
  for (i = 0; i < former_task_count; i++) {
    if (former_tasks[i] == task) return 1;
  }
  return 0;
}

static void note_former_tasks(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  if (tasks == NULL) return;
  while ((entry = readdir(tasks)) != NULL) {
    if (entry->d_name[0] != '.' && former_task_count < 8) former_tasks[former_task_count++] = atol(entry->d_name);
  }
  closedir(tasks);
}

// Threads that the library has made, and how many of them leave one of the host's signals open.
static void look_at_workers(int *workers, int *open_to_signals) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  *workers = *open_to_signals = 0;
  if (tasks == NULL) return;
  while ((entry = readdir(tasks)) != NULL) {
    char name[300], line[256];
    FILE *status;
    unsigned long long blocked = 0;
    if (entry->d_name[0] == '.' || is_former(atol(entry->d_name))) continue;
    snprintf(name, sizeof name, "/proc/self/task/%.200s/status", entry->d_name);
    status = fopen(name, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
      if (strncmp(line, "SigBlk:", 7) == 0) blocked = strtoull(line + 7, NULL, 16);
    }
    if (status == NULL) continue;
    fclose(status);
    ++*workers;
    // Bit n - 1 is signal n. KILL and STOP cannot be blocked, 32 and 33 are the C library's.
    blocked |= 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 3ull << 31;
    *open_to_signals += ~blocked != 0;
  }
  closedir(tasks);
}

// The same, when there are as many as expected: the system may list a thread that has been joined a little longer.
static void count_workers(int expected_count, int *workers, int *open_to_signals) {
  const struct timespec pause = {0, 1000000};
  int i;
  for (i = 0; i < 5000; i++) {
    look_at_workers(workers, open_to_signals);
    if (*workers == expected_count) return;
    nanosleep(&pause, NULL);
  }
}

static pthread_t main_thread;
static volatile sig_atomic_t handled, handled_elsewhere;

static void on_signal(int number) {
  (void)number;
  handled++;
  handled_elsewhere += !pthread_equal(pthread_self(), main_thread);
}

static void signals(const soniq_model *model) {
  struct sigaction action, former;
  sigset_t before, after;
  soniq_status status;
  soniq_session *session;
  int workers = 0, open = 0, i;
  main_thread = pthread_self();
  memset(&before, 0, sizeof before);
  memset(&after, 0, sizeof after);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  CHECK(sigaction(SIGUSR1, &action, &former) == 0 && sigprocmask(SIG_SETMASK, NULL, &before) == 0);
  session = make_session(model, 4, &status);
  CHECK(status == SONIQ_OK && any_set_inputs(model, session, 8) == SONIQ_OK);
  CHECK(soniq_session_run(session, NULL) == SONIQ_OK);
  count_workers(3, &workers, &open);
  CHECK(workers == 3);
  if (machine_is_emulated()) {
    check_skip("signals that workers block: the emulator keeps the masks to itself");
  } else {
    CHECK(open == 0);
  }
  for (i = 0; i < 200; i++) {
    kill(getpid(), SIGUSR1);
    if (soniq_session_run(session, NULL) != SONIQ_OK) break;
  }
  CHECK(i == 200 && handled > 0 && handled_elsewhere == 0);
  CHECK(sigprocmask(SIG_SETMASK, NULL, &after) == 0 && memcmp(&before, &after, sizeof before) == 0);
  soniq_session_destroy(session);
  count_workers(0, &workers, &open);
  CHECK(workers == 0);
  CHECK(sigaction(SIGUSR1, &former, &action) == 0 && action.sa_handler == on_signal);
}

// What the model gives, found by a child for all: this process does not use the library before it makes the others,
// so that they use it for the first time in their sandbox.
typedef struct {
  size_t size;
  unsigned char bytes[ANY_OUTPUT_BYTES];
} answer;
static answer *expected;
static unsigned char found[ANY_OUTPUT_BYTES];

static int same_outputs(const soniq_model *model, soniq_session *session) {
  return any_outputs(model, session, found) == expected->size && memcmp(found, expected->bytes, expected->size) == 0;
}

static void find_answer(void) {
  soniq_model *model = NULL;
  soniq_session *session;
  soniq_status status;
  pid_t child;
  int result = -1;
  expected = mmap(NULL, sizeof *expected, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (expected == MAP_FAILED) abort();
  fflush(NULL);
  child = fork();
  if (child == 0) {
    if (soniq_model_open(&model, path, NULL, NULL) != SONIQ_OK) _exit(1);
    session = make_session(model, 1, &status);
    if (status != SONIQ_OK || any_set_inputs(model, session, 8) != SONIQ_OK) _exit(2);
    if (soniq_session_run(session, NULL) != SONIQ_OK) _exit(3);
    expected->size = any_outputs(model, session, expected->bytes);
    _exit(0);
  }
  CHECK(child > 0 && waitpid(child, &result, 0) == child && result == 0 && expected->size > 0);
}

// Refuses some system calls with an error from now on.
static int refuse(const int *calls, size_t count, int error_number) {
  struct sock_filter code[32];
  struct sock_fprog program;
  size_t used = 0, i;
  const struct sock_filter load = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_filter deny =
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error_number & SECCOMP_RET_DATA));
  code[used++] = load;
  for (i = 0; i < count; i++) {
    const struct sock_filter skip = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
    code[used++] = skip;
    code[used++] = deny;
  }
  code[used++] = allow;
  program.len = (unsigned short)used;
  program.filter = code;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

typedef struct {
  const char *name;
  int calls[6];
  size_t count;
  int error_number;
  int opens_files;     // whether a file can still be opened
  int starts_threads;  // whether threads can still be started
} sandbox;

// Newer architectures never had these.
#ifndef SYS_open
#define SYS_open SYS_openat
#endif
#ifndef SYS_readlink
#define SYS_readlink SYS_readlinkat
#endif
#ifndef SYS_getrlimit
#define SYS_getrlimit SYS_prlimit64
#endif

static const sandbox sandboxes[] = {
    {"no affinity", {SYS_sched_getaffinity, SYS_sched_setaffinity}, 2, EPERM, 1, 1},
    {"an old kernel", {SYS_clone3, SYS_statx, SYS_membarrier}, 3, ENOSYS, 1, 1},
    {"no names of threads", {SYS_prctl}, 1, EPERM, 1, 1},
    {"no threads", {SYS_clone, SYS_clone3}, 2, EPERM, 1, 0},
    {"no advice on memory", {SYS_madvise}, 1, EPERM, 1, 1},
    {"no files", {SYS_openat, SYS_open, SYS_readlink, SYS_readlinkat}, 4, EACCES, 0, 1},
    {"no random numbers", {SYS_getrandom}, 1, ENOSYS, 1, 1},
    {"no clocks", {SYS_clock_gettime, SYS_clock_getres}, 2, EPERM, 1, 1},
    {"no limits", {SYS_prlimit64, SYS_getrlimit, SYS_sysinfo}, 3, EPERM, 1, 1},
};

// 0 when everything is as it should be, else the number of the check that failed.
static int guest_of(const sandbox *box, const void *bytes, size_t size) {
  const uint32_t threads[] = {1, 3, 0};
  soniq_model *model = NULL;
  soniq_error *error = NULL;
  soniq_status status;
  size_t i;
  if (!refuse(box->calls, box->count, box->error_number)) return skipped;
  status = soniq_model_open(&model, path, NULL, &error);
  soniq_error_destroy(error);
  if (status != (box->opens_files ? SONIQ_OK : SONIQ_ERROR_IO)) return 1;
  soniq_model_destroy(model);
  if (soniq_model_open_memory(&model, bytes, size, NULL, NULL) != SONIQ_OK) return 2;
  for (i = 0; i < 3; i++) {
    soniq_session *session = make_session(model, threads[i], &status);
    // Without a number of threads, as many as there are CPUs: one on some machines.
    if (!box->starts_threads && threads[i] != 1 && status == SONIQ_ERROR_IO && session == NULL) continue;
    if (status != SONIQ_OK) return 3;
    if (!box->starts_threads && threads[i] > 1) return 4;
    if (any_set_inputs(model, session, 8) != SONIQ_OK || soniq_session_run(session, NULL) != SONIQ_OK) return 5;
    if (!same_outputs(model, session)) return 6;
    soniq_session_destroy(session);
  }
  soniq_model_destroy(model);
  return 0;
}

static void in_sandboxes(const void *bytes, size_t size) {
  size_t i;
  for (i = 0; i < sizeof sandboxes / sizeof *sandboxes; i++) {
    int status = -1;
    pid_t child;
    fflush(NULL);
    child = fork();
    if (child == 0) {
      alarm(60);
      _exit(guest_of(&sandboxes[i], bytes, size));
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == skipped) {
      char name[80];
      snprintf(name, sizeof name, "sandbox with %s: no system call can be refused here", sandboxes[i].name);
      check_skip(name);
      continue;
    }
    if (status != 0) fprintf(stderr, "sandbox with %s: status %x\n", sandboxes[i].name, (unsigned)status);
    CHECK(status == 0);
  }
}

// A child may destroy what its parent made, sessions with threads too, and the parent's go on.
static void forked(const soniq_model *model) {
  soniq_status status;
  soniq_session *session = make_session(model, 3, &status);
  uint32_t threads = 3;
  pid_t child;
  int result = -1;
  CHECK(status == SONIQ_OK && any_set_inputs(model, session, 8) == SONIQ_OK);
  CHECK(soniq_session_run(session, NULL) == SONIQ_OK && same_outputs(model, session));
  if (machine_is_emulated()) {
    check_skip("threads of a child of a process with threads: they end the emulator");
    threads = 1;
  }
  fflush(NULL);
  child = fork();
  if (child == 0) {
    soniq_session *own;
    alarm(60);
    soniq_session_destroy(session);
    own = make_session(model, threads, &status);
    if (status != SONIQ_OK || any_set_inputs(model, own, 8) != SONIQ_OK) _exit(1);
    if (soniq_session_run(own, NULL) != SONIQ_OK || !same_outputs(model, own)) _exit(2);
    soniq_session_destroy(own);
    _exit(0);
  }
  CHECK(child > 0 && waitpid(child, &result, 0) == child && result == 0);
  CHECK(soniq_session_run(session, NULL) == SONIQ_OK && same_outputs(model, session));
  soniq_session_destroy(session);
}

int main(int argc, char **argv) {
  soniq_model *model = NULL;
  size_t size = 0;
  void *bytes;
  if (argc != 2) return 2;
  path = argv[1];
  any_fill();
  note_former_tasks();
  bytes = read_file(path, &size);
  CHECK(bytes != NULL && size > 0);
  thread_local_memory[0] = 1;
  find_answer();
  in_sandboxes(bytes, size);
  OK(soniq_model_open(&model, path, NULL, &error));
  if (model == NULL) return check_report();
  signals(model);
  forked(model);
  soniq_model_destroy(model);
  free(bytes);
  return check_report();
}
