// Records of the pages that the arenas and the private jemalloc have mapped. Not safe by itself: callers hold the
// arenas' lock.
#ifndef SONIQ_MAPPINGS_H
#define SONIQ_MAPPINGS_H
#include <stdbool.h>
#include <stddef.h>

typedef struct snq_mapping {
  char *start;
  size_t length;
  struct snq_mapping *next;
} snq_mapping;

// Zeroed memory at a multiple of `alignment`, recorded in `list`; NULL when there is none. Sizes are rounded to pages.
void *snq_mapping_add(snq_mapping **list, size_t length, size_t alignment);

// Unmaps a range of recorded mappings, or parts of them. False when it is not all recorded in `list`.
bool snq_mapping_remove(snq_mapping **list, void *start, size_t length);

// Unmaps all of the list.
void snq_mapping_remove_all(snq_mapping **list);

// Unmaps the records themselves. All lists must be empty.
void snq_mapping_forget_records(void);

#endif
