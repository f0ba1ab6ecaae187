// The library's memory below Swift: arenas of a private jemalloc, and every page that they ever mapped.
#ifndef SONIQ_CMEMORY_H
#define SONIQ_CMEMORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arenas.h"
#include "reserve.h"
#endif
