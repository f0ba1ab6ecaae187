// Functions of a soniq_allocator that count, and refuse from the call `allowed_allocations` on.
#ifndef SONIQ_TEST_HOST_MEMORY_H
#define SONIQ_TEST_HOST_MEMORY_H

#include <stdlib.h>

static size_t allocations, held, allowed_allocations;
static void *allocate(void *context, size_t size, size_t alignment) {
  void *memory = NULL;
  (void)context;
  if (allocations == allowed_allocations) return NULL;
  if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) != 0) return NULL;
  allocations++;
  held += size;
  return memory;
}
static void release(void *context, void *memory, size_t size) {
  (void)context;
  held -= size;
  free(memory);
}

#endif
