#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arenas.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jemalloc_system.h"
#include "mappings.h"
#include "reserve.h"

// The private, prefixed jemalloc: what is needed of it, declared here so that no header of it is needed. Flags and
// hooks as in the public header of jemalloc 5.
void *sqje_mallocx(size_t size, int flags);
void sqje_dallocx(void *pointer, int flags);
int sqje_mallctl(const char *name, void *oldValue, size_t *oldLength, void *newValue, size_t newLength);
extern void (*sqje_malloc_message)(void *context, const char *text);

typedef struct extent_hooks extent_hooks;
struct extent_hooks {
  void *(*allocate)(extent_hooks *, void *, size_t, size_t, bool *, bool *, unsigned);
  bool (*deallocate)(extent_hooks *, void *, size_t, bool, unsigned);
  void (*destroy)(extent_hooks *, void *, size_t, bool, unsigned);
  // What jemalloc does without: commit, decommit, purge_lazy, purge_forced, split, merge.
  void *unused[6];
};

struct snq_arena {
  extent_hooks hooks;  // first: hooks are cast to their arena
  snq_mapping *mappings;
  unsigned index;
  bool isJemalloc;
};

// jemalloc is never entered by two threads, and the records of mappings are as plain as they look.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t liveArenas;
static bool isUnloaded;

static void enter(void) { pthread_mutex_lock(&lock); }
static void leave(void) { pthread_mutex_unlock(&lock); }

// A child process must find none of the locks held by a thread that it does not have.
static void before_fork(void) {
  enter();
  snq_reserve_lock();
}

static void after_fork(void) {
  snq_reserve_unlock();
  leave();
}

static uint32_t fork_count;

static void after_fork_in_child(void) {
  fork_count++;
  after_fork();
}

uint32_t snq_fork_count(void) { return fork_count; }

static void no_message(void *context, const char *text) { (void)context, (void)text; }

// Before jemalloc's own constructor, which could have something to say.
__attribute__((constructor(101))) static void start(void) {
  sqje_malloc_message = no_message;
  (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

// Runs at dlclose, and at the end of a process, where threads may still be at work: then there are arenas.
__attribute__((destructor(101))) static void unload(void) {
  enter();
  if (liveArenas == 0 && !isUnloaded) {
    isUnloaded = true;
    snq_jemalloc_unmap();
    snq_mapping_forget_records();
  }
  leave();
}

static void *extent_allocate(
    extent_hooks *hooks, void *address, size_t size, size_t alignment, bool *zero, bool *commit, unsigned index) {
  (void)index;
  void *memory = address ? NULL : snq_mapping_add(&((snq_arena *)hooks)->mappings, size, alignment);
  if (memory) *zero = *commit = true;
  return memory;
}

static bool extent_deallocate(extent_hooks *hooks, void *address, size_t size, bool committed, unsigned index) {
  (void)committed, (void)index;
  return !snq_mapping_remove(&((snq_arena *)hooks)->mappings, address, size);
}

static void extent_destroy(extent_hooks *hooks, void *address, size_t size, bool committed, unsigned index) {
  (void)extent_deallocate(hooks, address, size, committed, index);
}

snq_arena *snq_arena_create(void) {
  snq_arena *arena = snq_allocate(sizeof *arena);
  if (!arena) return NULL;
  *arena = (snq_arena){.hooks = {extent_allocate, extent_deallocate, extent_destroy, {NULL}}};
  extent_hooks *hooks = &arena->hooks;
  size_t length = sizeof arena->index;
  enter();
  bool isLoaded = !isUnloaded;
  if (isLoaded) {
    liveArenas++;
    arena->isJemalloc = sqje_mallctl("arenas.create", &arena->index, &length, &hooks, sizeof hooks) == 0;
  }
  leave();
  if (isLoaded) return arena;
  snq_release(arena);
  return NULL;
}

void snq_arena_destroy(snq_arena *arena) {
  char name[48];
  snprintf(name, sizeof name, "arena.%u.destroy", arena->index);
  enter();
  if (arena->isJemalloc) (void)sqje_mallctl(name, NULL, NULL, NULL, 0);
  snq_mapping_remove_all(&arena->mappings);
  liveArenas--;
  leave();
  snq_release(arena);
}

// MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(alignment)
static int flags(const snq_arena *arena, size_t alignment) {
  return (int)((arena->index + 1u) << 20) | (1 << 8) | __builtin_ctzll((unsigned long long)alignment);
}

void *snq_arena_allocate(snq_arena *arena, size_t size, size_t alignment) {
  enter();
  void *memory = arena->isJemalloc ? sqje_mallocx(size, flags(arena, alignment))
                                   : snq_mapping_add(&arena->mappings, size, alignment);
  leave();
  return memory;
}

void snq_arena_free(snq_arena *arena, void *memory, size_t size) {
  enter();
  if (arena->isJemalloc)
    sqje_dallocx(memory, flags(arena, 1));
  else
    (void)snq_mapping_remove(&arena->mappings, memory, size);
  leave();
}

// Pages of one mapping that are in physical memory.
static size_t resident_bytes(const snq_mapping *mapping, size_t page) {
  unsigned char pages[4096];
  size_t resident = 0;
  for (size_t offset = 0; offset < mapping->length; offset += page * sizeof pages) {
    size_t rest = mapping->length - offset;
    size_t count = rest / page < sizeof pages ? rest / page : sizeof pages;
    if (mincore(mapping->start + offset, count * page, pages) != 0) return mapping->length;
    for (size_t index = 0; index < count; index++) resident += pages[index] & 1 ? page : 0;
  }
  return resident;
}

void snq_arena_measure(snq_arena *arena, size_t *mapped, size_t *resident) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  *mapped = *resident = 0;
  enter();
  for (const snq_mapping *mapping = arena->mappings; mapping; mapping = mapping->next) {
    *mapped += mapping->length;
    *resident += resident_bytes(mapping, page);
  }
  leave();
}

bool snq_arena_is_jemalloc(const snq_arena *arena) { return arena->isJemalloc; }

const char *snq_jemalloc_version(void) {
  const char *version = NULL;
  size_t length = sizeof version;
  enter();
  bool isKnown = !isUnloaded && sqje_mallctl("version", &version, &length, NULL, 0) == 0;
  leave();
  return isKnown && version ? version : "";
}
