// Memory for the small objects of a call when the process has none left.
//
// Swift ends the process when an object cannot be allocated, so no allocation of it may fail. A call that makes
// objects therefore takes a reserve before it begins: address space, which becomes memory only where it is used. In
// libsoniq.so the allocation functions of the C library are wrapped (see Package.swift): what they cannot give comes
// from the reserve of the calling thread. A reserve stays mapped as long as something of it is in use. Calls that make
// hardly anything, such as the text of an error, have a small pool for all of them.
#ifndef SONIQ_RESERVE_H
#define SONIQ_RESERVE_H
#include <stdbool.h>
#include <stddef.h>

typedef struct snq_reserve snq_reserve;

// Takes a reserve for the calling thread, beside those that it has. NULL when there is not so much memory.
snq_reserve *snq_reserve_begin(size_t byteCount);

// Ends the reserve and those that the thread has begun since.
void snq_reserve_end(snq_reserve *reserve);

// One more reserve for the calling thread, which ends with the one it has. True where it has none: then the
// functions are not wrapped, or nobody counts on a reserve.
bool snq_reserve_grow(size_t byteCount);

// malloc that is never served from a reserve, for what can do without, and free for it.
void *snq_allocate(size_t byteCount);
void snq_release(void *memory);

// For tests: reserves that are mapped now, and allocations that were served from any of them or the pool since the
// library was loaded.
void snq_reserve_counts(size_t *mapped, size_t *served);

// Holds off everybody else, for fork.
void snq_reserve_lock(void);
void snq_reserve_unlock(void);

#endif
