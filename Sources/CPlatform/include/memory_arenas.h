// The private, prefixed jemalloc: what SoniqMemory needs of it, declared here so that no jemalloc header
// is needed to build the callers. Flags as in jemalloc 5's public header.
#ifndef SONIQ_MEMORY_ARENAS_H
#define SONIQ_MEMORY_ARENAS_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void *sqje_mallocx(size_t size, int flags);
void sqje_dallocx(void *pointer, int flags);
int sqje_mallctl(const char *name, void *oldValue, size_t *oldLength, void *newValue, size_t newLength);

// jemalloc's key for what a thread keeps, and where its messages go (stderr when NULL).
extern pthread_key_t sqje_p_je_tsd_tsd;
extern void (*sqje_malloc_message)(void *context, const char *text);

static inline void snq_no_message(void *context, const char *text) { (void)context, (void)text; }

// Before the library's code goes: threads that used it must not run jemalloc's destructor when they end. At
// the end of a process a thread may still begin to use jemalloc; it then has no key, which is no news.
static inline void snq_arenas_unload(void) {
  sqje_malloc_message = snq_no_message;
  pthread_key_delete(sqje_p_je_tsd_tsd);
}

// MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(alignment); alignment is a power of two.
static inline int snq_arena_flags(unsigned arena, size_t alignment) {
  int logarithm = __builtin_ctzll((unsigned long long)alignment);
  return (int)((arena + 1u) << 20) | (1 << 8) | logarithm;
}

// MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(alignment) with `size` > 0. Null on failure.
static inline void *snq_arena_allocate(unsigned arena, size_t size, size_t alignment) {
  return sqje_mallocx(size, snq_arena_flags(arena, alignment));
}

static inline void snq_arena_free(unsigned arena, void *pointer) {
  sqje_dallocx(pointer, snq_arena_flags(arena, 1));
}

// A new arena of its own; false when jemalloc refuses.
static inline bool snq_arena_create(unsigned *arena) {
  size_t length = sizeof *arena;
  return sqje_mallctl("arenas.create", arena, &length, NULL, 0) == 0;
}

// Gives every page of the arena back. All its memory must have been given up.
static inline bool snq_arena_destroy(unsigned arena) {
  char name[48];
  snprintf(name, sizeof name, "arena.%u.destroy", arena);
  return sqje_mallctl(name, NULL, NULL, NULL, 0) == 0;
}

typedef struct {
  size_t allocated;  // bytes handed out
  size_t active;     // bytes in pages in use
  size_t resident;   // bytes of physical memory, bookkeeping included
} snq_arena_statistics;

static inline bool snq_arena_read(unsigned arena, const char *field, size_t *value) {
  char name[64];
  size_t length = sizeof *value;
  snprintf(name, sizeof name, "stats.arenas.%u.%s", arena, field);
  return sqje_mallctl(name, value, &length, NULL, 0) == 0;
}

static inline bool snq_arena_statistics_read(unsigned arena, snq_arena_statistics *statistics) {
  uint64_t epoch = 1;
  size_t length = sizeof epoch;
  size_t small = 0, large = 0, pages = 0, resident = 0, page = 0;
  size_t pageLength = sizeof page;
  if (sqje_mallctl("epoch", &epoch, &length, &epoch, sizeof epoch) != 0) return false;
  if (sqje_mallctl("arenas.page", &page, &pageLength, NULL, 0) != 0) return false;
  if (!snq_arena_read(arena, "small.allocated", &small)) return false;
  if (!snq_arena_read(arena, "large.allocated", &large)) return false;
  if (!snq_arena_read(arena, "pactive", &pages)) return false;
  if (!snq_arena_read(arena, "resident", &resident)) return false;
  statistics->allocated = small + large;
  statistics->active = pages * page;
  statistics->resident = resident;
  return true;
}

#endif
