// How much cache a core has to itself.
#ifndef SONIQ_CACHE_SIZE_H
#define SONIQ_CACHE_SIZE_H
#include <stddef.h>
#include <unistd.h>

// Bytes of the second-level cache, or 0 when the system does not say.
static inline size_t snq_second_level_cache_bytes(void) {
  long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? (size_t)bytes : 0;
}

#endif
