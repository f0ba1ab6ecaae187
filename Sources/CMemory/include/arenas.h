// Arenas: memory that belongs to one object and is given back whole. Safe from any thread.
#ifndef SONIQ_ARENAS_H
#define SONIQ_ARENAS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct snq_arena snq_arena;

// A new arena, NULL when there is no memory for one. jemalloc knows 4095 arenas; those made beyond them, or
// where it cannot be set up, take whole pages from the system for each allocation.
snq_arena *snq_arena_create(void);

// Gives every page of the arena back. All its memory must have been freed.
void snq_arena_destroy(snq_arena *arena);

// size > 0; alignment: a power of two. NULL when there is no memory.
void *snq_arena_allocate(snq_arena *arena, size_t size, size_t alignment);

// size and alignment as asked for.
void snq_arena_free(snq_arena *arena, void *memory, size_t size);

// Bytes of the arena's mappings, bookkeeping included, and how many of them are in physical memory now.
void snq_arena_measure(snq_arena *arena, size_t *mapped, size_t *resident);

// How often the process and those before it were forked since the library was loaded: threads that were at work in the
// library when the number was another one are not there any more.
uint32_t snq_fork_count(void);

// Whether the arena is one of jemalloc's, for tests.
bool snq_arena_is_jemalloc(const snq_arena *arena);

// The version of the private jemalloc, "" when it does not say. Static text.
const char *snq_jemalloc_version(void);

#endif
