#ifndef SONIQ_RESERVE_INTERNAL_H
#define SONIQ_RESERVE_INTERNAL_H
#include <stdbool.h>
#include <stddef.h>

// Blocks that are in use in any reserve or in the pool: almost always 0.
extern size_t snq_reserve_live;

// From a reserve of the calling thread or from the pool; NULL when neither has enough.
void *snq_reserve_take(size_t size, size_t alignment);
// Whether the memory is of a reserve or the pool.
bool snq_reserve_holds(const void *memory);
// Gives it back there; false when it is from elsewhere.
bool snq_reserve_give(void *memory);

#endif
