// What a soniq_error points to: plain memory, so that making one can fail without a trap, and one of them
// can be a constant for the day when there is no memory at all.
#ifndef SONIQ_ERROR_RECORD_H
#define SONIQ_ERROR_RECORD_H
#include <stddef.h>
#include <stdint.h>

// "sqerror\1"
#define SNQ_ERROR_MAGIC UINT64_C(0x01726f7272657173)

typedef struct {
  uint64_t magic;
  int64_t offset;       // bytes in the file, -1: none
  const char *message;  // never null
  const char *node;     // or null, like the next
  const char *field;
  int32_t status;
  int32_t is_constant;  // 1: never freed
} snq_error_record;

// The one error that needs no memory. Never freed. `status` is SONIQ_ERROR_OUT_OF_MEMORY.
static inline const snq_error_record *snq_out_of_memory_error(void) {
  static const snq_error_record record = {
      SNQ_ERROR_MAGIC, -1, "there is no memory left, not even to say more", NULL, NULL, -20, 1};
  return &record;
}

#endif
