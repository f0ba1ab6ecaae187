// A plain allocator in one piece of memory. Not safe by itself.
#ifndef SONIQ_RESERVE_BLOCKS_H
#define SONIQ_RESERVE_BLOCKS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNQ_BLOCK_CLASSES = 4 * 48 };

typedef struct {
  char *start;
  size_t length;
  size_t used;  // of `length`, from the start on; what is free in there is in the lists
  size_t live;  // blocks handed out
  void *unused[SNQ_BLOCK_CLASSES];
} snq_blocks;

void snq_blocks_start(snq_blocks *blocks, char *start, size_t length);

// size > 0, alignment: a power of two. NULL when it does not fit.
void *snq_blocks_allocate(snq_blocks *blocks, size_t size, size_t alignment);
void snq_blocks_free(snq_blocks *blocks, void *memory);

static inline bool snq_blocks_hold(const snq_blocks *blocks, const void *memory) {
  return (uintptr_t)memory - (uintptr_t)blocks->start < blocks->length;
}

// Bytes that may be used of a block.
size_t snq_block_size(const void *memory);

#endif
