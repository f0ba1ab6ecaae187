// Memory that is not there: every function of the C library's allocator is replaced here and can fail, as can mmap and
// the host's allocator that sessions and matrices are given, and the address space can be limited.
// Include in one file of a program; needs _GNU_SOURCE.
#ifndef SONIQ_TEST_FAILING_MEMORY_H
#define SONIQ_TEST_FAILING_MEMORY_H
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"
#include "read_files.h"

enum failing {
  FAIL_NOTHING,
  FAIL_MALLOC_ONCE,
  FAIL_MALLOC_FROM,
  FAIL_MAP_ONCE,
  FAIL_MAP_FROM,
  FAIL_HOOK_ONCE,
  FAIL_HOOK_FROM,
  FAIL_ADDRESS_SPACE
};

static volatile enum failing failing;
static volatile long failing_point;         // the number of the first call that fails
static volatile long malloc_calls, map_calls, hook_calls;  // while a call of the library is watched
static volatile int watching;
static volatile long live_blocks;  // of malloc and its kin
static volatile long live_hook_bytes;

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

// dlsym may allocate before it has found the real functions: it gets a little memory of ours.
static char early[8192];
static size_t early_used;

static void find(const char *name, void *place) {
  void *found = dlsym(RTLD_NEXT, name);
  memcpy(place, &found, sizeof found);
}

static int is_early(const void *memory) {
  return (const char *)memory >= early && (const char *)memory < early + sizeof early;
}

static int must_fail(volatile long *calls, enum failing once, enum failing from) {
  long number;
  if (!watching) return 0;
  number = __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED);
  return (failing == once && number == failing_point) || (failing == from && number >= failing_point);
}

static int malloc_must_fail(void) { return must_fail(&malloc_calls, FAIL_MALLOC_ONCE, FAIL_MALLOC_FROM); }

static void *counted(void *memory) {
  if (memory) __atomic_add_fetch(&live_blocks, 1, __ATOMIC_RELAXED);
  else errno = ENOMEM;
  return memory;
}

void *malloc(size_t size) {
  if (real_malloc == NULL) find("malloc", &real_malloc);
  return counted(malloc_must_fail() ? NULL : real_malloc(size));
}

void *calloc(size_t count, size_t size) {
  static int searching;
  if (real_calloc == NULL) {
    if (searching) {
      void *memory = early + early_used;
      early_used += (count * size + 15) & ~(size_t)15;
      return early_used <= sizeof early ? memory : NULL;
    }
    searching = 1;
    find("calloc", &real_calloc);
  }
  return counted(malloc_must_fail() ? NULL : real_calloc(count, size));
}

void *realloc(void *memory, size_t size) {
  if (real_realloc == NULL) find("realloc", &real_realloc);
  if (memory == NULL) return malloc(size);
  return malloc_must_fail() ? NULL : real_realloc(memory, size);
}

void free(void *memory) {
  if (memory == NULL || is_early(memory)) return;
  if (real_free == NULL) find("free", &real_free);
  __atomic_sub_fetch(&live_blocks, 1, __ATOMIC_RELAXED);
  real_free(memory);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  int status;
  if (real_posix_memalign == NULL) find("posix_memalign", &real_posix_memalign);
  status = malloc_must_fail() ? ENOMEM : real_posix_memalign(memory, alignment, size);
  if (status == 0) counted(*memory);
  return status;
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  if (real_mmap == NULL) find("mmap", &real_mmap);
  if (must_fail(&map_calls, FAIL_MAP_ONCE, FAIL_MAP_FROM)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real_mmap(address, length, protection, flags, descriptor, offset);
}

static void *hook_allocate(void *context, size_t size, size_t alignment) {
  void *memory = NULL;
  int was = watching;
  (void)context;
  if (must_fail(&hook_calls, FAIL_HOOK_ONCE, FAIL_HOOK_FROM)) return NULL;
  watching = 0;  // the host's own allocations do not count
  if (posix_memalign(&memory, alignment < 16 ? 16 : alignment, size) != 0) memory = NULL;
  watching = was;
  if (memory) __atomic_add_fetch(&live_hook_bytes, (long)size, __ATOMIC_RELAXED);
  return memory;
}

static void hook_release(void *context, void *memory, size_t size) {
  (void)context;
  __atomic_sub_fetch(&live_hook_bytes, (long)size, __ATOMIC_RELAXED);
  free(memory);
}

static const soniq_allocator hooks = {(uint32_t)sizeof(soniq_allocator), 0, NULL, hook_allocate, hook_release};

static void limit_address_space(long kilobytes) {
  struct rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = kilobytes < 0 ? limit.rlim_max : (rlim_t)kilobytes * 1024;
  setrlimit(RLIMIT_AS, &limit);
}

// From here to end_failing the library's allocations fail: from the point on, or at it. For the address space the
// point is what is left, in kB.
static void begin_failing(enum failing how, long point) {
  if (how == FAIL_ADDRESS_SPACE) limit_address_space(process_status("VmSize:") + point);
  malloc_calls = map_calls = hook_calls = 0;
  failing_point = point;
  failing = how;
  watching = 1;
}

static void end_failing(void) {
  watching = 0;
  if (failing == FAIL_ADDRESS_SPACE) limit_address_space(-1);
  failing = FAIL_NOTHING;
}

#endif
