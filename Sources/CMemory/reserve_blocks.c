#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reserve_blocks.h"

#include <sys/mman.h>

// Before every block that is handed out, which is aligned to 16 bytes at least.
typedef struct {
  uint64_t offset;  // from the start of the room to the block
  uint32_t class;
  uint32_t check;
} block_header;

enum { CHECK = 0x736e7172, GRAIN = 64, LARGE = 65536 };

// Rooms of 64 bytes and more, four sizes to a doubling.
static unsigned class_of(size_t size) {
  size_t units = (size + GRAIN - 1) / GRAIN;
  if (units < 8) return (unsigned)units;
  unsigned logarithm = 63u - (unsigned)__builtin_clzll(units);
  size_t step = (size_t)1 << (logarithm - 2);
  size_t quarter = (units - ((size_t)1 << logarithm) + step - 1) / step;
  return 8 + (logarithm - 3) * 4 + (unsigned)quarter;
}

static size_t class_size(unsigned class) {
  if (class < 8) return (size_t)class * GRAIN;
  unsigned logarithm = (class - 8) / 4 + 3, quarter = (class - 8) % 4;
  return (((size_t)1 << logarithm) + (quarter << (logarithm - 2))) * GRAIN;
}

void snq_blocks_start(snq_blocks *blocks, char *start, size_t length) {
  *blocks = (snq_blocks){.start = start, .length = length};
}

static char *take_room(snq_blocks *blocks, unsigned class) {
  void **list = &blocks->unused[class];
  if (*list) {
    char *room = *list;
    *list = *(void **)room;
    return room;
  }
  size_t size = class_size(class);
  if (size > blocks->length - blocks->used) return NULL;
  char *room = blocks->start + blocks->used;
  blocks->used += size;
  return room;
}

void *snq_blocks_allocate(snq_blocks *blocks, size_t size, size_t alignment) {
  if (alignment < 16) alignment = 16;
  size_t extra = sizeof(block_header) + alignment;
  if (size > blocks->length || extra > blocks->length - size) return NULL;
  unsigned class = class_of(size + extra);
  char *room = class < SNQ_BLOCK_CLASSES ? take_room(blocks, class) : NULL;
  if (!room) return NULL;
  uintptr_t first = (uintptr_t)room + sizeof(block_header);
  char *block = room + ((first + alignment - 1) / alignment * alignment - (uintptr_t)room);
  ((block_header *)block)[-1] = (block_header){(uint64_t)(block - room), class, CHECK};
  blocks->live++;
  return block;
}

void snq_blocks_free(snq_blocks *blocks, void *memory) {
  block_header *header = (block_header *)memory - 1;
  if (header->check != CHECK) __builtin_trap();  // freed twice, or overrun: nothing to go on with
  char *room = (char *)memory - header->offset;
  unsigned class = header->class;
  header->check = 0;
  blocks->live--;
  if (blocks->live == 0) {
    snq_blocks_start(blocks, blocks->start, blocks->length);
    return;
  }
  size_t size = class_size(class);
  if (size >= LARGE) {
    uintptr_t begin = ((uintptr_t)room + 4095) & ~(uintptr_t)4095, end = ((uintptr_t)room + size) & ~(uintptr_t)4095;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
  }
  *(void **)room = blocks->unused[class];
  blocks->unused[class] = room;
}

size_t snq_block_size(const void *memory) {
  const block_header *header = (const block_header *)memory - 1;
  return class_size(header->class) - header->offset;
}
