// What every option struct does with its first two fields.
#ifndef SONIQ_TEST_STRUCT_SIZES_H
#define SONIQ_TEST_STRUCT_SIZES_H

#include "check.h"

// `call` passes &room.options, which is too large for its type on purpose.
#define SWEEP_STRUCT_SIZE(type, init, call)                                                \
  do {                                                                                     \
    union {                                                                                \
      type options;                                                                        \
      unsigned char bytes[sizeof(type) + 64];                                              \
    } room;                                                                                \
    type fresh = init;                                                                     \
    const uint32_t wrong[] = {0, 1, 4, 7, 12, 4097, 8192, UINT32_MAX};                     \
    size_t i;                                                                              \
    for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {                                 \
      memset(&room, 0, sizeof room);                                                       \
      room.options = fresh;                                                                \
      room.options.struct_size = wrong[i];                                                 \
      FAILS(SONIQ_ERROR_INVALID_ARGUMENT, call);                                           \
    }                                                                                      \
    memset(&room, 0, sizeof room);                                                         \
    room.options = fresh;                                                                  \
    room.options.struct_size = (uint32_t)sizeof(type) + 64;                                \
    room.bytes[sizeof(type) + 40] = 1;                                                     \
    FAILS(SONIQ_ERROR_UNSUPPORTED, call);                                                  \
  } while (0)

#endif
