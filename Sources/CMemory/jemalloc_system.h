#ifndef SONIQ_JEMALLOC_SYSTEM_H
#define SONIQ_JEMALLOC_SYSTEM_H
#include "mappings.h"

// Unmaps every page that jemalloc has taken for itself. It must never be called again.
void snq_jemalloc_unmap(void);

#endif
